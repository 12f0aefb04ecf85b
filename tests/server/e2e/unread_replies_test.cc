// What the server holds for callers that do not read.
#include <gtest/gtest.h>

#include <deque>

#include "tests/server/e2e/deaf_call.h"
#include "tests/server/e2e/test_server.h"

namespace nestor {
namespace {

constexpr uint32_t kDim = 8;
constexpr std::chrono::seconds kPatience(60);
constexpr char kBatchSearch[] = "/nestor.v1.SearchService/BatchSearch";
constexpr char kStreamUpsert[] = "/nestor.v1.PointService/StreamUpsert";

class UnreadRepliesTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.Load();
    v1::Collection made;
    ASSERT_TRUE(CallStub(server_.stubs().collections.get(),
                         &v1::CollectionService::Stub::CreateCollection, MakeCollection("c", kDim),
                         &made)
                    .ok());
    v1::UpsertPointsResponse wrote;
    ASSERT_TRUE(CallStub(server_.stubs().points.get(), &v1::PointService::Stub::UpsertPoints,
                         MakeUpsert("c", 0, 1000, kDim), &wrote)
                    .ok());
  }
  // Its reply is 600 kB, more than connections hold by themselves.
  static v1::BatchSearchRequest MakeBatch() {
    v1::BatchSearchRequest batch;
    batch.set_collection("c");
    batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
    for (uint64_t i = 0; i < 100; ++i) {
      batch.mutable_queries()->mutable_data()->append(Bytes(VectorOf(i, kDim)));
    }
    batch.set_limit(1000);
    return batch;
  }

  // Room for three such replies.
  TestServer server_{{.search_threads = 2, .max_reply_bytes = 2'000'000}};
};

TEST_F(UnreadRepliesTest, TheOldestGiveWay) {
  std::deque<DeafCall> calls;
  for (int i = 0; i < 6; ++i) {
    DeafCall& call = calls.emplace_back(server_.address(), kBatchSearch);
    ASSERT_TRUE(call.Write(MakeBatch(), kPatience));
    call.AwaitReply();
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(calls[i].Read()) << "call " << i;
    EXPECT_EQ(calls[i].Finish().error_code(), grpc::StatusCode::CANCELLED) << "call " << i;
  }
  for (int i = 3; i < 6; ++i) {
    EXPECT_TRUE(calls[i].Read()) << "call " << i;
    EXPECT_TRUE(calls[i].Finish().ok()) << "call " << i;
  }
}

TEST_F(UnreadRepliesTest, WhoReadsIsNotConcerned) {
  DeafCall deaf(server_.address(), kBatchSearch);
  ASSERT_TRUE(deaf.Write(MakeBatch(), kPatience));
  deaf.AwaitReply();
  // Many times the room.
  for (int i = 0; i < 20; ++i) {
    v1::BatchSearchResponse found;
    const grpc::Status status = CallStub(
        server_.stubs().searches.get(), &v1::SearchService::Stub::BatchSearch, MakeBatch(), &found);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(found.scores_size(), 100'000);
  }
  EXPECT_TRUE(deaf.Read());
  EXPECT_TRUE(deaf.Finish().ok());
}

TEST_F(UnreadRepliesTest, OfStreamsToo) {
  // Each row is refused for its vector, in 200 bytes or more.
  v1::StreamUpsertRequest bad = MakeStreamBatch("c", 1, 0, 2000, kDim);
  bad.mutable_vectors()->mutable_data()->assign(2000 * kDim * 4, '\xff');
  DeafCall stream(server_.address(), kStreamUpsert);
  ASSERT_TRUE(stream.Write(bad, kPatience));
  stream.AwaitReply();
  std::deque<DeafCall> calls;
  for (int i = 0; i < 4; ++i) {
    DeafCall& call = calls.emplace_back(server_.address(), kBatchSearch);
    ASSERT_TRUE(call.Write(MakeBatch(), kPatience));
    call.AwaitReply();
  }
  EXPECT_FALSE(stream.Read());
  EXPECT_EQ(stream.Finish().error_code(), grpc::StatusCode::CANCELLED);
}

// Requests of calls whose replies nobody reads take no part of what all requests may take.
TEST_F(UnreadRepliesTest, TheirRequestsAreGone) {
  TestServer server({.search_threads = 2, .max_request_bytes = 10'000});
  server.Load();
  v1::Collection made;
  ASSERT_TRUE(CallStub(server.stubs().collections.get(),
                       &v1::CollectionService::Stub::CreateCollection, MakeCollection("c", kDim),
                       &made)
                  .ok());
  for (uint64_t first = 0; first < 1000; first += 50) {
    v1::UpsertPointsResponse wrote;
    ASSERT_TRUE(CallStub(server.stubs().points.get(), &v1::PointService::Stub::UpsertPoints,
                         MakeUpsert("c", first, 50, kDim), &wrote)
                    .ok());
  }
  std::deque<DeafCall> calls;
  for (int i = 0; i < 10; ++i) {  // of 3,200 bytes
    DeafCall& call = calls.emplace_back(server.address(), kBatchSearch);
    ASSERT_TRUE(call.Write(MakeBatch(), kPatience));
    call.AwaitReply();
  }
  for (DeafCall& call : calls) {
    EXPECT_TRUE(call.Read());
    EXPECT_TRUE(call.Finish().ok());
  }
}

}  // namespace
}  // namespace nestor
