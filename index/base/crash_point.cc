#include "index/base/crash_point.h"

#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"

namespace nestor::crash_point_internal {
namespace {

std::atomic<int64_t> left{1};

int Arm() {
  const char* text = std::getenv("NESTOR_CRASH_AT");
  if (text == nullptr) return -1;
  absl::string_view name = text;
  if (const size_t at = name.rfind('@'); at != absl::string_view::npos) {
    int64_t count = 0;
    if (!absl::SimpleAtoi(name.substr(at + 1), &count) || count < 1) {
      std::fprintf(stderr, "NESTOR_CRASH_AT=%s: what follows @ must be a number from 1 on\n", text);
      std::_Exit(2);
    }
    left.store(count);
    name = name.substr(0, at);
  }
  for (size_t i = 0; i < kCrashPoints; ++i) {
    if (kCrashPointNames[i] == name) return static_cast<int>(i);
  }
  std::fprintf(stderr, "NESTOR_CRASH_AT=%s: no such place\n", text);
  std::_Exit(2);
}

}  // namespace

std::atomic<int> armed{Arm()};

void Count() {
  if (left.fetch_sub(1) != 1) return;
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

}  // namespace nestor::crash_point_internal
