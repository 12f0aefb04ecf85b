// An FDE model as bytes. All numbers little-endian:
//   u32 version = 1, dim, repetitions, k_sim, projection, d_proj, fill_empty (0 or 1),
//   sketch_repetitions, sketch_dim | u64 seed | f32 hyperplanes, projections | u32 sketch (the
//   matrices, fde_model.h) | u64 checksum of all before
// A sign that flipped would still be a matrix, and every encoding made with it wrong: hence a
// checksum of its own.
#ifndef NESTOR_INDEX_MULTI_STORED_FDE_H_
#define NESTOR_INDEX_MULTI_STORED_FDE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/multi/fde_model.h"

namespace nestor {

std::string SerializeFde(const FdeModel& model);
// DataLoss says what is wrong. Allocates no more than the bytes call for.
absl::StatusOr<std::shared_ptr<const FdeModel>> ParseFde(absl::string_view bytes);

// FNV-1a in 64 bits: what ends a stored model.
uint64_t FdeChecksum(absl::string_view bytes);

}  // namespace nestor

#endif  // NESTOR_INDEX_MULTI_STORED_FDE_H_
