// Client of a Nestor server: a method per rpc, each with a deadline and with retries on
// UNAVAILABLE. Requests and replies are the API's own messages (proto/nestor/v1), whose comments
// give units, defaults and limits. Errors keep the server's details: see status.h. Thread-safe.
#ifndef NESTOR_CLIENT_LIB_CLIENT_H_
#define NESTOR_CLIENT_LIB_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/lib/bulk_upsert.h"
#include "client/lib/retry.h"
#include "grpc/health/v1/health.pb.h"
#include "grpcpp/channel.h"
#include "nestor/v1/admin.pb.h"
#include "nestor/v1/collection.pb.h"
#include "nestor/v1/index.pb.h"
#include "nestor/v1/multi.pb.h"
#include "nestor/v1/operation.pb.h"
#include "nestor/v1/point.pb.h"
#include "nestor/v1/search.pb.h"

namespace nestor {

inline constexpr char kDefaultServer[] = "127.0.0.1:7700";

struct ClientOptions {
  std::string server = kDefaultServer;  // HOST:PORT
  // For one call with all its retries; it travels to the server as the gRPC deadline.
  absl::Duration deadline = absl::Seconds(30);
  // How long a call waits for a connection before it ends UNAVAILABLE; the deadline bounds it too.
  absl::Duration connect_timeout = absl::Seconds(10);
  RetryPolicy retry;
  // Bytes of one message, either way: what servers advertise.
  int max_message_bytes = 64 << 20;
};

class Client {
 public:
  // Does not connect yet.
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Waits for a connection, so that the time of the next call is its own. Calls do it by
  // themselves.
  absl::Status Connect();

  absl::StatusOr<v1::Collection> CreateCollection(const v1::CollectionSpec& spec);
  absl::StatusOr<v1::Collection> GetCollection(absl::string_view name);
  // All pages.
  absl::StatusOr<std::vector<v1::Collection>> ListCollections();
  absl::StatusOr<v1::Collection> UpdateCollection(const v1::CollectionSpec& spec);
  absl::Status DeleteCollection(absl::string_view name);

  absl::StatusOr<v1::UpsertPointsResponse> UpsertPoints(const v1::UpsertPointsRequest& request);
  absl::StatusOr<v1::GetPointsResponse> GetPoints(const v1::GetPointsRequest& request);
  absl::StatusOr<v1::DeletePointsResponse> DeletePoints(const v1::DeletePointsRequest& request);
  absl::StatusOr<v1::ListPointsResponse> ListPoints(const v1::ListPointsRequest& request);
  absl::StatusOr<v1::CountPointsResponse> CountPoints(absl::string_view collection);
  // A stream of batches; the Client must outlive it.
  std::unique_ptr<BulkUpsert> StartBulkUpsert(const BulkUpsert::Options& options);

  absl::StatusOr<v1::Operation> BuildIndex(const v1::BuildIndexRequest& request);
  absl::StatusOr<v1::Operation> AddCode(const v1::AddCodeRequest& request);
  absl::StatusOr<v1::Operation> DropCode(const v1::DropCodeRequest& request);
  absl::StatusOr<v1::Operation> ImportCode(const v1::ImportCodeRequest& request);
  absl::StatusOr<v1::ExportCodeResponse> ExportCode(const v1::ExportCodeRequest& request);
  absl::StatusOr<v1::GetCentroidsResponse> GetCentroids(absl::string_view collection);
  absl::StatusOr<v1::Index> GetIndex(absl::string_view collection);

  absl::StatusOr<v1::EncodeFDEResponse> EncodeFde(const v1::EncodeFDERequest& request);
  absl::StatusOr<v1::EstimateFDEResponse> EstimateFde(const v1::EstimateFDERequest& request);

  absl::StatusOr<v1::SearchResponse> Search(const v1::SearchRequest& request);
  absl::StatusOr<v1::BatchSearchResponse> BatchSearch(const v1::BatchSearchRequest& request);

  absl::StatusOr<v1::ServerInfo> GetServerInfo();
  absl::StatusOr<v1::Stats> GetStats();
  absl::StatusOr<v1::Operation> GetOperation(uint64_t id);
  absl::StatusOr<v1::ListOperationsResponse> ListOperations(
      const v1::ListOperationsRequest& request);
  absl::StatusOr<v1::Operation> CancelOperation(uint64_t id);

  struct WaitOptions {
    // Called after every look at the operation, the last one too.
    std::function<void(const v1::Operation&)> on_progress;
    absl::Duration poll_interval = absl::Milliseconds(100);
    absl::Duration timeout = absl::InfiniteDuration();
  };
  // Polls until the operation ends. The error is the operation's own where it did not succeed, and
  // DEADLINE_EXCEEDED where the timeout, or the deadline of ten looks in a row, passed (the
  // operation goes on).
  absl::StatusOr<v1::Operation> WaitOperation(uint64_t id, const WaitOptions& options);

  // grpc.health.v1; the empty service is the server as a whole. NOT_FOUND: no such service.
  absl::StatusOr<grpc::health::v1::HealthCheckResponse::ServingStatus> CheckHealth(
      absl::string_view service);

 private:
  struct Stubs;

  // Whether a call may be repeated though its first try may have taken effect.
  enum class Repeat { kIdempotent, kOnlyIfRefused };

  // Runs `call(context, response)` until it succeeds, must not be tried again, or the deadline
  // passes.
  template <typename Response, typename Call>
  absl::StatusOr<Response> Run(Repeat repeat, const Call& call);

  // UNAVAILABLE, naming the server, if there is no connection by `deadline` or the connect timeout.
  absl::Status WaitConnected(absl::Time deadline);

  const ClientOptions options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<Stubs> stubs_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_LIB_CLIENT_H_
