#include "server/rpc/health_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/engine/engine.h"
#include "server/rpc/status.h"

namespace nestor {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One Watch call: writes the state that it was told last, one write at a time; deletes itself.
class HealthService::Watcher final : public grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  Watcher(HealthService* health, std::string service)
      : health_(health), service_(std::move(service)) {}

  const std::string& service() const { return service_; }
  // All of these under the service's mutex, which also keeps the watcher alive.
  void Tell(State state) {
    wanted_ = state;
    Proceed();
  }
  void End() {
    ending_ = true;
    Proceed();
  }

 private:
  void Proceed() {
    if (writing_ || finished_) return;
    if (!broken_ && wanted_ != message_.status()) {
      message_.set_status(wanted_);
      writing_ = true;
      StartWrite(&message_);
    } else if (ending_) {
      finished_ = true;
      Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is stopping"));
    }
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(&health_->mutex_);
    writing_ = false;
    broken_ = broken_ || !ok;
    ending_ = ending_ || !ok;
    Proceed();
  }
  void OnCancel() override {
    MutexLock lock(&health_->mutex_);
    broken_ = true;
    ending_ = true;
    Proceed();
  }
  void OnDone() override {
    {
      MutexLock lock(&health_->mutex_);
      health_->watchers_.erase(this);
    }
    delete this;
  }

  HealthService* const health_;
  const std::string service_;
  HealthCheckResponse message_;  // last written; UNKNOWN before the first
  State wanted_ = HealthCheckResponse::UNKNOWN;
  bool writing_ = false;
  bool broken_ = false;
  bool ending_ = false;
  bool finished_ = false;
};

HealthService::HealthService(const Backend* backend, std::vector<std::string> services)
    : backend_(backend), services_(std::move(services)) {}

HealthService::State HealthService::StateOf(absl::string_view service) const {
  if (service.empty() ||
      std::find(services_.begin(), services_.end(), service) != services_.end()) {
    return serving_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
  }
  if (!absl::ConsumePrefix(&service, "collections/")) return HealthCheckResponse::SERVICE_UNKNOWN;
  const Engine* engine = backend_->engine.load(std::memory_order_acquire);
  // Not known yet, or not any more.
  if (engine == nullptr || stopped_) return HealthCheckResponse::NOT_SERVING;
  const absl::Status ready = engine->Ready(service);
  return ready.ok()                ? HealthCheckResponse::SERVING
         : absl::IsNotFound(ready) ? HealthCheckResponse::SERVICE_UNKNOWN
                                   : HealthCheckResponse::NOT_SERVING;
}

void HealthService::TellAll() {
  for (Watcher* watcher : watchers_) watcher->Tell(StateOf(watcher->service()));
}

void HealthService::Serve() {
  MutexLock lock(&mutex_);
  if (stopped_) return;
  serving_ = true;
  TellAll();
}

void HealthService::Refresh() {
  MutexLock lock(&mutex_);
  TellAll();
}

void HealthService::Stop() {
  MutexLock lock(&mutex_);
  serving_ = false;
  stopped_ = true;
  TellAll();
  for (Watcher* watcher : watchers_) watcher->End();
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const HealthCheckRequest* request,
                                               HealthCheckResponse* reply) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  {
    MutexLock lock(&mutex_);
    reply->set_status(StateOf(request->service()));
  }
  if (reply->status() == HealthCheckResponse::SERVICE_UNKNOWN) {
    reactor->Finish(ToGrpcStatus(
        absl::NotFoundError(absl::StrCat("no service \"", request->service(), "\" is here"))));
  } else {
    reactor->Finish(grpc::Status::OK);
  }
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext* context, const HealthCheckRequest* request) {
  auto* watcher = new Watcher(this, request->service());
  MutexLock lock(&mutex_);
  watchers_.insert(watcher);
  watcher->Tell(StateOf(watcher->service()));
  if (stopped_) watcher->End();
  return watcher;
}

}  // namespace nestor
