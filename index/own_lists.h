// What a spec says of lists that are the caller's (IndexSpec::own_lists). Pure function.
#ifndef NESTOR_INDEX_OWN_LISTS_H_
#define NESTOR_INDEX_OWN_LISTS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "index/schema.h"

namespace nestor {

// Lists x dim: their centroids and means are one record of the store, below 4 GiB, and in memory,
// however few rows there are.
inline constexpr uint64_t kMaxOwnListValues = uint64_t{1} << 28;

// InvalidArgument: there are to be none, their number is not given or too large for `dim`, or
// imported centroids come without their coarse_dim.
absl::Status ValidateOwnLists(const IndexSpec& spec, uint32_t dim);

}  // namespace nestor

#endif  // NESTOR_INDEX_OWN_LISTS_H_
