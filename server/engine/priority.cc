#include "server/engine/priority.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

namespace nestor {
namespace {

// Linux's struct sched_attr as of its first version; glibc 2.36 has none.
struct SchedAttributes {
  uint32_t size = sizeof(SchedAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0x08;  // the policy stays
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_nanos = 0;  // the slice, from Linux 6.12 on; before, it is ignored
  uint64_t deadline_nanos = 0;
  uint64_t period_nanos = 0;
};
static_assert(sizeof(SchedAttributes) == 48);

// The shortest one that Linux takes, and its usual one.
constexpr uint64_t kShortSliceNanos = 100'000;
constexpr uint64_t kUsualSliceNanos = 2'800'000;

std::atomic<bool> differ{false};

// A nice value is a thread's, and inherited; the process's is its first thread's.
void SetPriorityOf(pid_t thread, Priority priority) {
  SchedAttributes attributes;
  attributes.nice =
      getpriority(PRIO_PROCESS, static_cast<id_t>(getpid())) + static_cast<int>(priority);
  attributes.runtime_nanos = priority == Priority::kSearches ? kShortSliceNanos : kUsualSliceNanos;
  if (syscall(SYS_sched_setattr, thread, &attributes, 0) != 0) {
    setpriority(PRIO_PROCESS, static_cast<id_t>(thread), attributes.nice);
  }
}

}  // namespace

void SetPriority(Priority priority) {
  if (differ.load(std::memory_order_relaxed)) SetPriorityOf(gettid(), priority);
}

void SetPriorities() {
  differ.store(true, std::memory_order_relaxed);
  std::error_code error;
  for (std::filesystem::directory_iterator task("/proc/self/task", error), end;
       !error && task != end; task.increment(error)) {
    const pid_t thread = static_cast<pid_t>(std::stol(task->path().filename().string()));
    SetPriorityOf(thread, thread == getpid() ? Priority::kSearches : Priority::kBuilds);
  }
}

void RunWithPriority(Priority priority, absl::FunctionRef<void()> work) {
  std::thread thread([&] {
    SetPriority(priority);
    work();
  });
  thread.join();
}

}  // namespace nestor
