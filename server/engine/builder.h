// The thread that builds indexes, one after the other, as operations.
#ifndef NESTOR_SERVER_ENGINE_BUILDER_H_
#define NESTOR_SERVER_ENGINE_BUILDER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>

#include "index/base/mutex.h"
#include "server/engine/collection.h"
#include "server/engine/operations.h"

namespace nestor {

class Builder {
 public:
  using Log = std::function<void(Severity, absl::string_view)>;

  Builder(Operations* operations, Log log);
  ~Builder();  // Stop

  // `number` is a pending operation.
  void Add(uint64_t number, std::shared_ptr<Collection> collection);
  // Interrupts the build that runs and joins the thread. Operations that had not ended stay so in
  // the store: the next open calls them ABORTED.
  void Stop();

 private:
  struct Task {
    uint64_t number = 0;
    std::shared_ptr<Collection> collection;
  };
  void Run();
  void Execute(const Task& task);

  Operations* const operations_;
  const Log log_;
  std::atomic<bool> stopping_{false};
  Mutex mutex_;
  CondVar changed_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_BUILDER_H_
