#include "server/engine/log_syncer.h"

#include <utility>

namespace nestor {

LogSyncer::LogSyncer(Store* store, std::function<void(const absl::Status&)> on_error)
    : store_(store), on_error_(std::move(on_error)), thread_([this] { Run(); }) {}

LogSyncer::~LogSyncer() { Stop(); }

void LogSyncer::Notify() {
  MutexLock lock(&mutex_);
  if (dirty_) return;
  dirty_ = true;
  changed_.NotifyOne();
}

void LogSyncer::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void LogSyncer::Run() {
  while (true) {
    {
      MutexLock lock(&mutex_);
      while (!dirty_ && !stopping_) changed_.Wait(&mutex_);
      if (!dirty_) return;
      const auto due = std::chrono::steady_clock::now() + kDelay;
      while (!stopping_ && changed_.WaitUntil(&mutex_, due)) {
      }
      dirty_ = false;
    }
    if (absl::Status status = store_->SyncLog(); !status.ok()) on_error_(status);
  }
}

}  // namespace nestor
