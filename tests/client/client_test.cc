#include "client/lib/client.h"

#include "client/lib/status.h"
#include "gmock/gmock.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ClientOptions Options(const FakeServer& server) {
  ClientOptions options;
  options.server = server.address();
  options.retry.initial_backoff = absl::Milliseconds(1);
  options.retry.max_backoff = absl::Milliseconds(2);
  return options;
}

grpc::Status Refused() {
  return MakeError(grpc::StatusCode::UNAVAILABLE, "the server is loading", "LOADING");
}

grpc::Status Broken() { return grpc::Status(grpc::StatusCode::UNAVAILABLE, "socket closed"); }

v1::CollectionSpec Spec(const std::string& name) {
  v1::CollectionSpec spec;
  spec.set_name(name);
  spec.set_dim(2);
  spec.set_metric(v1::METRIC_L2);
  return spec;
}

v1::StreamUpsertRequest Batch(std::vector<uint64_t> ids) {
  v1::StreamUpsertRequest batch;
  batch.set_collection("c");
  for (uint64_t id : ids) batch.mutable_ids()->add_nums(id);
  batch.mutable_vectors()->set_dtype(v1::DTYPE_INT8);
  batch.mutable_vectors()->set_data(std::string(2 * ids.size(), '\1'));
  return batch;
}

TEST(ClientTest, CallsCarryTheDeadline) {
  FakeServer server;
  ClientOptions options = Options(server);
  options.deadline = absl::Seconds(100);
  Client client(options);
  ASSERT_TRUE(client.GetServerInfo().ok());
  EXPECT_GT(server.last_deadline(), absl::Seconds(50));
  EXPECT_LE(server.last_deadline(), absl::Seconds(101));
}

TEST(ClientTest, ListsCollectionsOfAllPages) {
  FakeServer server;
  Client client(Options(server));
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(client.CreateCollection(Spec(name)).ok());
  const auto collections = client.ListCollections();
  ASSERT_TRUE(collections.ok()) << collections.status();
  std::vector<std::string> names;
  for (const auto& collection : *collections) names.push_back(collection.spec().name());
  EXPECT_THAT(names, ElementsAre("a", "b", "c"));
}

TEST(ClientTest, RetriesUnavailable) {
  FakeServer server;
  Client client(Options(server));
  server.FailNext({Broken(), Refused(), Broken()});
  EXPECT_TRUE(client.GetServerInfo().ok());
  EXPECT_EQ(server.calls(), 4);
}

TEST(ClientTest, RetriesAreBounded) {
  FakeServer server;
  ClientOptions options = Options(server);
  options.retry.max_attempts = 3;
  Client client(options);
  server.FailNext(std::vector<grpc::Status>(10, Refused()));
  const auto info = client.GetServerInfo();
  EXPECT_EQ(info.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server.calls(), 3);
}

