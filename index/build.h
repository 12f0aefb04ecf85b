// Builds a new generation: trains (k-means of FAISS on x[:coarse_dim]), averages the lists that
// rows name themselves or takes the centroids that are given, assigns every row, encodes it.
#ifndef NESTOR_INDEX_BUILD_H_
#define NESTOR_INDEX_BUILD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/code.h"
#include "index/ivf_index.h"

namespace nestor {

// The rows to build from, numbered 0..size() - 1, the same at every call. Called from several
// threads.
class BuildSource {
 public:
  struct Row {
    PointId id;
    uint64_t row = 0;
    uint64_t born = 0;
  };
  virtual ~BuildSource() = default;
  virtual uint64_t size() const = 0;
  virtual Row At(uint64_t i) const = 0;
  // Vectors i .. i + n - 1 as stored (n x vector bytes) into `out`.
  virtual absl::Status Read(uint64_t i, uint64_t n, std::byte* out) const = 0;

  static constexpr uint32_t kNearest = 0xffffffff;
  // Where the spec has a list_attribute: the list, below spec.lists, that it names for each of rows
  // i .. i + n - 1; kNearest where it names none.
  virtual absl::Status ReadLists(uint64_t i, uint64_t n, const IndexSpec& spec,
                                 uint32_t* out) const;
};

struct BuildOptions {
  int threads = 1;
  uint64_t seed = 1;
  int code_iterations = 50;  // of the training of each code
  // Rows that each code is trained on, evenly spread, at most.
  uint64_t code_rows = 65536;
  // Those of the spec's codes that are here are not trained.
  std::vector<GivenCode> given_codes;
  // Of a spec whose centroids are imported: spec.lists x spec.coarse_dim, as TakeCentroids has
  // them.
  std::span<const float> centroids;
  // Told now and then, from the calling thread: the phase and the fraction of the whole build done.
  // False stops the build: Cancelled.
  std::function<bool(const char* phase, double fraction)> progress;
};

// `spec` is valid for the schema, not yet resolved. The result holds every row of the source.
absl::StatusOr<std::unique_ptr<IvfIndex>> BuildIvfIndex(const VectorSchema& schema,
                                                        const IndexSpec& spec, IdKind id_kind,
                                                        const BuildSource& source,
                                                        const BuildOptions& options);

}  // namespace nestor

#endif  // NESTOR_INDEX_BUILD_H_
