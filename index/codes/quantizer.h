// A trained OPQ: a rotation of x[:dim] and, for each of the m pieces of the rotated vector, 16 or
// 256 centroids. Codes name the nearest centroid of each piece, in FAISS's order of bits (of two
// nibbles the lower one first). Immutable; shared by readers and the writer.
//
// What is coded is the caller's, by PrepareRow: x[:dim], under COSINE of unit length, minus the
// mean of the row's list where codes are of residuals. `x^` below is what a code stands for.
#ifndef NESTOR_INDEX_CODES_QUANTIZER_H_
#define NESTOR_INDEX_CODES_QUANTIZER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "index/base/pages.h"
#include "index/codes/spec.h"
#include "index/kernels/kernels.h"
#include "index/schema.h"

namespace nestor {

class OpqQuantizer {
 public:
  // rotation: dim x dim, row i makes coordinate i of the rotated vector; centroids: m x 16 or 256 x
  // dim / m, FAISS's order. InvalidArgument where a size is wrong, a value is not finite, or the
  // rotation changes lengths.
  static absl::StatusOr<std::shared_ptr<const OpqQuantizer>> Make(
      const OpqSpec& spec, const std::vector<float>& rotation, const std::vector<float>& centroids);

  const OpqSpec& spec() const { return spec_; }
  std::vector<float> rotation() const;
  std::vector<float> centroids() const;
  size_t memory_bytes() const { return rotation_.bytes() + centroids_.bytes(); }

  // n vectors of dim floats to as many codes of spec().bytes. The codes do not depend on how many
  // come at once.
  void Encode(const float* vectors, size_t n, uint8_t* codes) const;
  // The vector that the code stands for, rotated back.
  void Decode(const uint8_t* code, float* vector) const;
  // |x^|^2 / 2. Of a code of a residual: with the mean of its list, rotated; else null.
  float HalfSquare(const uint8_t* code, const float* rotated_mean) const;
  // Mean |x - x^|^2 over mean |x|^2 of n vectors; 0 where all are zero.
  double RelativeError(const float* vectors, size_t n) const;

  // n vectors, dim floats each; products of rotated ones are those of the vectors.
  void Rotate(const float* vectors, size_t n, float* rotated) const;

  // --- For queries (query.h) ---
  // Of each centroid c of all pieces in turn, with the piece y of a rotated vector: <y, c>, or <y,
  // c> - |c|^2 / 2.
  void Products(const float* rotated, bool less_norms, float* products) const;

 private:
  explicit OpqQuantizer(const OpqSpec& spec);
  void Fill(const std::vector<float>& rotation, const std::vector<float>& centroids);
  // Where in centroids_ centroid k of piece s begins; its next coordinates are a line further each.
  size_t LaneOf(size_t s, size_t k) const;
  uint32_t CentroidOf(const uint8_t* code, size_t s) const;

  const OpqSpec spec_;
  const Kernels& kernels_ = ActiveKernels();
  // As scan_f32 reads them. The rotation: blocks of 16 outputs, a line a coordinate. Centroids: of
  // each piece blocks of 16, a line a coordinate and one with -|c|^2 / 2, so that a vector with a 1
  // behind it is scored by distance.
  PageBuffer rotation_;
  PageBuffer centroids_;
  size_t piece_floats_ = 0;  // of centroids_
};

// What a code is made of: x[:dim], under COSINE divided by its length, minus `mean` unless it is
// null. out has dim floats.
void PrepareRow(Metric metric, const float* x, uint32_t dim, const float* mean, float* out);

}  // namespace nestor

#endif  // NESTOR_INDEX_CODES_QUANTIZER_H_
