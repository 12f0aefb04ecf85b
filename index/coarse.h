// The coarse stage: which lists to probe. Centroids (for coarse dims up to the trained one, sliced)
// and list means (above it) are int8 in the interleaved layout of the scan, so that choosing among
// thousands of lists costs a few microseconds. Immutable; shared by readers.
#ifndef NESTOR_INDEX_COARSE_H_
#define NESTOR_INDEX_COARSE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "index/base/pages.h"
#include "index/kernels/kernels.h"
#include "index/model.h"
#include "index/schema.h"
#include "index/shells.h"

namespace nestor {

class CoarseTable {
 public:
  CoarseTable(const VectorSchema& schema, const ShellLayout& layout,
              std::shared_ptr<const Model> model);

  // Scores all lists by q[:dim] (a nesting dim). keys[0 .. lists rounded up to 16) and as many sums
  // are overwritten; larger keys are nearer, those of lists without a centroid are -infinity.
  void Score(const Kernels& kernels, const float* query, uint32_t dim, QueryCode* code, float* sums,
             float* keys) const;

  uint32_t lists() const { return model_->lists; }
  // Ascending.
  std::span<const uint32_t> no_centroid() const { return no_centroid_; }
  uint32_t padded_lists() const { return static_cast<uint32_t>((model_->lists + 15) / 16 * 16); }
  size_t bytes() const;
  // Bytes that Score reads at `dim`.
  size_t BytesAt(uint32_t dim) const;

 private:
  // One int8 matrix of lists x its layout's dims, every shell of it interleaved.
  struct Table {
    ShellLayout layout;
    std::vector<PageBuffer> shells;
    std::vector<std::vector<float>> scales;  // [shell][padded lists]
  };
  static Table MakeTable(const ShellLayout& layout, const std::vector<float>& rows, uint32_t lists);

  const VectorSchema schema_;
  const std::shared_ptr<const Model> model_;
  Table centroids_;
  Table means_;
  std::vector<std::vector<float>> aux_;  // [nesting dim][padded lists]; empty under DOT
  std::vector<uint32_t> no_centroid_;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_COARSE_H_
