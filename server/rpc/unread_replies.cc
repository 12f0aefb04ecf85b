#include "server/rpc/unread_replies.h"

#include <utility>

namespace nestor {

UnreadReplies::Dropped::~Dropped() {
  for (grpc_call* call : calls_) {
    grpc_call_cancel(call, nullptr);
    grpc_call_unref(call);
  }
}

void UnreadReplies::Dropped::Take(Dropped other) {
  for (grpc_call* call : std::exchange(other.calls_, {})) calls_.push_back(call);
}

UnreadReplies::Dropped UnreadReplies::Add(Reply* reply, grpc_call* call, int64_t bytes) {
  Dropped dropped;
  MutexLock lock(&mutex_);
  reply->call_ = call;
  reply->bytes_ = bytes;
  reply->older_ = newest_;
  (newest_ == nullptr ? oldest_ : newest_->newer_) = reply;
  newest_ = reply;
  bytes_ += bytes;
  while (bytes_ > max_bytes_ && oldest_ != reply) {
    // Its call has not ended: it is in the queue.
    grpc_call_ref(oldest_->call_);
    dropped.calls_.push_back(oldest_->call_);
    Unlink(oldest_);
  }
  return dropped;
}

void UnreadReplies::Remove(Reply* reply) {
  MutexLock lock(&mutex_);
  if (reply->call_ != nullptr) Unlink(reply);
}

void UnreadReplies::Unlink(Reply* reply) {
  (reply->older_ == nullptr ? oldest_ : reply->older_->newer_) = reply->newer_;
  (reply->newer_ == nullptr ? newest_ : reply->newer_->older_) = reply->older_;
  bytes_ -= reply->bytes_;
  reply->call_ = nullptr;
  reply->older_ = nullptr;
  reply->newer_ = nullptr;
}

}  // namespace nestor
