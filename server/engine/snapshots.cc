#include "server/engine/snapshots.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nestor {

Snapshots::Snapshots(std::shared_ptr<Generation> generation, uint64_t seq, uint64_t points)
    : current_{std::move(generation), seq, points, /*ticket=*/0} {}

absl::StatusOr<Snapshots::Pinned> Snapshots::Pin(uint64_t min_seq, const Patience& patience) {
  // A flag wakes nobody, so a waiting reader looks at it this often.
  constexpr auto kPoll = std::chrono::milliseconds(10);
  MutexLock lock(&mutex_);
  while (closed_.ok() && current_.seq < min_seq) {
    if (patience.cancelled != nullptr && patience.cancelled->load(std::memory_order_relaxed)) {
      return absl::CancelledError(absl::StrCat("cancelled while waiting for sequence ", min_seq,
                                               ", published is ", current_.seq));
    }
    const auto now = std::chrono::steady_clock::now();
    if (now >= patience.deadline) {
      return absl::DeadlineExceededError(absl::StrCat("deadline passed while waiting for sequence ",
                                                      min_seq, ", published is ", current_.seq));
    }
    ++waiting_;
    published_.WaitUntil(&mutex_, std::min(patience.deadline, now + kPoll));
    --waiting_;
  }
  if (!closed_.ok()) return closed_;
  Pins& pins = pins_[current_.ticket];
  pins.seq = current_.seq;
  ++pins.count;
  return current_;
}

void Snapshots::Unpin(uint64_t ticket) {
  MutexLock lock(&mutex_);
  const auto it = pins_.find(ticket);
  if (--it->second.count == 0) pins_.erase(it);
  if (pins_.empty() && holds_ == 0 && !closed_.ok()) idle_.NotifyAll();
}

Snapshots::Pinned Snapshots::Peek() const {
  MutexLock lock(&mutex_);
  return current_;
}

uint64_t Snapshots::active() const {
  MutexLock lock(&mutex_);
  uint64_t active = 0;
  for (const auto& [ticket, pins] : pins_) active += pins.count;
  return active;
}

void Snapshots::Publish(uint64_t seq, uint64_t points) {
  MutexLock lock(&mutex_);
  current_.seq = seq;
  current_.points = points;
  ++current_.ticket;
  if (waiting_ > 0) published_.NotifyAll();
}

void Snapshots::Swap(std::shared_ptr<Generation> generation) {
  MutexLock lock(&mutex_);
  current_.generation.swap(generation);
}

uint64_t Snapshots::Horizon() const {
  MutexLock lock(&mutex_);
  return pins_.empty() ? current_.seq : pins_.begin()->second.seq;
}

absl::Status Snapshots::Hold() {
  MutexLock lock(&mutex_);
  if (closed_.ok()) ++holds_;
  return closed_;
}

void Snapshots::Release() {
  MutexLock lock(&mutex_);
  if (--holds_ == 0 && pins_.empty() && !closed_.ok()) idle_.NotifyAll();
}

uint64_t Snapshots::Retire() {
  MutexLock lock(&mutex_);
  return current_.ticket++;
}

uint64_t Snapshots::Oldest() const {
  MutexLock lock(&mutex_);
  return pins_.empty() ? current_.ticket : pins_.begin()->first;
}

void Snapshots::Close(absl::Status why) {
  MutexLock lock(&mutex_);
  closed_ = std::move(why);
  published_.NotifyAll();
  while (!pins_.empty() || holds_ > 0) idle_.Wait(&mutex_);
}

void Snapshots::Reopen() {
  MutexLock lock(&mutex_);
  closed_ = absl::OkStatus();
}

}  // namespace nestor
