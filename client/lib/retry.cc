#include "client/lib/retry.h"

#include <algorithm>

#include "absl/random/random.h"
#include "client/lib/status.h"

namespace nestor {

std::optional<absl::Duration> Backoff::Next(const absl::Status& error, bool idempotent) {
  if (!absl::IsUnavailable(error) || attempts_ >= policy_.max_attempts) return std::nullopt;
  if (!idempotent && !HasErrorInfo(error)) return std::nullopt;
  absl::Duration wait = policy_.initial_backoff;
  for (int i = 1; i < attempts_ && wait < policy_.max_backoff; ++i) wait *= 2;
  ++attempts_;
  absl::BitGen bits;  // made here: most calls need none
  wait = std::min(wait, policy_.max_backoff) * absl::Uniform(bits, 0.5, 1.0);
  return std::max(wait, RetryDelay(error).value_or(absl::ZeroDuration()));
}

}  // namespace nestor
