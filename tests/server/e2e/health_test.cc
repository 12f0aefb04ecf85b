// Health, reflection, loading, overload, cancellation and deadlines.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <thread>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/server/e2e/test_server.h"

namespace nestor {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using testing::HasSubstr;

grpc::Status Check(Stubs& stubs, const std::string& service, HealthCheckResponse* reply) {
  HealthCheckRequest request;
  request.set_service(service);
  return CallStub(stubs.health.get(), &grpc::health::v1::Health::Stub::Check, request, reply);
}

// A collection "c" with points.
void MakePoints(Stubs& stubs, uint64_t count) {
  v1::Collection made;
  ASSERT_TRUE(CallStub(stubs.collections.get(), &v1::CollectionService::Stub::CreateCollection,
                       MakeCollection("c", 8), &made)
                  .ok());
  v1::UpsertPointsResponse wrote;
  ASSERT_TRUE(CallStub(stubs.points.get(), &v1::PointService::Stub::UpsertPoints,
                       MakeUpsert("c", 0, count, 8), &wrote)
                  .ok());
}

const char* const kServices[] = {"",
                                 "nestor.v1.AdminService",
                                 "nestor.v1.CollectionService",
                                 "nestor.v1.IndexService",
                                 "nestor.v1.MultiVectorService",
                                 "nestor.v1.PointService",
                                 "nestor.v1.SearchService"};

TEST(HealthTest, FollowsTheServerFromLoadingToTheEnd) {
  TestServer server;
  HealthCheckResponse reply;
  grpc::ClientContext context;
  const auto watch = server.stubs().health->Watch(&context, HealthCheckRequest());
  HealthCheckRequest unknown;
  unknown.set_service("no.such.Service");
  grpc::ClientContext unknown_context;
  const auto unknown_watch = server.stubs().health->Watch(&unknown_context, unknown);

  for (const char* service : kServices) {
    ASSERT_TRUE(Check(server.stubs(), service, &reply).ok());
    EXPECT_EQ(reply.status(), HealthCheckResponse::NOT_SERVING) << service;
  }
  EXPECT_EQ(Check(server.stubs(), "no.such.Service", &reply).error_code(),
            grpc::StatusCode::NOT_FOUND);
  ASSERT_TRUE(watch->Read(&reply));
  EXPECT_EQ(reply.status(), HealthCheckResponse::NOT_SERVING);
  ASSERT_TRUE(unknown_watch->Read(&reply));
  EXPECT_EQ(reply.status(), HealthCheckResponse::SERVICE_UNKNOWN);

  server.Load();
  for (const char* service : kServices) {
    ASSERT_TRUE(Check(server.stubs(), service, &reply).ok());
    EXPECT_EQ(reply.status(), HealthCheckResponse::SERVING) << service;
  }
  ASSERT_TRUE(watch->Read(&reply));
  EXPECT_EQ(reply.status(), HealthCheckResponse::SERVING);

  const auto start = std::chrono::steady_clock::now();
  server.rpc().Shutdown(std::chrono::seconds(30));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20))
      << "watchers held the shutdown up";
  ASSERT_TRUE(watch->Read(&reply));
  EXPECT_EQ(reply.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(watch->Read(&reply));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(unknown_watch->Read(&reply));
}

TEST(HealthTest, CallsAreUnavailableWhileLoading) {
  TestServer server;
  v1::SearchResponse found;
  const grpc::Status status =
      CallStub(server.stubs().searches.get(), &v1::SearchService::Stub::Search,
               MakeSearch("c", {1, 2}, 1), &found);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("loading"));
  v1::ServerInfo info;
  EXPECT_EQ(CallStub(server.stubs().admin.get(), &v1::AdminService::Stub::GetServerInfo,
                     v1::GetServerInfoRequest(), &info)
                .error_code(),
            grpc::StatusCode::UNAVAILABLE);
  grpc::ClientContext context;
  const auto stream = server.stubs().points->StreamUpsert(&context);
  v1::StreamUpsertResponse reply;
  EXPECT_FALSE(stream->Read(&reply));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// Two collections, "a" and "b", in a directory that no server has open.
void MakeData(const std::string& data_dir) {
  EngineOptions options;
  options.data_dir = data_dir;
  auto engine = Engine::Open(std::move(options));
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (const char* name : {"a", "b"}) {
    CollectionSpec spec;
    spec.name = name;
    spec.schema = {.dim = 8, .nesting = {8}, .metric = Metric::kL2, .dtype = Dtype::kF32};
    ASSERT_TRUE((*engine)->CreateCollection(spec).ok());
  }
  ASSERT_TRUE((*engine)->Close().ok());
}

