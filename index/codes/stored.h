// A quantizer as bytes, for the store (which adds checksums). All numbers little-endian:
//   u32 version = 1, dim, bytes, bits | f32 rotation[dim][dim] | f32 centroids[m][16 or 256][dim/m]
#ifndef NESTOR_INDEX_CODES_STORED_H_
#define NESTOR_INDEX_CODES_STORED_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/codes/quantizer.h"

namespace nestor {

std::string SerializeOpq(const OpqQuantizer& quantizer);
// DataLoss says what is wrong. Allocates no more than the bytes call for.
absl::StatusOr<std::shared_ptr<const OpqQuantizer>> ParseOpq(absl::string_view bytes);

}  // namespace nestor

#endif  // NESTOR_INDEX_CODES_STORED_H_
