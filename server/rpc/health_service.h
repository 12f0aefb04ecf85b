// grpc.health.v1.Health. "" and the full names of the services share one state: NOT_SERVING from
// the first moment until all collections are loaded. (gRPC's own service would say SERVING for ""
// between its start and the first change.) "collections/NAME" is the readiness of one collection.
// Any thread.
#ifndef NESTOR_SERVER_RPC_HEALTH_SERVICE_H_
#define NESTOR_SERVER_RPC_HEALTH_SERVICE_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "index/base/mutex.h"
#include "server/rpc/backend.h"

namespace nestor {

class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // `services`: full names.
  HealthService(const Backend* backend, std::vector<std::string> services);

  // SERVING from now on. Tells the watchers.
  void Serve();
  // Looks again which collections are ready. Tells their watchers.
  void Refresh();
  // NOT_SERVING for good: watchers are told, then their calls end, and later ones end at once.
  void Stop();

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* reply) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  class Watcher;
  using State = grpc::health::v1::HealthCheckResponse::ServingStatus;

  // SERVICE_UNKNOWN for what is no service of this server.
  State StateOf(absl::string_view service) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Backend* const backend_;
  const std::vector<std::string> services_;
  Mutex mutex_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<Watcher*> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_HEALTH_SERVICE_H_
