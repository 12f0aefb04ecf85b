#include "server/engine/priority.h"

#include <sys/resource.h>
#include <unistd.h>

#include <thread>

namespace nestor {

void SetPriority(Priority priority) {
  // On Linux a nice value is a thread's, and inherited; the process's is its first thread's.
  constexpr id_t kThisThread = 0;
  setpriority(PRIO_PROCESS, kThisThread,
              getpriority(PRIO_PROCESS, static_cast<id_t>(getpid())) + static_cast<int>(priority));
}

void RunWithPriority(Priority priority, absl::FunctionRef<void()> work) {
  std::thread thread([&] {
    SetPriority(priority);
    work();
  });
  thread.join();
}

}  // namespace nestor
