// Replies that their callers have not taken yet. HTTP/2's flow control leaves it to the caller when
// it reads, and the server holds the reply until then. So all such replies together may take so
// many bytes; where a new one goes beyond, those that have waited longest are dropped: their calls
// end CANCELLED. Whoever reads at all takes its reply long before that. Any thread.
#ifndef NESTOR_SERVER_RPC_UNREAD_REPLIES_H_
#define NESTOR_SERVER_RPC_UNREAD_REPLIES_H_

#include <cstdint>
#include <vector>

#include "grpc/grpc.h"
#include "index/base/mutex.h"

namespace nestor {

class UnreadReplies {
 public:
  // The place of one reply in the queue of all.
  class Reply {
   public:
    Reply() = default;
    Reply(const Reply&) = delete;
    Reply& operator=(const Reply&) = delete;

   private:
    friend class UnreadReplies;
    grpc_call* call_ = nullptr;  // null: not in the queue
    int64_t bytes_ = 0;
    Reply* older_ = nullptr;
    Reply* newer_ = nullptr;
  };

  // Calls whose replies are dropped. Cancels them at its end, at which no lock may be held: such a
  // call may come to its end at once and on this thread.
  class Dropped {
   public:
    Dropped() = default;
    Dropped(Dropped&&) noexcept = default;
    Dropped& operator=(Dropped&& other) noexcept {
      calls_.swap(other.calls_);
      return *this;
    }
    ~Dropped();

    bool empty() const { return calls_.empty(); }
    void Take(Dropped other);

   private:
    friend class UnreadReplies;
    std::vector<grpc_call*> calls_;  // of each, a reference
  };

  explicit UnreadReplies(int64_t max_bytes) : max_bytes_(max_bytes) {}

  // Before the reply of `call` is handed to gRPC. From then on the call may be cancelled, until
  // Remove.
  [[nodiscard]] Dropped Add(Reply* reply, grpc_call* call, int64_t bytes);
  // Before `call` ends: the reply was taken, or dropped. Does nothing where it was never added.
  void Remove(Reply* reply);

 private:
  void Unlink(Reply* reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int64_t max_bytes_;
  Mutex mutex_;
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Reply* oldest_ ABSL_GUARDED_BY(mutex_) = nullptr;
  Reply* newest_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_UNREAD_REPLIES_H_
