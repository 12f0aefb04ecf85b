// One unary call: admitted to a pool's queue, dropped there if it was cancelled or has expired,
// else handled and finished on a thread of the pool. Deletes itself when gRPC is done with it.
#ifndef NESTOR_SERVER_RPC_CALL_H_
#define NESTOR_SERVER_RPC_CALL_H_

#include <atomic>
#include <chrono>
#include <utility>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "server/engine/types.h"
#include "server/rpc/backend.h"

namespace nestor {

class Call : public grpc::ServerUnaryReactor, public WorkPool::Task {
 public:
  Call(Backend* backend, Method method, grpc::CallbackServerContext* context,
       const google::protobuf::Message* request);

  // Queues the call, or finishes it: UNAVAILABLE while the server loads, RESOURCE_EXHAUSTED when
  // the queue is full. To be called once, by the handler, which then returns the call to gRPC.
  void Start(WorkPool* pool);

 protected:
  // OK, or why the call is not worth beginning: Cancelled, DeadlineExceeded, a request with unknown
  // fields.
  absl::Status Admit() const;
  // Counts the call and finishes it.
  void Complete(const absl::Status& status);
  Patience patience() const { return {deadline_, &cancelled_}; }
  Backend& backend() { return *backend_; }
  Engine& engine() { return *backend_->engine.load(std::memory_order_acquire); }
  std::chrono::steady_clock::time_point entered() const { return entered_; }

 private:
  void OnCancel() final { cancelled_.store(true, std::memory_order_relaxed); }
  void OnDone() final;
  // Neither reaction blocks or takes long: gRPC need not hand them to another thread, which costs
  // 10 us of CPU a call.
  bool InternalInlineable() final { return true; }

  const std::chrono::steady_clock::time_point entered_ = std::chrono::steady_clock::now();
  Backend* const backend_;
  const Method method_;
  const google::protobuf::Message* const request_;
  const std::chrono::steady_clock::time_point deadline_;
  std::atomic<bool> cancelled_{false};
};

// The deadline of a call on the steady clock.
std::chrono::steady_clock::time_point SteadyDeadline(const grpc::CallbackServerContext& context);
// UNAVAILABLE while the server loads or stops, else OK.
absl::Status CheckServing(const Backend& backend);
absl::Status QueueFull(const WorkPool& pool);

// A call that is one function: absl::Status work(Engine&, const Patience&).
template <typename Work>
grpc::ServerUnaryReactor* StartCall(Backend* backend, WorkPool* pool, Method method,
                                    grpc::CallbackServerContext* context,
                                    const google::protobuf::Message* request, Work work) {
  class FunctionCall final : public Call {
   public:
    FunctionCall(Backend* backend, Method method, grpc::CallbackServerContext* context,
                 const google::protobuf::Message* request, Work work)
        : Call(backend, method, context, request), work_(std::move(work)) {}

   private:
    void Run() override {
      absl::Status status = Admit();
      if (status.ok()) status = work_(engine(), patience());
      Complete(status);
    }
    Work work_;
  };
  auto* call = new FunctionCall(backend, method, context, request, std::move(work));
  call->Start(pool);
  return call;
}

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CALL_H_
