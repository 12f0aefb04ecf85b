#include "server/memory_trimmer.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>

namespace nestor {
namespace {

// Both calls of malloc's go through its free chunks: so seldom that this is nothing.
constexpr std::chrono::seconds kInterval(2);
constexpr int64_t kWorthwhile = 32 << 20;
constexpr int kTries = 5;  // within a minute

// Bytes of the process in memory; 0 where /proc does not say. `statm` is an open file.
int64_t ResidentBytes(int statm) {
  char text[128] = {};
  if (pread(statm, text, sizeof(text) - 1, 0) <= 0) return 0;
  char* end = nullptr;
  std::strtoll(text, &end, 10);  // the first number is the address space
  return std::strtoll(end, nullptr, 10) * sysconf(_SC_PAGESIZE);
}

// Resident bytes that malloc has not given out: what it keeps, and what never was its own (code,
// stacks, the index's pages).
int64_t OtherBytes(int statm) {
  const struct mallinfo2 info = mallinfo2();
  return ResidentBytes(statm) - static_cast<int64_t>(info.uordblks + info.hblkhd);
}

}  // namespace

MemoryTrimmer::MemoryTrimmer() : thread_([this] { Run(); }) {}

MemoryTrimmer::~MemoryTrimmer() {
  {
    MutexLock lock(&mutex_);
    stop_ = true;
    wake_.NotifyOne();
  }
  thread_.join();
}

void MemoryTrimmer::Run() {
  const int statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (statm < 0) return;
  int64_t least = OtherBytes(statm);
  int in_vain = 0;  // trims in a row
  int pause = 0;    // intervals until the next look
  for (;;) {
    {
      MutexLock lock(&mutex_);
      const auto deadline = std::chrono::steady_clock::now() + kInterval;
      while (!stop_ && wake_.WaitUntil(&mutex_, deadline)) {
      }
      if (stop_) break;
    }
    if (pause > 0) {
      --pause;
      continue;
    }
    const int64_t before = OtherBytes(statm);
    least = std::min(least, before);
    if (before < least + kWorthwhile) continue;
    malloc_trim(0);
    const int64_t left = OtherBytes(statm);
    if (left < least + kWorthwhile) {
      in_vain = 0;
    } else if (++in_vain < kTries) {
      // It may have been freed while the trim was at it.
      pause = (1 << in_vain) - 1;
    } else {
      // It is used for something else than malloc.
      least = left;
      in_vain = 0;
    }
  }
  close(statm);
}

}  // namespace nestor
