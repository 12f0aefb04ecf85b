#include "index/multi/fde_spec.h"

#include "absl/strings/str_cat.h"

namespace nestor {

absl::Status ValidateFde(const FdeSpec& spec) {
  const auto refuse = [](const auto&... parts) {
    return absl::InvalidArgumentError(absl::StrCat("fde: ", parts...));
  };
  if (spec.dim < 1 || spec.dim > kMaxTokenDim) {
    return refuse("the tokens' dim must be 1..", kMaxTokenDim, ", not ", spec.dim);
  }
  if (spec.repetitions < 1 || spec.repetitions > kMaxFdeRepetitions) {
    return refuse("repetitions must be 1..", kMaxFdeRepetitions, ", not ", spec.repetitions);
  }
  if (spec.k_sim > kMaxKSim) return refuse("k_sim must be 0..", kMaxKSim, ", not ", spec.k_sim);
  switch (spec.projection) {
    case FdeProjection::kIdentity:
      if (spec.d_proj != spec.dim) {
        return refuse("without a projection d_proj must be ", spec.dim, " (the tokens' dim), not ",
                      spec.d_proj);
      }
      break;
    case FdeProjection::kDense:
    case FdeProjection::kCountSketch:
      if (spec.d_proj < 1 || spec.d_proj > spec.dim) {
        return refuse("d_proj must be 1..", spec.dim, " (the tokens' dim), not ", spec.d_proj);
      }
      break;
    default:
      return refuse("projection ", static_cast<int>(spec.projection),
                    " is none of 1 (identity), 2 (dense), 3 (count sketch)");
  }
  // Also where a sketch makes it shorter: the encoder computes all of it.
  const uint64_t dims = uint64_t{spec.repetitions} * spec.repetition_dims();
  if (dims > kMaxFdeDims) {
    return refuse("repetitions * 2^k_sim * d_proj is ", dims, " dims, the limit is ", kMaxFdeDims);
  }
  const uint32_t columns =
      spec.k_sim + (spec.projection == FdeProjection::kIdentity ? 0 : spec.d_proj);
  const uint64_t values = uint64_t{spec.repetitions} * spec.dim * columns;
  if (values > kMaxFdeMatrixValues) {
    return refuse("its random matrices would have ", values, " values, the limit is ",
                  kMaxFdeMatrixValues);
  }
  if ((spec.sketch_repetitions == 0) != (spec.sketch_dim == 0)) {
    return refuse("sketch_repetitions ", spec.sketch_repetitions, " and sketch_dim ",
                  spec.sketch_dim, " must both be set, or neither");
  }
  if (spec.sketch_repetitions != 0) {
    if (spec.repetitions % spec.sketch_repetitions != 0) {
      return refuse("sketch_repetitions ", spec.sketch_repetitions, " must divide the ",
                    spec.repetitions, " repetitions");
    }
    const uint32_t group = spec.sketch_repetitions * spec.repetition_dims();
    if (spec.sketch_dim > group) {
      return refuse("sketch_dim must be 1..", group, " (the dims of ", spec.sketch_repetitions,
                    " repetitions), not ", spec.sketch_dim);
    }
  }
  return absl::OkStatus();
}

}  // namespace nestor
