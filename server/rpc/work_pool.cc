#include "server/rpc/work_pool.h"

#include <pthread.h>

#include <utility>

namespace nestor {

WorkPool::WorkPool(std::string name, int threads, size_t max_queued, Priority priority)
    : name_(std::move(name)), max_queued_(max_queued), priority_(priority) {
  threads_.reserve(threads);
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

WorkPool::~WorkPool() { Stop(); }

void WorkPool::Append(Task* task) {
  task->next_ = nullptr;
  if (tail_ == nullptr) {
    head_ = task;
  } else {
    tail_->next_ = task;
  }
  tail_ = task;
  ++queued_;
}

bool WorkPool::Submit(Task* task) {
  bool wake = false;
  {
    MutexLock lock(&mutex_);
    if (stopped_ || queued_ >= max_queued_ + static_cast<size_t>(idle_)) return false;
    Append(task);
    wake = idle_ > 0;
  }
  if (wake) ready_.NotifyOne();
  return true;
}

void WorkPool::Continue(Task* task) {
  bool wake = false;
  {
    MutexLock lock(&mutex_);
    Append(task);
    wake = idle_ > 0;
  }
  if (wake) ready_.NotifyOne();
}

void WorkPool::Stop() {
  {
    MutexLock lock(&mutex_);
    stopped_ = true;
  }
  ready_.NotifyAll();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool WorkPool::HasBacklog() {
  MutexLock lock(&mutex_);
  return head_ != nullptr;
}

void WorkPool::Work() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  SetPriority(priority_);
  for (;;) {
    Task* task = nullptr;
    {
      MutexLock lock(&mutex_);
      while (head_ == nullptr && !stopped_) {
        ++idle_;
        ready_.Wait(&mutex_);
        --idle_;
      }
      if (head_ == nullptr) return;
      task = head_;
      head_ = task->next_;
      if (head_ == nullptr) tail_ = nullptr;
      --queued_;
    }
    task->Run();
  }
}

}  // namespace nestor
