// What a fixed dimensional encoding (FDE) of a token matrix is: MUVERA (arXiv 2405.19504), section
// 2. Each repetition cuts the space into 2^k_sim blocks by the signs of k_sim random products,
// sums up (of a query) or averages (of a document) the tokens of each block and projects the result
// to d_proj dims. The blocks of all repetitions, one after the other, are the FDE: the product of a
// query's with a document's is about repetitions times their Chamfer score.
//
// Repetitions are independent, so the first r of them are an FDE too. Plain values; enum numbers
// are written to disk and never change.
#ifndef NESTOR_INDEX_MULTI_FDE_SPEC_H_
#define NESTOR_INDEX_MULTI_FDE_SPEC_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

namespace nestor {

// Of what a block's vector is multiplied with. Dense: +-1 / sqrt(d_proj). Count sketch: each
// coordinate is added to, or subtracted from, one of the d_proj. Both keep products on average.
enum class FdeProjection : uint8_t { kIdentity = 1, kDense = 2, kCountSketch = 3 };

inline constexpr uint32_t kMaxTokenDim = 1024;
inline constexpr uint32_t kMaxFdeRepetitions = 1024;
inline constexpr uint32_t kMaxKSim = 12;
inline constexpr uint32_t kMaxFdeDims = 1u << 20;
// Of all random matrices of a model: 64 MiB as floats.
inline constexpr uint64_t kMaxFdeMatrixValues = 1u << 24;

// The defaults are 10,240 dims, the best of those measured on real tokens (ColBERTv2 on LoTTE).
struct FdeSpec {
  uint32_t dim = 0;  // of a token
  uint32_t repetitions = 80;
  uint32_t k_sim = 4;
  FdeProjection projection = FdeProjection::kDense;
  uint32_t d_proj = 8;  // under kIdentity: dim
  // A document's empty block takes the token whose signs differ from the block's in the fewest
  // places (the first such token) instead of zeros. Never of a query: a token would count twice.
  bool fill_empty = false;
  // Where not 0: each group of so many repetitions is count-sketched to sketch_dim dims. Then only
  // whole groups are prefixes.
  uint32_t sketch_repetitions = 0;
  uint32_t sketch_dim = 0;
  uint64_t seed = 1;

  uint32_t blocks() const { return 1u << k_sim; }  // of a repetition
  uint32_t repetition_dims() const { return blocks() * d_proj; }
  // Repetitions of a group: prefixes end at its borders.
  uint32_t group_repetitions() const { return sketch_repetitions == 0 ? 1 : sketch_repetitions; }
  uint32_t group_dims() const { return sketch_repetitions == 0 ? repetition_dims() : sketch_dim; }
  // Of the prefix of so many repetitions, whole groups.
  uint32_t dims_of(uint32_t prefix) const { return prefix / group_repetitions() * group_dims(); }
  uint32_t dims() const { return dims_of(repetitions); }

  bool operator==(const FdeSpec&) const = default;
};

// InvalidArgument with the value and the limit.
absl::Status ValidateFde(const FdeSpec& spec);

}  // namespace nestor

#endif  // NESTOR_INDEX_MULTI_FDE_SPEC_H_
