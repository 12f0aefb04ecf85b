// Wall-clock time as it is stored and sent.
#ifndef NESTOR_SERVER_ENGINE_CLOCK_H_
#define NESTOR_SERVER_ENGINE_CLOCK_H_

#include <chrono>
#include <cstdint>

namespace nestor {

// Microseconds since 1970-01-01 UTC.
inline int64_t NowMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_CLOCK_H_
