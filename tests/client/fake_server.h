// A gRPC server on 127.0.0.1 with the services of nestor.v1, for tests of the client: it records
// what came in, answers what the test has put in, and refuses what the test tells it to refuse.
// Every member is set before calls are made, or read through a method that locks.
#ifndef NESTOR_TESTS_CLIENT_FAKE_SERVER_H_
#define NESTOR_TESTS_CLIENT_FAKE_SERVER_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "grpcpp/support/status.h"
#include "nestor/v1/admin.grpc.pb.h"
#include "nestor/v1/collection.grpc.pb.h"
#include "nestor/v1/index.grpc.pb.h"
#include "nestor/v1/point.grpc.pb.h"
#include "nestor/v1/search.grpc.pb.h"

namespace nestor {

// A status with ErrorInfo{reason, domain nestor}, the field in BadRequest unless empty, RetryInfo
// unless zero: as the server makes them.
grpc::Status MakeError(grpc::StatusCode code, const std::string& message, const std::string& reason,
                       const std::string& field = "",
                       absl::Duration retry_after = absl::ZeroDuration());

class FakeServer {
 public:
  using UpsertStream = grpc::ServerReaderWriter<v1::StreamUpsertResponse, v1::StreamUpsertRequest>;

  FakeServer();
  ~FakeServer();

  std::string address() const;

  // The next unary calls end so, one each, before anything else happens.
  void FailNext(std::vector<grpc::Status> failures);
  // Streams so far are served by `serve` instead of an ack for every batch; the argument counts
  // streams from 1.
  std::function<grpc::Status(int, UpsertStream*)> serve_stream;
  // What GetOperation returns, one a call; the last one stays.
  std::deque<v1::Operation> operations;
  std::map<std::string, v1::Collection> collections;
  std::vector<v1::Point> points;  // GetPoints finds these, by id
  v1::Index index;
  v1::ExportCodeResponse exported_code;
  v1::GetCentroidsResponse centroids;
  v1::ServerInfo info;
  v1::Stats stats;
  std::function<grpc::Status(const v1::SearchRequest&, v1::SearchResponse*)> search;

  // Unary calls that came in, failed ones too.
  int calls() const;
  absl::Duration last_deadline() const;  // time left when the last unary call came in
  std::vector<v1::StreamUpsertRequest> batches() const;
  std::vector<v1::CollectionSpec> created() const;
  std::vector<v1::BuildIndexRequest> builds() const;
  std::vector<std::string> code_changes() const;  // "add 256 32 4", "import .."
  std::vector<v1::DeletePointsRequest> deletes() const;

  // For serve_stream: keeps the batch and acks all its rows.
  void Ack(const v1::StreamUpsertRequest& batch, UpsertStream* stream);

 private:
  class Services;

  mutable std::mutex mutex_;
  std::deque<grpc::Status> failures_;
  int calls_ = 0;
  absl::Duration last_deadline_;
  int streams_ = 0;
  std::vector<v1::StreamUpsertRequest> batches_;
  std::vector<v1::CollectionSpec> created_;
  std::vector<v1::BuildIndexRequest> builds_;
  std::vector<std::string> code_changes_;
  std::vector<v1::DeletePointsRequest> deletes_;
  int port_ = 0;
  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_CLIENT_FAKE_SERVER_H_
