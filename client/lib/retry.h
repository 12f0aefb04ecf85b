// When and how long to wait before a call is tried again: exponential with jitter, bounded. Not
// thread-safe: one Backoff per call.
#ifndef NESTOR_CLIENT_LIB_RETRY_H_
#define NESTOR_CLIENT_LIB_RETRY_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace nestor {

struct RetryPolicy {
  // Tries in all, the first one included; 1 = no retry.
  int max_attempts = 5;
  // The n-th wait is drawn from [0.5, 1] x min(initial x 2^n, max).
  absl::Duration initial_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(5);
};

class Backoff {
 public:
  explicit Backoff(const RetryPolicy& policy) : policy_(policy) {}

  // The wait before the next try, RetryInfo's delay at least; nullopt where `error` is not to be
  // tried again: not UNAVAILABLE, or out of attempts. A call that is not idempotent is tried again
  // only when the server itself refused it (ErrorInfo is there), not when the connection broke.
  std::optional<absl::Duration> Next(const absl::Status& error, bool idempotent);

  // After progress: the attempts count from the start again.
  void Reset() { attempts_ = 1; }

 private:
  const RetryPolicy policy_;
  int attempts_ = 1;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_LIB_RETRY_H_
