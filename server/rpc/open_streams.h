// The streams that are open, so that a shutdown can ask them to end: a stream may stay open for
// hours. Any thread.
#ifndef NESTOR_SERVER_RPC_OPEN_STREAMS_H_
#define NESTOR_SERVER_RPC_OPEN_STREAMS_H_

#include "absl/container/flat_hash_set.h"
#include "index/base/mutex.h"

namespace nestor {

class OpenStreams {
 public:
  class Stream {
   public:
    virtual ~Stream() = default;
    // Ends the stream as soon as what it has begun is finished. Must not add or remove streams.
    virtual void Drain() = 0;
  };

  // A stream that comes after Drain is drained at once.
  void Add(Stream* stream) {
    MutexLock lock(&mutex_);
    streams_.insert(stream);
    if (draining_) stream->Drain();
  }
  // Waits while Drain visits the stream; then nobody touches it any more.
  void Remove(Stream* stream) {
    MutexLock lock(&mutex_);
    streams_.erase(stream);
  }
  bool empty() {
    MutexLock lock(&mutex_);
    return streams_.empty();
  }
  void Drain() {
    MutexLock lock(&mutex_);
    draining_ = true;
    for (Stream* stream : streams_) stream->Drain();
  }

 private:
  Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<Stream*> streams_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_OPEN_STREAMS_H_