TEST(HealthTest, EachCollectionAnswersOnceItIsLoaded) {
  TestServer server;
  MakeData(server.data_dir());
  Stubs& stubs = server.stubs();
  HealthCheckResponse reply;
  const auto state = [&](const std::string& service) {
    const grpc::Status status = Check(stubs, service, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.status();
  };
  const auto count = [&](const std::string& collection) {
    v1::CountPointsRequest request;
    request.set_collection(collection);
    v1::CountPointsResponse counted;
    return CallStub(stubs.points.get(), &v1::PointService::Stub::CountPoints, request, &counted);
  };
  // Before the store is open nobody knows which collections there are.
  EXPECT_EQ(state("collections/a"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(state("collections/none"), HealthCheckResponse::NOT_SERVING);

  int loaded = 0;
  server.Open([&] {
    // On the loading thread: "b" is not loaded before this returns.
    if (++loaded > 1) return;
    EXPECT_EQ(state("collections/a"), HealthCheckResponse::SERVING);
    EXPECT_EQ(state("collections/b"), HealthCheckResponse::NOT_SERVING);
    EXPECT_EQ(state(""), HealthCheckResponse::NOT_SERVING);
    EXPECT_TRUE(count("a").ok());
    const grpc::Status waits = count("b");
    EXPECT_EQ(waits.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_THAT(waits.error_message(), HasSubstr("collection \"b\" is being loaded"));
    google::rpc::Status details;
    ASSERT_TRUE(details.ParseFromString(waits.error_details()));
    google::rpc::RetryInfo retry;
    bool has_retry = false;
    for (const auto& any : details.details()) has_retry |= any.UnpackTo(&retry);
    EXPECT_TRUE(has_retry);
  });
  EXPECT_EQ(state("collections/a"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check(stubs, "collections/none", &reply).error_code(), grpc::StatusCode::NOT_FOUND);
  HealthCheckRequest request;
  request.set_service("collections/b");
  grpc::ClientContext context;
  const auto watch = stubs.health->Watch(&context, request);
  ASSERT_TRUE(watch->Read(&reply));
  EXPECT_EQ(reply.status(), HealthCheckResponse::NOT_SERVING);
  // What concerns all collections waits for all; a name that is taken is taken.
  v1::ListCollectionsResponse all;
  EXPECT_EQ(
      CallStub(stubs.collections.get(), &v1::CollectionService::Stub::ListCollections, {}, &all)
          .error_code(),
      grpc::StatusCode::UNAVAILABLE);
  v1::Stats stats;
  EXPECT_EQ(CallStub(stubs.admin.get(), &v1::AdminService::Stub::GetStats, {}, &stats).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  v1::DeleteCollectionRequest remove;
  remove.set_name("b");
  v1::DeleteCollectionResponse removed;
  const auto remove_b = [&] {
    return CallStub(stubs.collections.get(), &v1::CollectionService::Stub::DeleteCollection, remove,
                    &removed);
  };
  EXPECT_EQ(remove_b().error_code(), grpc::StatusCode::UNAVAILABLE);

  server.LoadCollections();
  EXPECT_EQ(loaded, 2);
  ASSERT_TRUE(watch->Read(&reply));
  EXPECT_EQ(reply.status(), HealthCheckResponse::SERVING);
  EXPECT_EQ(state(""), HealthCheckResponse::SERVING);
  EXPECT_TRUE(count("b").ok());
  ASSERT_TRUE(
      CallStub(stubs.collections.get(), &v1::CollectionService::Stub::ListCollections, {}, &all)
          .ok());
  EXPECT_EQ(all.collections_size(), 2);
  // Watchers follow a collection that is deleted, and made again.
  EXPECT_TRUE(remove_b().ok());
  ASSERT_TRUE(watch->Read(&reply));
  EXPECT_EQ(reply.status(), HealthCheckResponse::SERVICE_UNKNOWN);
  v1::Collection made;
  EXPECT_TRUE(CallStub(stubs.collections.get(), &v1::CollectionService::Stub::CreateCollection,
                       MakeCollection("b", 8), &made)
                  .ok());
  ASSERT_TRUE(watch->Read(&reply));
  EXPECT_EQ(reply.status(), HealthCheckResponse::SERVING);
}

TEST(HealthTest, ReflectionListsTheServices) {
  TestServer server;
  grpc::GenericStub stub(server.stubs().channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  call->StartCall(nullptr);
  ASSERT_TRUE(next());
  // ServerReflectionRequest{list_services: "*"}, field 7.
  const grpc::Slice request("\x3a\x01*", 3);
  call->Write(grpc::ByteBuffer(&request, 1), nullptr);
  ASSERT_TRUE(next());
  grpc::ByteBuffer reply;
  call->Read(&reply, nullptr);
  ASSERT_TRUE(next());
  grpc::Slice text;
  ASSERT_TRUE(reply.DumpToSingleSlice(&text).ok());
  const std::string services(reinterpret_cast<const char*>(text.begin()), text.size());
  for (const char* service : kServices) EXPECT_THAT(services, HasSubstr(service));
  EXPECT_THAT(services, HasSubstr("grpc.health.v1.Health"));
  grpc::Status status;
  context.TryCancel();
  call->Finish(&status, nullptr);
  next();
  queue.Shutdown();
}

TEST(HealthTest, TwoServersCannotShareAPort) {
  TestServer server;
  const auto second = RpcServer::Start(server.address(), {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(server.address()));
}

TEST(HealthTest, WaitingSearchesAreCancelledAndExpireWithoutHoldingSearchThreads) {
  TestServer server({.search_threads = 1});
  server.Load();
  MakePoints(server.stubs(), 5);
  v1::SearchRequest ahead = MakeSearch("c", VectorOf(1, 8), 1);
  ahead.set_min_seq(1000);
  grpc::ClientContext context;
  grpc::Status status;
  v1::SearchResponse never;
  std::thread waiting([&] { status = server.stubs().searches->Search(&context, ahead, &never); });
  // The only search thread is free all the while.
  for (int i = 0; i < 20; ++i) {
    v1::SearchResponse found;
    EXPECT_TRUE(CallStub(server.stubs().searches.get(), &v1::SearchService::Stub::Search,
                         MakeSearch("c", VectorOf(1, 8), 1), &found)
                    .ok());
  }
  context.TryCancel();
  waiting.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
}

TEST(HealthTest, RequestBytesInProgressAreBounded) {
  TestServer server({.search_threads = 1, .max_request_bytes = 1000});
  server.Load();
  MakePoints(server.stubs(), 1);
  v1::UpsertPointsResponse wrote;
  const grpc::Status refused =
      CallStub(server.stubs().points.get(), &v1::PointService::Stub::UpsertPoints,
               MakeUpsert("c", 0, 100, 8), &wrote);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), HasSubstr("over the limit of 1000"));

  // On a stream it is a back-off; the batch comes again under its number.
  grpc::ClientContext context;
  const auto stream = server.stubs().points->StreamUpsert(&context);
  v1::StreamUpsertResponse reply;
  ASSERT_TRUE(stream->Write(MakeStreamBatch("c", 1, 0, 100, 8)));
  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_EQ(reply.batch(), 1u);
  EXPECT_GT(reply.back_off().delay_millis(), 0u);
  for (int i = 0; i < 50; ++i) {
    // Bytes are given back: 50 batches would go over the limit if they were not.
    ASSERT_TRUE(stream->Write(MakeStreamBatch("c", i == 0 ? 1 : i + 1, i * 5, 5, 8)));
    ASSERT_TRUE(stream->Read(&reply));
    EXPECT_EQ(reply.ack().count(), 5u) << reply.DebugString();
  }
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(CallStub(server.stubs().points.get(), &v1::PointService::Stub::UpsertPoints,
                         MakeUpsert("c", 0, 5, 8), &wrote)
                    .ok());
  }
}

TEST(HealthTest, AFullQueueIsResourceExhaustedWithADelay) {
  // One search thread, one place in its queue: of many exact searches at once some are refused.
  TestServer server({.search_threads = 1, .search_queue = 1});
  server.Load();
  MakePoints(server.stubs(), 2000);
  v1::SearchRequest slow = MakeSearch("c", VectorOf(1, 8), 2000);
  slow.mutable_exact();
  slow.mutable_output()->add_attributes("*");
  std::atomic<int> refused{0};
  std::atomic<int> served{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      for (int j = 0; j < 10; ++j) {
        v1::SearchResponse found;
        const grpc::Status status =
            CallStub(server.stubs().searches.get(), &v1::SearchService::Stub::Search, slow, &found);
        if (status.ok()) {
          ++served;
          continue;
        }
        EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED)
            << status.error_message();
        EXPECT_THAT(status.error_message(), HasSubstr("1 calls run and 1 wait"));
        google::rpc::Status details;
        ASSERT_TRUE(details.ParseFromString(status.error_details()));
        google::rpc::RetryInfo retry;
        bool has_retry = false;
        for (const auto& any : details.details()) has_retry |= any.UnpackTo(&retry);
        EXPECT_TRUE(has_retry);
        EXPECT_GT(retry.retry_delay().nanos(), 0);
        ++refused;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_GT(served, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace nestor
