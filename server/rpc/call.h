// One unary call: admitted to a pool's queue, dropped there if it was cancelled or has expired,
// else decoded, handled and finished on a thread of the pool. So gRPC's threads do no more than
// hand over bytes, and a call that is refused costs nothing. Deletes itself when gRPC is done with
// it.
#ifndef NESTOR_SERVER_RPC_CALL_H_
#define NESTOR_SERVER_RPC_CALL_H_

#include <atomic>
#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "google/protobuf/arena.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "server/engine/types.h"
#include "server/rpc/backend.h"
#include "server/rpc/wire.h"

namespace nestor {

class Call : public grpc::ServerUnaryReactor, public WorkPool::Task {
 public:
  Call(Backend* backend, Method method, grpc::CallbackServerContext* context,
       const grpc::ByteBuffer& in);

  // Queues the call, or finishes it: UNAVAILABLE while the server starts or stops,
  // RESOURCE_EXHAUSTED when the queue is full, CANCELLED where its caller reset it. To be called
  // once, by the handler, which then returns the call to gRPC.
  void Start(WorkPool* pool);

 protected:
  // OK, or why the call is not worth going on with: Cancelled, DeadlineExceeded.
  absl::Status Admit() const;
  // Counts the call and finishes it. From then on it holds nothing but its reply, and that only
  // until others need the room (unread_replies.h).
  void Complete(const absl::Status& status);
  Patience patience() const { return {deadline_, &cancelled_}; }
  Backend& backend() { return *backend_; }
  Engine& engine() { return *backend_->engine.load(std::memory_order_acquire); }
  std::chrono::steady_clock::time_point entered() const { return entered_; }

 private:
  // Frees all but the reply.
  virtual void FreeMessages() {}
  virtual int64_t reply_bytes() const = 0;
  void OnCancel() final { cancelled_.store(true, std::memory_order_relaxed); }
  void OnDone() final;
  // Neither reaction blocks or takes long: gRPC need not hand them to another thread, which costs
  // 10 us of CPU a call.
  bool InternalInlineable() final { return true; }

  const std::chrono::steady_clock::time_point entered_ = std::chrono::steady_clock::now();
  Backend* const backend_;
  grpc::CallbackServerContext* const context_;
  const Method method_;
  const bool arrived_;  // false: reset before its message came
  const int64_t request_bytes_;
  bool counted_ = false;  // the bytes are, in the backend
  const std::chrono::steady_clock::time_point deadline_;
  std::atomic<bool> cancelled_{false};
  UnreadReplies::Reply unread_;
};

// A call with its messages, which live on an arena of their own.
template <typename Request, typename Reply>
class MessageCall : public Call {
 public:
  MessageCall(Backend* backend, Method method, grpc::CallbackServerContext* context,
              const grpc::ByteBuffer* in, grpc::ByteBuffer* out)
      : Call(backend, method, context, *in), in_(in), out_(out) {}

 protected:
  // To be called before request() is used.
  absl::Status Decode() { return Decode(in_, request_); }
  // To be called once reply() is whole, before the call completes OK.
  absl::Status Encode() { return EncodeReply(*reply_, out_); }
  const Request& request() const { return *request_; }
  Reply* reply() { return reply_; }

 private:
  virtual absl::Status Decode(const grpc::ByteBuffer* in, Request* request) {
    return DecodeRequest(in, request);
  }
  void FreeMessages() override { arena_.Reset(); }
  int64_t reply_bytes() const override { return static_cast<int64_t>(out_->Length()); }

  using Arena = google::protobuf::Arena;

  // Enough for the messages of a search, query vector and all.
  static constexpr size_t kFirstBlockBytes = 8192;

  static google::protobuf::ArenaOptions FirstBlock(char* block) {
    google::protobuf::ArenaOptions options;
    options.initial_block = block;
    options.initial_block_size = kFirstBlockBytes;
    return options;
  }

  const grpc::ByteBuffer* const in_;
  grpc::ByteBuffer* const out_;
  alignas(8) char block_[kFirstBlockBytes];
  Arena arena_{FirstBlock(block_)};
  Request* const request_ = Arena::CreateMessage<Request>(&arena_);
  Reply* const reply_ = Arena::CreateMessage<Reply>(&arena_);
};

// The deadline of a call on the steady clock.
std::chrono::steady_clock::time_point SteadyDeadline(const grpc::CallbackServerContext& context);
// UNAVAILABLE until the store is open, and once the server stops, else OK.
absl::Status CheckServing(const Backend& backend);
// For calls that concern all collections: UNAVAILABLE until all are loaded.
absl::Status CheckLoaded(const Backend& backend);
absl::Status QueueFull(const WorkPool& pool);
absl::Status TooManyBytes(const Backend& backend, int64_t bytes);

// A call that is one function: absl::Status work(Engine&, const Request&, Reply*).
template <typename Request, typename Reply, typename Work>
grpc::ServerUnaryReactor* StartCall(Backend* backend, WorkPool* pool, Method method,
                                    grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* in, grpc::ByteBuffer* out, Work work) {
  class FunctionCall final : public MessageCall<Request, Reply> {
   public:
    FunctionCall(Backend* backend, Method method, grpc::CallbackServerContext* context,
                 const grpc::ByteBuffer* in, grpc::ByteBuffer* out, Work work)
        : MessageCall<Request, Reply>(backend, method, context, in, out), work_(std::move(work)) {}

   private:
    void Run() override {
      absl::Status status = this->Admit();
      if (status.ok()) status = this->Decode();
      if (status.ok()) status = work_(this->engine(), this->request(), this->reply());
      if (status.ok()) status = this->Encode();
      this->Complete(status);
    }
    Work work_;
  };
  auto* call = new FunctionCall(backend, method, context, in, out, std::move(work));
  call->Start(pool);
  return call;
}

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CALL_H_
