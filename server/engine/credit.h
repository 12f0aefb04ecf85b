// Bytes that may be admitted before whoever grants them looks again at what is left of a resource,
// since a look takes some microseconds. Any thread.
#ifndef NESTOR_SERVER_ENGINE_CREDIT_H_
#define NESTOR_SERVER_ENGINE_CREDIT_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace nestor {

class Credit {
 public:
  static constexpr uint64_t kMost = 4 << 20;

  // False: it is time for a look.
  bool Take(uint64_t bytes) {
    const auto wanted = static_cast<int64_t>(std::min(bytes, 2 * kMost));
    return left_.fetch_sub(wanted, std::memory_order_relaxed) >= wanted;
  }
  // After a look: of so many bytes that are left.
  void Grant(uint64_t bytes) {
    left_.store(static_cast<int64_t>(std::min(bytes, kMost)), std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t> left_{0};
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_CREDIT_H_
