#include "client/files/timestamp.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/files/printable.h"

namespace nestor {
namespace {

// 0000-01-01T00:00:00Z and the microsecond before the year 10000.
constexpr int64_t kFirstMicros = -62'167'219'200'000'000;
constexpr int64_t kLastMicros = 253'402'300'799'999'999;

}  // namespace

absl::StatusOr<int64_t> ParseTimestamp(absl::string_view text) {
  // absl also reads "infinite-future", surrounding spaces, and years of any length.
  const bool starts_as_date = text.size() >= 20 && text[4] == '-' && absl::ascii_isdigit(text[0]) &&
                              !absl::ascii_isspace(text.back());
  absl::Time time;
  if (!starts_as_date || !absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected an RFC 3339 time such as 2026-11-22T16:00:00Z, found '", Printable(text), "'"));
  }
  // A year of four digits may have others in UTC, which RFC 3339 cannot say.
  const int64_t micros = absl::ToUnixMicros(time);
  if (micros < kFirstMicros || micros > kLastMicros) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected a time in the years 0000..9999 of UTC, found '", Printable(text), "'"));
  }
  return micros;
}

std::string FormatTimestamp(int64_t micros) {
  return absl::FormatTime("%E4Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMicros(micros),
                          absl::UTCTimeZone());
}

}  // namespace nestor
