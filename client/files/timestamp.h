// RFC 3339 <-> microseconds since 1970-01-01 UTC, the form in which timestamp attributes are
// stored.
#ifndef NESTOR_CLIENT_FILES_TIMESTAMP_H_
#define NESTOR_CLIENT_FILES_TIMESTAMP_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nestor {

// "2026-11-22T16:00:00.25Z", "2026-11-22T17:00:00+01:00", in the years 0000..9999 of UTC. Digits
// below a microsecond are cut off towards the past.
absl::StatusOr<int64_t> ParseTimestamp(absl::string_view text);

// In UTC, with as many digits of the second as are needed.
std::string FormatTimestamp(int64_t micros);

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_TIMESTAMP_H_
