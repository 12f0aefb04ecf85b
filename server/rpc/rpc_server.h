// The gRPC server: listener, services, pools. It listens before the engine is open, so that health
// can tell that it is loading; every other call is UNAVAILABLE until Connect, and then until its
// collection is loaded. Used by one thread, main's, but for CollectionsChanged.
#ifndef NESTOR_SERVER_RPC_RPC_SERVER_H_
#define NESTOR_SERVER_RPC_RPC_SERVER_H_

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/rpc/backend.h"

namespace nestor {

class Engine;

class RpcServer {
 public:
  // Binds `address` (HOST:PORT, port 0 = a free one) and answers. Unavailable where that fails.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(const std::string& address,
                                                          const BackendOptions& options);
  // As Shutdown without grace.
  ~RpcServer();

  int port() const;
  // From now on calls go to the engine, which outlives Shutdown. It may still load collections;
  // `CollectionsChanged` is to be called whenever one has become ready, was made or deleted.
  void Connect(Engine* engine);
  void CollectionsChanged();
  // The engine, which has loaded everything, takes all calls, and health says SERVING.
  void Serve(Engine* engine);
  // Health says NOT_SERVING, new calls are refused, those in progress have `grace` to end, then
  // they are cancelled. When it returns nothing uses the engine any more. Idempotent.
  void Shutdown(std::chrono::milliseconds grace);

  const RequestCounters& counters() const;

 private:
  struct Parts;
  explicit RpcServer(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_RPC_SERVER_H_
