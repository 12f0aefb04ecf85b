// Indexes, operations, limits and counters through generated stubs: the happy paths.
#include <map>
#include <string>

#include "tests/server/e2e/api_fixture.h"

namespace nestor {
namespace {

TEST_F(ApiTest, BuildingIsAnOperationAndSearchesGoOn) {
  Upsert(0, 1500);
  v1::GetIndexRequest get;
  get.set_collection("c");
  v1::Index index;
  ASSERT_THAT(CallStub(stubs().indexes.get(), &v1::IndexService::Stub::GetIndex, get, &index),
              IsOk());
  EXPECT_EQ(index.state(), v1::Index::STATE_UNBUILT);
  EXPECT_EQ(index.rows(), 1500u);
  EXPECT_EQ(index.unbuilt(), 1500u);
  EXPECT_EQ(Search(MakeSearch("c", VectorOf(1, kDim), 1)).unbuilt(), 1500u);

  v1::BuildIndexRequest build;
  build.set_collection("c");
  build.mutable_spec()->set_lists(8);
  const v1::Operation done = Build(build);
  EXPECT_EQ(done.state(), v1::Operation::STATE_SUCCEEDED) << done.DebugString();
  EXPECT_EQ(done.kind(), v1::Operation::KIND_BUILD_INDEX);
  EXPECT_EQ(done.progress(), 1);
  EXPECT_EQ(done.collection(), "c");
  EXPECT_GT(done.finished_micros(), 0);

  ASSERT_THAT(CallStub(stubs().indexes.get(), &v1::IndexService::Stub::GetIndex, get, &index),
              IsOk());
  EXPECT_EQ(index.state(), v1::Index::STATE_READY);
  EXPECT_EQ(index.generation(), 1u);
  EXPECT_GE(index.built_micros(), done.created_micros());
  EXPECT_LE(index.built_micros(), done.finished_micros());
  EXPECT_EQ(index.lists(), 8u);
  EXPECT_EQ(index.unbuilt(), 0u);
  EXPECT_GT(index.memory().first_shell(), 0u);
  const v1::SearchResponse reply = Search(MakeSearch("c", VectorOf(1, kDim), 1));
  EXPECT_EQ(reply.hits(0).id().num(), 1u);
  EXPECT_EQ(reply.unbuilt(), 0u);

  v1::ListOperationsRequest list;
  list.set_collection("c");
  v1::ListOperationsResponse operations;
  ASSERT_THAT(
      CallStub(stubs().admin.get(), &v1::AdminService::Stub::ListOperations, list, &operations),
      IsOk());
  ASSERT_EQ(operations.operations_size(), 1);
  EXPECT_EQ(operations.operations(0).id(), done.id());

  // A finished operation is returned as it is.
  v1::CancelOperationRequest cancel;
  cancel.set_id(done.id());
  v1::Operation unchanged;
  ASSERT_THAT(
      CallStub(stubs().admin.get(), &v1::AdminService::Stub::CancelOperation, cancel, &unchanged),
      IsOk());
  EXPECT_EQ(unchanged.state(), v1::Operation::STATE_SUCCEEDED);
}

TEST_F(ApiTest, ServerInfoAdvertisesTheLimits) {
  v1::ServerInfo info;
  ASSERT_THAT(CallStub(stubs().admin.get(), &v1::AdminService::Stub::GetServerInfo,
                       v1::GetServerInfoRequest(), &info),
              IsOk());
  EXPECT_FALSE(info.version().empty());
  EXPECT_THAT(info.simd_level(), testing::AnyOf("scalar", "avx2", "avx512"));
  EXPECT_EQ(info.limits().max_message_bytes(), 67108864u);
  EXPECT_EQ(info.limits().max_limit(), 10000u);
  EXPECT_EQ(info.limits().max_batch(), 10000u);
  EXPECT_EQ(info.limits().max_batch_hits(), 1000000u);
  EXPECT_EQ(info.limits().search_threads(), 2u);
  const google::protobuf::Reflection* reflection = info.limits().GetReflection();
  for (int i = 0; i < info.limits().GetDescriptor()->field_count(); ++i) {
    const auto* field = info.limits().GetDescriptor()->field(i);
    EXPECT_TRUE(reflection->HasField(info.limits(), field))
        << field->name() << " is not advertised";
  }
}

TEST_F(ApiTest, StatsCountCallsByStatus) {
  Upsert(0, 10);
  Search(MakeSearch("c", VectorOf(1, kDim), 1));
  v1::SearchRequest bad = MakeSearch("c", VectorOf(1, kDim), 0);
  v1::SearchResponse none;
  EXPECT_EQ(
      CallStub(stubs().searches.get(), &v1::SearchService::Stub::Search, bad, &none).error_code(),
      grpc::StatusCode::INVALID_ARGUMENT);
  v1::Stats stats;
  ASSERT_THAT(CallStub(stubs().admin.get(), &v1::AdminService::Stub::GetStats,
                       v1::GetStatsRequest(), &stats),
              IsOk());
  EXPECT_GE(stats.uptime_seconds(), 0);
  ASSERT_EQ(stats.collections_size(), 1);
  EXPECT_EQ(stats.collections(0).collection(), "c");
  EXPECT_EQ(stats.collections(0).rows(), 10u);
  EXPECT_GT(stats.collections(0).memory_bytes(), 0u);
  std::map<std::string, uint64_t> counts;
  for (const v1::RequestCount& count : stats.requests()) {
    counts[count.method() + " " + count.status()] = count.count();
  }
  EXPECT_EQ(counts["nestor.v1.SearchService/Search OK"], 1u);
  EXPECT_EQ(counts["nestor.v1.SearchService/Search INVALID_ARGUMENT"], 1u);
  EXPECT_EQ(counts["nestor.v1.PointService/UpsertPoints OK"], 1u);
}

}  // namespace
}  // namespace nestor
