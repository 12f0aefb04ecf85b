#include "server/rpc/call.h"

#include <grpc/support/time.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "server/engine/engine.h"
#include "server/rpc/status.h"

namespace nestor {

std::chrono::steady_clock::time_point SteadyDeadline(const grpc::CallbackServerContext& context) {
  // Deadlines of years overflow the nanoseconds of a time_point: they are none.
  constexpr int64_t kForeverSeconds = int64_t{10} * 365 * 86400;
  const gpr_timespec deadline = context.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) {
    return std::chrono::steady_clock::time_point::max();
  }
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  if (left.tv_sec >= kForeverSeconds) return std::chrono::steady_clock::time_point::max();
  return std::chrono::steady_clock::now() + std::chrono::seconds(left.tv_sec) +
         std::chrono::nanoseconds(left.tv_nsec);
}

namespace {

absl::Status Loading() {
  return WithReason("LOADING",
                    WithRetry(std::chrono::milliseconds(500),
                              absl::UnavailableError("the server is loading its collections")));
}

}  // namespace

absl::Status CheckServing(const Backend& backend) {
  if (backend.stopping.load(std::memory_order_relaxed)) {
    return WithReason("STOPPING", WithRetry(std::chrono::milliseconds(500),
                                            absl::UnavailableError("the server is stopping")));
  }
  return backend.engine.load(std::memory_order_acquire) == nullptr ? Loading() : absl::OkStatus();
}

absl::Status CheckLoaded(const Backend& backend) {
  return backend.loaded.load(std::memory_order_relaxed) ? absl::OkStatus() : Loading();
}

absl::Status QueueFull(const WorkPool& pool) {
  return WithReason("QUEUE_FULL", absl::ResourceExhaustedError(absl::StrCat(
                                      "the server is busy: ", pool.threads(), " calls run and ",
                                      pool.max_queued(), " wait, the limit")));
}

absl::Status TooManyBytes(const Backend& backend, int64_t bytes) {
  return WithReason("TOO_MANY_BYTES",
                    absl::ResourceExhaustedError(
                        absl::StrCat("the server is busy: a request of ", bytes,
                                     " bytes more would take those in progress over the limit of ",
                                     backend.max_request_bytes)));
}

Call::Call(Backend* backend, Method method, grpc::CallbackServerContext* context,
           const grpc::ByteBuffer& in)
    : backend_(backend),
      context_(context),
      method_(method),
      arrived_(in.Valid()),
      request_bytes_(static_cast<int64_t>(in.Length())),
      deadline_(SteadyDeadline(*context)) {}

void Call::Start(WorkPool* pool) {
  backend_->open_calls.fetch_add(1, std::memory_order_relaxed);
  if (!arrived_) {
    backend_->connections.NoteReset(context_->peer());
    backend_->counters.Record(method_, absl::StatusCode::kCancelled);
    return Finish(grpc::Status::CANCELLED);
  }
  const absl::Status serving = CheckServing(*backend_);
  if (!serving.ok()) return Complete(serving);
  counted_ = backend_->TakeBytes(request_bytes_);
  if (!counted_) return Complete(TooManyBytes(*backend_, request_bytes_));
  if (!pool->Submit(this)) Complete(QueueFull(*pool));
}

absl::Status Call::Admit() const {
  if (cancelled_.load(std::memory_order_relaxed)) {
    return absl::CancelledError("the caller cancelled the call before it began");
  }
  if (deadline_ != std::chrono::steady_clock::time_point::max() &&
      std::chrono::steady_clock::now() >= deadline_) {
    return absl::DeadlineExceededError("the deadline passed while the call waited for a thread");
  }
  return absl::OkStatus();
}

void Call::OnDone() {
  backend_->replies.Remove(&unread_);
  backend_->open_calls.fetch_sub(1, std::memory_order_relaxed);
  delete this;
}

void Call::Complete(const absl::Status& status) {
  backend_->counters.Record(method_, status.code());
  FreeMessages();
  if (counted_) backend_->ReturnBytes(request_bytes_);
  if (status.ok()) {
    // At once: the older replies' room is needed for this one.
    const UnreadReplies::Dropped dropped =
        backend_->replies.Add(&unread_, context_->c_call(), reply_bytes());
  }
  Finish(ToGrpcStatus(status));
}

}  // namespace nestor
