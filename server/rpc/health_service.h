// grpc.health.v1.Health: NOT_SERVING from the first moment until told otherwise. (gRPC's own
// service would say SERVING for "" between its start and the first change.) Any thread.
#ifndef NESTOR_SERVER_RPC_HEALTH_SERVICE_H_
#define NESTOR_SERVER_RPC_HEALTH_SERVICE_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "index/base/mutex.h"

namespace nestor {

class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // The full names of the services it speaks for; all of them and "" share one state.
  explicit HealthService(std::vector<std::string> services);

  // Tells the watchers.
  void SetServing(bool serving);
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

  bool Knows(absl::string_view service) const;

  const std::vector<std::string> services_;
  Mutex mutex_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_set<Watcher*> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_HEALTH_SERVICE_H_
