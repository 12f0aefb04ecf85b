#include "server/rpc/health_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/status.h"

namespace nestor {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One Watch call: writes the state that it was told last, one write at a time; deletes itself.
class HealthService::Watcher final : public grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  Watcher(HealthService* health, bool known) : health_(health), known_(known) {}

  // All of these under the service's mutex, which also keeps the watcher alive.
  void Tell(bool serving) {
    wanted_ = !known_   ? HealthCheckResponse::SERVICE_UNKNOWN
              : serving ? HealthCheckResponse::SERVING
                        : HealthCheckResponse::NOT_SERVING;
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
  const bool known_;
  HealthCheckResponse message_;  // last written; UNKNOWN before the first
  HealthCheckResponse::ServingStatus wanted_ = HealthCheckResponse::UNKNOWN;
  bool writing_ = false;
  bool broken_ = false;
  bool ending_ = false;
  bool finished_ = false;
};

HealthService::HealthService(std::vector<std::string> services) : services_(std::move(services)) {}

bool HealthService::Knows(absl::string_view service) const {
  return service.empty() ||
         std::find(services_.begin(), services_.end(), service) != services_.end();
}

void HealthService::SetServing(bool serving) {
  MutexLock lock(&mutex_);
  if (stopped_) return;
  serving_ = serving;
  for (Watcher* watcher : watchers_) watcher->Tell(serving);
}

void HealthService::Stop() {
  MutexLock lock(&mutex_);
  serving_ = false;
  stopped_ = true;
  for (Watcher* watcher : watchers_) {
    watcher->Tell(false);
    watcher->End();
  }
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const HealthCheckRequest* request,
                                               HealthCheckResponse* reply) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (!Knows(request->service())) {
    reactor->Finish(ToGrpcStatus(
        absl::NotFoundError(absl::StrCat("no service \"", request->service(), "\" is here"))));
    return reactor;
  }
  {
    MutexLock lock(&mutex_);
    reply->set_status(serving_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING);
  }
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext* context, const HealthCheckRequest* request) {
  auto* watcher = new Watcher(this, Knows(request->service()));
  MutexLock lock(&mutex_);
  watchers_.insert(watcher);
  watcher->Tell(serving_);
  if (stopped_) watcher->End();
  return watcher;
}

}  // namespace nestor
