// A server in this process: engine on a temporary directory, real gRPC on a free port of 127.0.0.1,
// stubs.
#ifndef NESTOR_TESTS_SERVER_E2E_TEST_SERVER_H_
#define NESTOR_TESTS_SERVER_E2E_TEST_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "nestor/v1/admin.grpc.pb.h"
#include "nestor/v1/collection.grpc.pb.h"
#include "nestor/v1/index.grpc.pb.h"
#include "nestor/v1/point.grpc.pb.h"
#include "nestor/v1/search.grpc.pb.h"
#include "server/engine/engine.h"
#include "server/rpc/rpc_server.h"
#include "tests/server/temp_dir.h"

namespace nestor {

// One stub per service, over one channel with the message limit of the API.
struct Stubs {
  explicit Stubs(const std::string& address);

  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::AdminService::Stub> admin;
  std::unique_ptr<v1::CollectionService::Stub> collections;
  std::unique_ptr<v1::IndexService::Stub> indexes;
  std::unique_ptr<v1::PointService::Stub> points;
  std::unique_ptr<v1::SearchService::Stub> searches;
  std::unique_ptr<grpc::health::v1::Health::Stub> health;
};

// Waits until health says SERVING; false once `seconds` have passed.
bool WaitUntilServing(const Stubs& stubs, int seconds);

// Any unary call, with a deadline of a minute.
template <typename Stub, typename Request, typename Reply>
grpc::Status CallStub(Stub* stub,
                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                      const Request& request, Reply* reply) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  return (stub->*method)(&context, request, reply);
}

class TestServer {
 public:
  explicit TestServer(const BackendOptions& options = {.search_threads = 2});
  ~TestServer();

  // Opens the engine and serves; without it the server is still starting.
  void Load();
  // The same in two steps; between them no collection is loaded. `loaded_one` is called after each
  // that is.
  void Open(std::function<void()> loaded_one);
  void LoadCollections();

  const std::string& data_dir() const { return dir_.path(); }
  RpcServer& rpc() { return *rpc_; }
  Engine& engine() { return *engine_; }
  Stubs& stubs() { return *stubs_; }
  std::string address() const;

 private:
  TempDir dir_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<RpcServer> rpc_;
  std::unique_ptr<Stubs> stubs_;
};

// --- Points of the tests: ids count from 0, everything follows from the id. ---

// A vector of a point, not zero, all prefixes neither.
std::vector<float> VectorOf(uint64_t id, uint32_t dim, uint64_t version = 0);
std::string Bytes(const std::vector<float>& values);

// NUM ids, nesting {dim / 2, dim}, L2, F32, attributes n: INT64 and s: STRING.
v1::CreateCollectionRequest MakeCollection(const std::string& name, uint32_t dim);
v1::Point MakePoint(uint64_t id, uint32_t dim, uint64_t version = 0);
v1::UpsertPointsRequest MakeUpsert(const std::string& collection, uint64_t first, uint64_t count,
                                   uint32_t dim, uint64_t version = 0);
// The same points as columns.
v1::StreamUpsertRequest MakeStreamBatch(const std::string& collection, uint64_t batch,
                                        uint64_t first, uint64_t count, uint32_t dim,
                                        uint64_t version = 0);
v1::SearchRequest MakeSearch(const std::string& collection, const std::vector<float>& query,
                             uint32_t limit);

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_E2E_TEST_SERVER_H_