TEST(ClientTest, OtherErrorsAreNotRetried) {
  FakeServer server;
  Client client(Options(server));
  server.FailNext({MakeError(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many", "BUSY")});
  EXPECT_EQ(client.GetServerInfo().status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(server.calls(), 1);
}

// A create whose connection broke may have taken effect; one that the server refused has not.
TEST(ClientTest, CreateIsRetriedOnlyWhenRefused) {
  FakeServer server;
  Client client(Options(server));
  server.FailNext({Refused()});
  EXPECT_TRUE(client.CreateCollection(Spec("a")).ok());
  server.FailNext({Broken()});
  EXPECT_EQ(client.CreateCollection(Spec("b")).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server.created().size(), 1u);
}

TEST(ClientTest, NamesTheServerThatDoesNotAnswer) {
  ClientOptions options;
  {
    FakeServer gone;
    options.server = gone.address();
  }
  options.connect_timeout = absl::Milliseconds(50);
  Client client(options);
  const absl::Status status = client.GetStats().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(options.server));
  EXPECT_THAT(std::string(status.message()), HasSubstr("50ms"));
}

TEST(ClientTest, ErrorsKeepTheirDetails) {
  FakeServer server;
  Client client(Options(server));
  server.FailNext({MakeError(grpc::StatusCode::INVALID_ARGUMENT, "dim 0 is not in 1..16384",
                             "BAD_DIM", "spec.dim", absl::Milliseconds(250))});
  const absl::Status status = client.CreateCollection(Spec("a")).status();
  EXPECT_EQ(DescribeError(status),
            "INVALID_ARGUMENT: dim 0 is not in 1..16384\n"
            "  field spec.dim\n"
            "  reason BAD_DIM\n"
            "  retry after 250ms");
  EXPECT_TRUE(HasErrorInfo(status));
  EXPECT_EQ(RetryDelay(status), absl::Milliseconds(250));
  EXPECT_EQ(ToRpcStatus(status).details_size(), 3);
}

TEST(ClientTest, EveryFieldViolationIsNamed) {
  google::rpc::BadRequest bad;
  for (const char* field : {"a", "b"}) {
    bad.add_field_violations()->set_field(field);
    bad.mutable_field_violations()->rbegin()->set_description("is bad");
  }
  google::rpc::Status rpc;
  rpc.set_code(grpc::StatusCode::INVALID_ARGUMENT);
  rpc.set_message("two fields are bad");
  rpc.add_details()->PackFrom(bad);
  EXPECT_EQ(DescribeError(ToAbslStatus(rpc)),
            "INVALID_ARGUMENT: two fields are bad\n  field a: is bad\n  field b: is bad");
}

TEST(ClientTest, ErrorsWithoutDetails) {
  const absl::Status status = ToAbslStatus(Broken());
  EXPECT_EQ(DescribeError(status), "UNAVAILABLE: socket closed");
  EXPECT_FALSE(HasErrorInfo(status));
  EXPECT_EQ(RetryDelay(status), std::nullopt);
  EXPECT_TRUE(ToAbslStatus(grpc::Status::OK).ok());
  EXPECT_EQ(ToAbslStatus(grpc::Status(grpc::StatusCode::NOT_FOUND, "x", "no proto \xff")),
            absl::NotFoundError("x"));
}

TEST(BackoffTest, WaitsGrowAndStayBounded) {
  RetryPolicy policy;
  policy.max_attempts = 5;
  policy.initial_backoff = absl::Milliseconds(100);
  policy.max_backoff = absl::Milliseconds(300);
  const absl::Status error = absl::UnavailableError("x");
  Backoff backoff(policy);
  for (const int most : {100, 200, 300, 300}) {
    const auto wait = backoff.Next(error, true);
    ASSERT_TRUE(wait.has_value());
    EXPECT_GE(*wait, absl::Milliseconds(most / 2));
    EXPECT_LE(*wait, absl::Milliseconds(most));
  }
  EXPECT_EQ(backoff.Next(error, true), std::nullopt);
  backoff.Reset();
  EXPECT_TRUE(backoff.Next(error, true).has_value());
  EXPECT_EQ(backoff.Next(absl::InternalError("x"), true), std::nullopt);
}

TEST(BackoffTest, WaitsAsLongAsTheServerAsks) {
  Backoff backoff(RetryPolicy{});
  const absl::Status error = ToAbslStatus(
      MakeError(grpc::StatusCode::UNAVAILABLE, "x", "LOADING", "", absl::Milliseconds(900)));
  EXPECT_EQ(backoff.Next(error, false), absl::Milliseconds(900));
}

v1::Operation OperationIn(v1::Operation::State state, double progress) {
  v1::Operation operation;
  operation.set_id(7);
  operation.set_state(state);
  operation.set_progress(progress);
  return operation;
}

TEST(WaitOperationTest, ReportsProgressUntilTheEnd) {
  FakeServer server;
  server.operations = {OperationIn(v1::Operation::STATE_PENDING, 0),
                       OperationIn(v1::Operation::STATE_RUNNING, 0.5),
                       OperationIn(v1::Operation::STATE_SUCCEEDED, 1)};
  Client client(Options(server));
  std::vector<double> progress;
  Client::WaitOptions options;
  options.poll_interval = absl::Milliseconds(1);
  options.on_progress = [&](const v1::Operation& o) { progress.push_back(o.progress()); };
  const auto operation = client.WaitOperation(7, options);
  ASSERT_TRUE(operation.ok()) << operation.status();
  EXPECT_EQ(operation->state(), v1::Operation::STATE_SUCCEEDED);
  EXPECT_THAT(progress, ElementsAre(0, 0.5, 1));
}

TEST(WaitOperationTest, ReturnsTheOperationsError) {
  FakeServer server;
  v1::Operation aborted = OperationIn(v1::Operation::STATE_ABORTED, 0.25);
  aborted.mutable_error()->set_code(grpc::StatusCode::ABORTED);
  aborted.mutable_error()->set_message("the server restarted");
  server.operations = {aborted};
  Client client(Options(server));
  EXPECT_EQ(client.WaitOperation(7, {}).status(), absl::AbortedError("the server restarted"));
}

TEST(WaitOperationTest, GivesUpAfterTheTimeout) {
  FakeServer server;
  server.operations = {OperationIn(v1::Operation::STATE_RUNNING, 0.5)};
  Client client(Options(server));
  Client::WaitOptions options;
  options.poll_interval = absl::Milliseconds(1);
  options.timeout = absl::Milliseconds(20);
  EXPECT_EQ(client.WaitOperation(7, options).status().code(), absl::StatusCode::kDeadlineExceeded);
}

// A starved server, not an operation that failed.
TEST(WaitOperationTest, LooksAgainAfterALateAnswer) {
  FakeServer server;
  server.operations = {OperationIn(v1::Operation::STATE_RUNNING, 0.5),
                       OperationIn(v1::Operation::STATE_SUCCEEDED, 1)};
  const grpc::Status late(grpc::StatusCode::DEADLINE_EXCEEDED, "late");
  Client client(Options(server));
  Client::WaitOptions options;
  options.poll_interval = absl::Milliseconds(1);
  server.FailNext({late, late});
  EXPECT_TRUE(client.WaitOperation(7, options).ok());
  server.FailNext(std::vector<grpc::Status>(20, late));
  EXPECT_EQ(client.WaitOperation(7, options).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(HealthTest, AsksTheStandardService) {
  FakeServer server;
  Client client(Options(server));
  const auto all = client.CheckHealth("");
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(*all, grpc::health::v1::HealthCheckResponse::SERVING);
  EXPECT_EQ(client.CheckHealth("no.such.Service").status().code(), absl::StatusCode::kNotFound);
}

TEST(BulkUpsertTest, AccountsForEveryRow) {
  FakeServer server;
  server.serve_stream = [&](int, FakeServer::UpsertStream* stream) {
    v1::StreamUpsertRequest batch;
    while (stream->Read(&batch)) {
      v1::StreamUpsertResponse response;
      response.set_batch(batch.batch());
      if (batch.batch() == 2) {  // row 1 is bad
        response.mutable_ack()->set_seq(50);
        response.mutable_ack()->set_count(2);
        auto* error = response.mutable_ack()->add_errors();
        error->set_row(1);
        error->mutable_status()->set_code(grpc::StatusCode::INVALID_ARGUMENT);
        error->mutable_status()->set_message("coordinate 1 is NaN");
        stream->Write(response);
      } else if (batch.batch() == 3) {
        response.mutable_refused()->set_code(grpc::StatusCode::NOT_FOUND);
        response.mutable_refused()->set_message("no such collection");
        stream->Write(response);
      } else {
        server.Ack(batch, stream);
      }
    }
    return grpc::Status::OK;
  };
  Client client(Options(server));
  const auto bulk = client.StartBulkUpsert({});
  ASSERT_TRUE(bulk->Write(Batch({1, 2})).ok());
  ASSERT_TRUE(bulk->Write(Batch({3, 4, 5})).ok());
  ASSERT_TRUE(bulk->Write(Batch({6, 7, 8, 9})).ok());
  const auto totals = bulk->Finish();
  ASSERT_TRUE(totals.ok()) << totals.status();
  EXPECT_EQ(totals->batches, 3u);
  EXPECT_EQ(totals->rows_written, 4u);
  EXPECT_EQ(totals->rows_failed, 5u);
  EXPECT_EQ(totals->last_seq, 50u);
  const auto errors = bulk->TakeErrors();
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].batch, 2u);
  EXPECT_EQ(errors[0].first_row, 1u);
  EXPECT_EQ(errors[0].rows, 1u);
  EXPECT_EQ(errors[0].status, absl::InvalidArgumentError("coordinate 1 is NaN"));
  EXPECT_EQ(errors[1].batch, 3u);
  EXPECT_EQ(errors[1].rows, 4u);
  EXPECT_EQ(errors[1].status, absl::NotFoundError("no such collection"));
  EXPECT_TRUE(bulk->TakeErrors().empty());
}

TEST(BulkUpsertTest, KeepsSoManyInFlight) {
  FakeServer server;
  int most = 0;
  server.serve_stream = [&](int, FakeServer::UpsertStream* stream) {
    // Answers only once three batches wait: a client that kept fewer in flight would hang, and its
    // reply timeout fail the test.
    std::vector<v1::StreamUpsertRequest> waiting;
    v1::StreamUpsertRequest batch;
    while (stream->Read(&batch)) {
      waiting.push_back(batch);
      most = std::max(most, static_cast<int>(waiting.size()));
      if (waiting.size() < 3) continue;
      for (const auto& each : waiting) server.Ack(each, stream);
      waiting.clear();
    }
    return grpc::Status::OK;
  };
  Client client(Options(server));
  BulkUpsert::Options options;
  options.max_in_flight = 3;
  options.reply_timeout = absl::Seconds(20);
  const auto bulk = client.StartBulkUpsert(options);
  for (uint64_t i = 0; i < 12; ++i) ASSERT_TRUE(bulk->Write(Batch({i})).ok());
  const auto totals = bulk->Finish();
  ASSERT_TRUE(totals.ok()) << totals.status();
  EXPECT_EQ(totals->rows_written, 12u);
  EXPECT_EQ(most, 3);
}

TEST(BulkUpsertTest, HonoursBackOff) {
  FakeServer server;
  absl::Time told;
  absl::Time again;
  server.serve_stream = [&](int, FakeServer::UpsertStream* stream) {
    v1::StreamUpsertRequest batch;
    while (stream->Read(&batch)) {
      if (batch.batch() == 1 && told == absl::Time()) {
        told = absl::Now();
        v1::StreamUpsertResponse response;
        response.set_batch(1);
        response.mutable_back_off()->set_delay_millis(80);
        stream->Write(response);
        continue;
      }
      if (batch.batch() == 1) again = absl::Now();
      server.Ack(batch, stream);
    }
    return grpc::Status::OK;
  };
  Client client(Options(server));
  const auto bulk = client.StartBulkUpsert({});
  for (uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(bulk->Write(Batch({i})).ok());
  const auto totals = bulk->Finish();
  ASSERT_TRUE(totals.ok()) << totals.status();
  EXPECT_EQ(totals->rows_written, 3u);
  EXPECT_EQ(totals->back_offs, 1u);
  EXPECT_GE(again - told, absl::Milliseconds(80));
}

TEST(BulkUpsertTest, SendsUnansweredBatchesAgainOverANewStream) {
  FakeServer server;
  server.serve_stream = [&](int number, FakeServer::UpsertStream* stream) {
    v1::StreamUpsertRequest batch;
    int answered = 0;
    while (stream->Read(&batch)) {
      if (number == 1 && answered == 2) return Broken();
      server.Ack(batch, stream);
      ++answered;
    }
    return grpc::Status::OK;
  };
  Client client(Options(server));
  const auto bulk = client.StartBulkUpsert({});
  for (uint64_t i = 0; i < 10; ++i) ASSERT_TRUE(bulk->Write(Batch({i, 100 + i})).ok());
  const auto totals = bulk->Finish();
  ASSERT_TRUE(totals.ok()) << totals.status();
  EXPECT_EQ(totals->rows_written, 20u);
  std::vector<uint64_t> firsts;
  for (const auto& batch : server.batches()) firsts.push_back(batch.ids().nums(0));
  EXPECT_THAT(firsts, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(BulkUpsertTest, FailsWhenTheServerKeepsBreaking) {
  FakeServer server;
  server.serve_stream = [&](int, FakeServer::UpsertStream*) { return Broken(); };
  Client client(Options(server));
  const auto bulk = client.StartBulkUpsert({});
  absl::Status status = bulk->Write(Batch({1}));
  if (status.ok()) status = bulk->Finish().status();
  EXPECT_EQ(status, absl::UnavailableError("socket closed"));
}

TEST(BulkUpsertTest, FailsWhenTheServerIsSilent) {
  FakeServer server;
  server.serve_stream = [&](int, FakeServer::UpsertStream* stream) {
    v1::StreamUpsertRequest batch;
    while (stream->Read(&batch)) {
    }
    return grpc::Status::OK;
  };
  Client client(Options(server));
  BulkUpsert::Options options;
  options.reply_timeout = absl::Milliseconds(50);
  const auto bulk = client.StartBulkUpsert(options);
  ASSERT_TRUE(bulk->Write(Batch({1})).ok());
  const absl::Status status = bulk->Finish().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), HasSubstr("50ms"));
}

TEST(BulkUpsertTest, RefusesRepliesThatDoNotAddUp) {
  FakeServer server;
  server.serve_stream = [&](int, FakeServer::UpsertStream* stream) {
    v1::StreamUpsertRequest batch;
    while (stream->Read(&batch)) {
      v1::StreamUpsertResponse response;
      response.set_batch(batch.batch());
      response.mutable_ack()->set_count(1);
      stream->Write(response);
    }
    return grpc::Status::OK;
  };
  Client client(Options(server));
  const auto bulk = client.StartBulkUpsert({});
  ASSERT_TRUE(bulk->Write(Batch({1, 2})).ok());
  const absl::Status status = bulk->Finish().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("batch 1 of 2 rows"));
}

TEST(BulkUpsertTest, NothingWrittenNeedsNoServer) {
  ClientOptions options;
  options.server = "127.0.0.1:1";
  Client client(options);
  const auto totals = client.StartBulkUpsert({})->Finish();
  ASSERT_TRUE(totals.ok()) << totals.status();
  EXPECT_EQ(totals->batches, 0u);
}

}  // namespace
}  // namespace nestor
