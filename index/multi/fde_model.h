// An FDE with its random matrices: what a collection keeps for good, since encodings made with
// other matrices can not be compared. Drawn once, then stored (stored_fde.h) and never drawn again.
// Immutable; any thread may encode.
#ifndef NESTOR_INDEX_MULTI_FDE_MODEL_H_
#define NESTOR_INDEX_MULTI_FDE_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/base/pages.h"
#include "index/kernels/kernels.h"
#include "index/multi/fde_spec.h"
#include "index/schema.h"

namespace nestor {

struct FdeMatrices {
  // [repetitions][k_sim][dim]: bit j of a token's block is the sign of its product with row j.
  std::vector<float> hyperplanes;
  // [repetitions][d_proj][dim]; empty under kIdentity.
  std::vector<float> projections;
  // [repetitions * repetition_dims]: coordinate c of a group is added to sketch[c] / 2, negated
  // where sketch[c] is odd. Empty without a sketch.
  std::vector<uint32_t> sketch;

  bool operator==(const FdeMatrices&) const = default;
};

// How many values each has; the spec must be valid.
struct FdeMatrixSizes {
  explicit FdeMatrixSizes(const FdeSpec& spec);
  size_t hyperplanes, projections, sketch;
};

// Draws them from spec.seed; the spec must be valid. The matrices of fewer repetitions are a prefix
// of those of more.
FdeMatrices DrawFdeMatrices(const FdeSpec& spec);

enum class FdeSide : uint8_t { kQuery = 1, kDocument = 2 };

struct FdeOptions {
  FdeSide side = FdeSide::kQuery;
  std::optional<bool> fill_empty;  // of a document; absent: the spec's
  uint32_t repetitions = 0;        // the prefix to compute, whole groups; 0 = all
  std::span<const float> weights;  // of a query's tokens, one each; empty: all 1
};

class FdeModel {
 public:
  // Draws the matrices.
  static absl::StatusOr<std::shared_ptr<const FdeModel>> Draw(const FdeSpec& spec);
  // InvalidArgument: an invalid spec, a matrix of another size, a value that is not finite or over
  // 1e15, a sketch beyond its dims.
  static absl::StatusOr<std::shared_ptr<const FdeModel>> Make(const FdeSpec& spec,
                                                              FdeMatrices matrices);

  const FdeSpec& spec() const { return spec_; }
  const FdeMatrices& matrices() const { return matrices_; }
  size_t memory_bytes() const;

  // Encodes n tokens of spec().dim floats each. `fde` has room for the dims of options.repetitions.
  // Equal on all SIMD levels. InvalidArgument: tokens that ValidateTokens refuses, repetitions
  // that are not a prefix, weights that are not one finite number per token or come with a
  // document, a fill of a query.
  absl::Status Encode(std::span<const float> tokens, const FdeOptions& options, float* fde) const;

 private:
  FdeModel(const FdeSpec& spec, FdeMatrices matrices);
  // Adds what group g is before the sketch to `sketched`, sketch_dim zeros.
  void Sketch(uint32_t g, const std::vector<float>& group, float* sketched) const;

  const FdeSpec spec_;
  const VectorSchema token_schema_;
  const FdeMatrices matrices_;
  const Kernels& kernels_ = ActiveKernels();
  // The matrices as multiply_f32 reads them. The hyperplanes of all repetitions are columns one
  // after the other; the projection of each repetition begins a block of columns.
  const size_t projection_bytes_;  // of a repetition
  PageBuffer hyperplanes_;
  PageBuffer projections_;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_MULTI_FDE_MODEL_H_
