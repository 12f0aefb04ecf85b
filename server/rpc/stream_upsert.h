// One StreamUpsert call. Batches are applied one after the other in the order in which they came,
// each on a thread of the write pool, while the next ones are read ahead: a bounded number of
// batches and bytes, beyond that gRPC's flow control holds the client back. Deletes itself when
// gRPC is done with it.
#ifndef NESTOR_SERVER_RPC_STREAM_UPSERT_H_
#define NESTOR_SERVER_RPC_STREAM_UPSERT_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "index/base/mutex.h"
#include "nestor/v1/point.pb.h"
#include "server/rpc/backend.h"
#include "server/rpc/open_streams.h"

namespace nestor {

class UpsertStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                           public WorkPool::Task,
                           public OpenStreams::Stream {
 public:
  static constexpr size_t kMaxBatches = 4;        // read and not yet answered
  static constexpr int64_t kMaxBytes = 32 << 20;  // of these; one more batch may be on its way
  static constexpr uint32_t kBackOffMillis = 100;

  static UpsertStream* Open(Backend* backend, OpenStreams* streams,
                            grpc::CallbackServerContext* context);

  void Drain() override;

 private:
  struct Batch {
    v1::StreamUpsertRequest request;
    int64_t bytes = 0;
  };
  struct Answered {
    grpc::ByteBuffer bytes;
    UnreadReplies::Reply unread;
  };

  UpsertStream(Backend* backend, OpenStreams* streams, grpc::CallbackServerContext* context);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override { cancelled_.store(true, std::memory_order_relaxed); }
  void OnDone() override;
  // Applies the first batch that waits.
  void Run() override;

  // Reads ahead: takes what gRPC read, or ends the stream.
  void Take(absl::StatusOr<std::unique_ptr<Batch>> batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Answer(const v1::StreamUpsertResponse& reply) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // OK, or why the number ends the stream.
  absl::Status CheckNumber(uint64_t batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends the stream once what was read before is applied and answered. The first reason stands.
  void EndWith(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // What there is to do next: decided under the mutex, done without it, since gRPC may call back at
  // once. The stream finishes only when nobody is between the two: after Finish it may be gone.
  struct Next {
    bool read = false;
    bool apply = false;
    const grpc::ByteBuffer* write = nullptr;
    UnreadReplies::Dropped dropped;
    std::optional<absl::Status> finish;
    bool Any() const {
      return read || apply || write != nullptr || !dropped.empty() || finish.has_value();
    }
  };
  Next Decide() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Does that and what there is to do after it. The stream may be gone when it returns.
  void Do(Next next);
  // The write pool is full: those that wait are told to come again, all of them, so that none
  // overtakes another.
  void BackOffAll();
  void BackOff(uint64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A batch that is applied, refused or dropped counts no more.
  void Forget(const Batch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Backend* const backend_;
  OpenStreams* const streams_;
  grpc::CallbackServerContext* const context_;
  const std::chrono::steady_clock::time_point deadline_;
  std::atomic<bool> cancelled_{false};

  Mutex mutex_;
  grpc::ByteBuffer reading_;                      // gRPC's while a read is on its way
  bool arrived_ ABSL_GUARDED_BY(mutex_) = false;  // a batch at least
  bool read_started_ ABSL_GUARDED_BY(mutex_) = false;
  bool read_ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::unique_ptr<Batch>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool applying_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;             // of the batches waiting or being applied
  std::deque<Answered> replies_ ABSL_GUARDED_BY(mutex_);  // the first is being written
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  UnreadReplies::Dropped dropped_ ABSL_GUARDED_BY(mutex_);  // to be cancelled without the mutex
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_set<uint64_t> backed_off_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
  int acting_ ABSL_GUARDED_BY(mutex_) = 0;  // threads between Decide and the end of Do
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_STREAM_UPSERT_H_
