// Matchers on absl::Status that explain a failure.
#ifndef NESTOR_TESTS_SERVER_RPC_MATCHERS_H_
#define NESTOR_TESTS_SERVER_RPC_MATCHERS_H_

#include <gmock/gmock.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nestor {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER(IsOk, "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

// `code` and a matcher of the message.
MATCHER_P2(StatusIs, code, message, "") {
  const absl::Status& status = StatusOf(arg);
  *result_listener << status.ToString();
  return status.code() == code &&
         testing::SafeMatcherCast<std::string>(message).Matches(std::string(status.message()));
}

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_RPC_MATCHERS_H_
