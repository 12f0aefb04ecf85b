// Threads behind a bounded queue: what may block or compute runs here, never on a gRPC thread.
//
// Owned by RpcServer, one for searches, one for writes, one for other reads. Any thread may submit.
// Tasks link themselves into the queue, so submitting allocates nothing.
#ifndef NESTOR_SERVER_RPC_WORK_POOL_H_
#define NESTOR_SERVER_RPC_WORK_POOL_H_

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "index/base/mutex.h"
#include "server/engine/priority.h"

namespace nestor {

class WorkPool {
 public:
  class Task {
   public:
    virtual ~Task() = default;
    // Called once per submission, on a thread of the pool. May destroy the task.
    virtual void Run() = 0;

   private:
    friend class WorkPool;
    Task* next_ = nullptr;
  };

  // `name` shows up as the threads' name (15 bytes). At most `max_queued` tasks wait for a thread.
  WorkPool(std::string name, int threads, size_t max_queued,
           Priority priority = Priority::kSearches);
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Queues the task; false, and nothing is done, when the queue is full or the pool has stopped.
  bool Submit(Task* task);
  // Queues a task behind the others though the queue be full: for the later parts of work that was
  // admitted. The pool must not have stopped.
  void Continue(Task* task);
  // Runs what is queued, then ends the threads. Idempotent.
  void Stop();

  int threads() const { return static_cast<int>(threads_.size()); }
  size_t max_queued() const { return max_queued_; }
  // Whether tasks wait for a thread at this moment.
  bool HasBacklog();

 private:
  void Append(Task* task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Work();

  const std::string name_;
  const size_t max_queued_;
  const Priority priority_;
  Mutex mutex_;
  CondVar ready_;
  Task* head_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Task* tail_ ABSL_GUARDED_BY(mutex_) = nullptr;
  size_t queued_ ABSL_GUARDED_BY(mutex_) = 0;
  int idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_WORK_POOL_H_
