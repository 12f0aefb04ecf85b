// Where the token matrices of a file of tokens begin: .u64bin (n + 1, 1), from 0 on; matrix i is
// tokens [i] .. [i + 1].
#ifndef NESTOR_CLIENT_FILES_TOKEN_OFFSETS_H_
#define NESTOR_CLIENT_FILES_TOKEN_OFFSETS_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace nestor {

// Those of the first `most` matrices, or of all. InvalidArgument: no column of numbers, offsets
// that do not begin with 0 and ascend up to `tokens`.
absl::StatusOr<std::vector<uint64_t>> ReadTokenOffsets(
    const std::string& path, uint64_t tokens,
    uint64_t most = std::numeric_limits<uint64_t>::max() - 1);

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_TOKEN_OFFSETS_H_
