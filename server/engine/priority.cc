#include "server/engine/priority.h"

#include <sys/resource.h>

namespace nestor {

void SetPriority(Priority priority) {
  // On Linux a nice value is a thread's, and inherited.
  constexpr id_t kThisThread = 0;
  setpriority(PRIO_PROCESS, kThisThread,
              getpriority(PRIO_PROCESS, kThisThread) + static_cast<int>(priority));
}

}  // namespace nestor
