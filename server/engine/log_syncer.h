// Syncs the store's log a moment after writes that did not: what ASYNC collections promise. One
// thread.
#ifndef NESTOR_SERVER_ENGINE_LOG_SYNCER_H_
#define NESTOR_SERVER_ENGINE_LOG_SYNCER_H_

#include <chrono>
#include <functional>
#include <thread>

#include "absl/status/status.h"
#include "index/base/mutex.h"
#include "server/storage/store.h"

namespace nestor {

class LogSyncer {
 public:
  static constexpr auto kDelay = std::chrono::milliseconds(100);

  // `on_error` is told of each sync that fails.
  LogSyncer(Store* store, std::function<void(const absl::Status&)> on_error);
  ~LogSyncer();  // Stop

  // There is something to sync.
  void Notify();
  // Syncs what is left and joins the thread.
  void Stop();

 private:
  void Run();

  Store* const store_;
  const std::function<void(const absl::Status&)> on_error_;
  Mutex mutex_;
  CondVar changed_;
  bool dirty_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_LOG_SYNCER_H_
