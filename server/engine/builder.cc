#include "server/engine/builder.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/engine/priority.h"

namespace nestor {

Builder::Builder(Operations* operations, Log log)
    : operations_(operations), log_(std::move(log)), thread_([this] { Run(); }) {}

Builder::~Builder() { Stop(); }

void Builder::Add(Task task) {
  MutexLock lock(&mutex_);
  tasks_.push_back(std::move(task));
  changed_.NotifyOne();
}

void Builder::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_.store(true);
    tasks_.clear();
    changed_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void Builder::Run() {
  // Of what keeps pace with writes; the rest of a build gives way to them.
  SetPriority(Priority::kWrites);
  while (true) {
    Task task;
    {
      MutexLock lock(&mutex_);
      while (tasks_.empty() && !stopping_.load()) changed_.Wait(&mutex_);
      if (stopping_.load()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    Execute(task);
  }
}

void Builder::Execute(const Task& task) {
  const std::string name = task.collection->spec()->name;
  const std::string id = Operations::Id(task.number);
  if (operations_->cancelled(task.number)) {
    operations_->Finish(task.number, absl::CancelledError("cancelled before it started"));
    return;
  }
  operations_->Start(task.number);
  log_(Severity::kInfo, absl::StrCat("operation ", id, ": ", task.what, " of ", name));
  const auto start = std::chrono::steady_clock::now();
  absl::Status status = task.work([&](absl::string_view phase, double fraction) {
    return operations_->Report(task.number, phase, fraction) && !stopping_.load();
  });
  if (stopping_.load() && !status.ok()) return;
  // Whatever the cancelled build met first, a closed collection say.
  if (!status.ok() && operations_->cancelled(task.number)) {
    status = absl::CancelledError("cancelled");
  }
  operations_->Finish(task.number, status);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  log_(status.ok() || absl::IsCancelled(status) ? Severity::kInfo : Severity::kError,
       absl::StrFormat("operation %s: %s of %s after %.1f s: %s", id, task.what, name, seconds,
                       status.ToString()));
}

}  // namespace nestor
