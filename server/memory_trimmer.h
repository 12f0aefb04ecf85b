// Gives free memory back to the kernel. malloc keeps what a burst of large messages or replies took
// (measured: 130 MB after a dozen messages of 68 MB), spread over the arenas of all threads; a
// server that shares its machine should not. A thread of its own, from construction to destruction.
#ifndef NESTOR_SERVER_MEMORY_TRIMMER_H_
#define NESTOR_SERVER_MEMORY_TRIMMER_H_

#include <thread>

#include "index/base/mutex.h"

namespace nestor {

class MemoryTrimmer {
 public:
  MemoryTrimmer();
  ~MemoryTrimmer();
  MemoryTrimmer(const MemoryTrimmer&) = delete;
  MemoryTrimmer& operator=(const MemoryTrimmer&) = delete;

 private:
  void Run();

  Mutex mutex_;
  CondVar wake_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_MEMORY_TRIMMER_H_
