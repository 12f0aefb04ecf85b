#include "server/rpc/page_token.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/rpc/limits.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

absl::Status BadToken(absl::string_view token) {
  return FieldError("page_token",
                    absl::StrCat("\"", token.substr(0, 300), "\" is no token of this list"));
}

// A number exactly as StrCat writes it.
bool ParseNumber(absl::string_view text, uint64_t* number) {
  return absl::SimpleAtoi(text, number) && absl::StrCat(*number) == text;
}

}  // namespace

absl::StatusOr<uint32_t> ToPageSize(uint32_t page_size) {
  if (page_size == 0) return kDefaultPageSize;
  if (page_size <= kMaxPageSize) return page_size;
  return FieldError("page_size", absl::StrCat(page_size, " is not in 0..", kMaxPageSize));
}

std::string TokenOfName(absl::string_view name) { return absl::StrCat("c:", name); }

std::string TokenOfPoint(const PointId& id) {
  const auto* num = std::get_if<uint64_t>(&id);
  return num != nullptr ? absl::StrCat("n:", *num) : absl::StrCat("s:", std::get<std::string>(id));
}

std::string TokenOfOperation(uint64_t id) { return absl::StrCat("o:", id); }

absl::StatusOr<std::string> NameOfToken(absl::string_view token) {
  absl::string_view name = token;
  if (!absl::ConsumePrefix(&name, "c:") || name.empty()) return BadToken(token);
  return std::string(name);
}

absl::StatusOr<PointId> PointOfToken(absl::string_view token) {
  absl::string_view rest = token;
  uint64_t num = 0;
  if (absl::ConsumePrefix(&rest, "n:") && ParseNumber(rest, &num)) return PointId(num);
  rest = token;
  if (absl::ConsumePrefix(&rest, "s:") && !rest.empty() && rest.size() <= kMaxStringIdBytes) {
    return PointId(std::string(rest));
  }
  return BadToken(token);
}

absl::StatusOr<uint64_t> OperationOfToken(absl::string_view token) {
  absl::string_view rest = token;
  uint64_t number = 0;
  if (!absl::ConsumePrefix(&rest, "o:") || !ParseNumber(rest, &number)) return BadToken(token);
  return number;
}

}  // namespace nestor
