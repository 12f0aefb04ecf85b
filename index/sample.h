// An evenly spread sample of the rows that a build reads.
#ifndef NESTOR_INDEX_SAMPLE_H_
#define NESTOR_INDEX_SAMPLE_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "index/build.h"

namespace nestor {

// Decodes `wanted` rows of the source, at most all, in pieces, so that a source on disk reads runs
// of rows. `take` hears of each piece: its first row, how many they are, their values. Now and then
// `go_on` is asked; where it says no: Cancelled.
absl::Status ReadSample(
    const BuildSource& source, const VectorSchema& schema, uint64_t wanted,
    absl::FunctionRef<bool()> go_on,
    absl::FunctionRef<void(uint64_t first, uint64_t n, const float* values)> take);

}  // namespace nestor

#endif  // NESTOR_INDEX_SAMPLE_H_
