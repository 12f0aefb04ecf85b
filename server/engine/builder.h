// The thread that builds indexes and adds codes to them, one after the other, as operations.
#ifndef NESTOR_SERVER_ENGINE_BUILDER_H_
#define NESTOR_SERVER_ENGINE_BUILDER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
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

  struct Task {
    uint64_t number = 0;  // of a pending operation
    std::shared_ptr<Collection> collection;
    std::string what;  // "building the index"
    std::function<absl::Status(const Collection::Progress& progress)> work;
  };
  void Add(Task task);
  // Interrupts the task that runs and joins the thread. Operations that had not ended stay so in
  // the store: the next open calls them ABORTED.
  void Stop();

 private:
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
