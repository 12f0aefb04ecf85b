// The happy path of every RPC, through generated stubs on a real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "tests/server/e2e/test_server.h"

namespace nestor {
namespace {

using testing::ElementsAre;

constexpr uint32_t kDim = 16;

MATCHER(IsOk, "is OK") {
  *result_listener << arg.error_code() << " " << arg.error_message();
  return arg.ok();
}

class ApiTest : public testing::Test {
 protected:
  void SetUp() override {
    server_.Load();
    Create(MakeCollection("c", kDim));
  }

  v1::Collection Create(const v1::CreateCollectionRequest& request) {
    v1::Collection reply;
    EXPECT_THAT(CallStub(stubs().collections.get(), &v1::CollectionService::Stub::CreateCollection,
                         request, &reply),
                IsOk());
    return reply;
  }
  v1::UpsertPointsResponse Upsert(uint64_t first, uint64_t count, uint64_t version = 0) {
    v1::UpsertPointsResponse reply;
    EXPECT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::UpsertPoints,
                         MakeUpsert("c", first, count, kDim, version), &reply),
                IsOk());
    return reply;
  }
  v1::SearchResponse Search(const v1::SearchRequest& request) {
    v1::SearchResponse reply;
    EXPECT_THAT(CallStub(stubs().searches.get(), &v1::SearchService::Stub::Search, request, &reply),
                IsOk());
    return reply;
  }
  v1::Operation Build(const v1::BuildIndexRequest& request) {
    v1::Operation operation;
    EXPECT_THAT(
        CallStub(stubs().indexes.get(), &v1::IndexService::Stub::BuildIndex, request, &operation),
        IsOk());
    return WaitFor(operation.id());
  }
  // Polls until the operation has ended.
  v1::Operation WaitFor(uint64_t id) {
    v1::Operation operation;
    v1::GetOperationRequest get;
    get.set_id(id);
    do {
      std::this_thread::yield();
      EXPECT_THAT(
          CallStub(stubs().admin.get(), &v1::AdminService::Stub::GetOperation, get, &operation),
          IsOk());
    } while (operation.state() == v1::Operation::STATE_PENDING ||
             operation.state() == v1::Operation::STATE_RUNNING);
    return operation;
  }
  Stubs& stubs() { return server_.stubs(); }

  TestServer server_;
};

TEST_F(ApiTest, CollectionsAreCreatedListedUpdatedAndDeleted) {
  v1::CreateCollectionRequest create = MakeCollection("b", 8);
  const v1::Collection made = Create(create);
  EXPECT_EQ(made.spec().dtype(), v1::DTYPE_F32) << "defaults are filled in";
  EXPECT_EQ(made.spec().id_kind(), v1::ID_KIND_NUM);
  EXPECT_EQ(made.state(), v1::Collection::STATE_READY);
  EXPECT_GT(made.uid(), 0u);
  EXPECT_EQ(made.rows(), 0u);

  v1::GetCollectionRequest get;
  get.set_name("b");
  v1::Collection got;
  ASSERT_THAT(
      CallStub(stubs().collections.get(), &v1::CollectionService::Stub::GetCollection, get, &got),
      IsOk());
  EXPECT_EQ(got.SerializeAsString().size(), made.SerializeAsString().size());

  v1::ListCollectionsRequest list;
  list.set_page_size(1);
  std::vector<std::string> names;
  do {
    v1::ListCollectionsResponse page;
    ASSERT_THAT(CallStub(stubs().collections.get(), &v1::CollectionService::Stub::ListCollections,
                         list, &page),
                IsOk());
    ASSERT_EQ(page.collections_size(), 1);
    names.push_back(page.collections(0).spec().name());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_THAT(names, ElementsAre("b", "c"));

  v1::UpdateCollectionRequest update;
  update.mutable_spec()->set_name("b");
  update.mutable_spec()->set_durability(v1::DURABILITY_ASYNC);
  (*update.mutable_spec()->mutable_attributes())["new"] = v1::ATTRIBUTE_TYPE_BOOL;
  v1::Collection updated;
  ASSERT_THAT(CallStub(stubs().collections.get(), &v1::CollectionService::Stub::UpdateCollection,
                       update, &updated),
              IsOk());
  EXPECT_EQ(updated.spec().durability(), v1::DURABILITY_ASYNC);
  EXPECT_EQ(updated.spec().attributes().at("new"), v1::ATTRIBUTE_TYPE_BOOL);
  EXPECT_EQ(updated.spec().attributes_size(), 3);

  v1::DeleteCollectionRequest drop;
  drop.set_name("b");
  v1::DeleteCollectionResponse dropped;
  ASSERT_THAT(CallStub(stubs().collections.get(), &v1::CollectionService::Stub::DeleteCollection,
                       drop, &dropped),
              IsOk());
  EXPECT_EQ(
      CallStub(stubs().collections.get(), &v1::CollectionService::Stub::GetCollection, get, &got)
          .error_code(),
      grpc::StatusCode::NOT_FOUND);
}

TEST_F(ApiTest, PointsAreWrittenReadReplacedAndDeleted) {
  const v1::UpsertPointsResponse wrote = Upsert(0, 5);
  EXPECT_EQ(wrote.upserted(), 5u);
  EXPECT_GT(wrote.seq(), 0u);
  const v1::UpsertPointsResponse again = Upsert(2, 1, /*version=*/1);
  EXPECT_GT(again.seq(), wrote.seq());

  v1::GetPointsRequest get;
  get.set_collection("c");
  for (const uint64_t id : {2, 77, 0}) get.add_ids()->set_num(id);
  get.mutable_output()->add_attributes("*");
  get.mutable_output()->set_vectors(true);
  v1::GetPointsResponse got;
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::GetPoints, get, &got),
              IsOk());
  ASSERT_EQ(got.points_size(), 2);
  EXPECT_EQ(got.points(0).id().num(), 2u);
  EXPECT_EQ(got.points(0).seq(), again.seq());
  EXPECT_EQ(got.points(0).attributes().at("n").int64_value(), 1);
  EXPECT_EQ(got.points(0).attributes().at("s").string_value(), "point 2");
  EXPECT_EQ(got.points(0).vector().packed().dtype(), v1::DTYPE_F32);
  EXPECT_EQ(got.points(0).vector().packed().data(), Bytes(VectorOf(2, kDim, 1)));
  EXPECT_EQ(got.points(1).id().num(), 0u);
  EXPECT_EQ(got.points(1).seq(), wrote.seq());
  ASSERT_EQ(got.missing_size(), 1);
  EXPECT_EQ(got.missing(0).num(), 77u);

  get.clear_output();
  got.Clear();
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::GetPoints, get, &got),
              IsOk());
  EXPECT_FALSE(got.points(0).has_vector());
  EXPECT_EQ(got.points(0).attributes_size(), 0);

  v1::DeletePointsRequest drop;
  drop.set_collection("c");
  for (const uint64_t id : {1, 77}) drop.add_ids()->set_num(id);
  v1::DeletePointsResponse dropped;
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::DeletePoints, drop, &dropped),
              IsOk());
  EXPECT_EQ(dropped.deleted(), 1u);
  EXPECT_GT(dropped.seq(), again.seq());
  const uint64_t seq = dropped.seq();
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::DeletePoints, drop, &dropped),
              IsOk());
  EXPECT_EQ(dropped.deleted(), 0u);
  EXPECT_GE(dropped.seq(), seq);

  v1::CountPointsRequest count;
  count.set_collection("c");
  v1::CountPointsResponse counted;
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::CountPoints, count, &counted),
              IsOk());
  EXPECT_EQ(counted.count(), 4u);
}

TEST_F(ApiTest, ListingPagesThroughAllPointsInOrder) {
  Upsert(0, 25);
  v1::ListPointsRequest list;
  list.set_collection("c");
  list.set_page_size(10);
  list.mutable_output()->add_attributes("s");
  std::vector<uint64_t> ids;
  std::vector<int> pages;
  do {
    v1::ListPointsResponse page;
    ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::ListPoints, list, &page),
                IsOk());
    pages.push_back(page.points_size());
    for (const v1::Point& point : page.points()) {
      ids.push_back(point.id().num());
      EXPECT_EQ(point.attributes_size(), 1);
    }
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_THAT(pages, ElementsAre(10, 10, 5));
  std::vector<uint64_t> wanted(25);
  for (uint64_t i = 0; i < 25; ++i) wanted[i] = i;
  EXPECT_EQ(ids, wanted);
}

TEST_F(ApiTest, PagesEndEarlyAndLongRepliesAreRefused) {
  constexpr uint64_t kPoints = 600;
  for (uint64_t first = 0; first < kPoints; first += 200) {
    v1::UpsertPointsRequest upsert = MakeUpsert("c", first, 200, kDim);
    for (v1::Point& point : *upsert.mutable_points()) {
      (*point.mutable_attributes())["s"].set_string_value(std::string(65536, 'x'));
    }
    v1::UpsertPointsResponse wrote;
    ASSERT_THAT(
        CallStub(stubs().points.get(), &v1::PointService::Stub::UpsertPoints, upsert, &wrote),
        IsOk());
  }
  v1::ListPointsRequest list;
  list.set_collection("c");
  list.set_page_size(1000);
  list.mutable_output()->add_attributes("*");
  uint64_t listed = 0;
  int pages = 0;
  do {
    v1::ListPointsResponse page;
    ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::ListPoints, list, &page),
                IsOk());
    for (const v1::Point& point : page.points()) EXPECT_EQ(point.id().num(), listed++);
    ++pages;
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_EQ(listed, kPoints);
  EXPECT_GT(pages, 1);

  v1::GetPointsRequest get;
  get.set_collection("c");
  get.mutable_output()->add_attributes("s");
  for (uint64_t i = 0; i < 2 * kPoints; ++i) get.add_ids()->set_num(i % kPoints);
  v1::GetPointsResponse got;
  const grpc::Status status =
      CallStub(stubs().points.get(), &v1::PointService::Stub::GetPoints, get, &got);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("of 1200 points take"));
  EXPECT_THAT(status.error_message(), testing::HasSubstr("67108864"));

  v1::SearchRequest search = MakeSearch("c", VectorOf(1, kDim), 600);
  search.mutable_exact();
  search.mutable_output()->add_attributes("s");
  EXPECT_EQ(Search(search).hits_size(), 600) << "39 MB are no problem";
}

TEST_F(ApiTest, SearchFindsTheNearestByVectorAndById) {
  Upsert(0, 200);
  v1::SearchRequest request = MakeSearch("c", VectorOf(17, kDim), 3);
  v1::SearchResponse reply = Search(request);
  ASSERT_EQ(reply.hits_size(), 3);
  EXPECT_EQ(reply.hits(0).id().num(), 17u);
  EXPECT_EQ(reply.hits(0).score(), 0);
  EXPECT_LE(reply.hits(1).score(), reply.hits(2).score());
  EXPECT_EQ(reply.score_dim(), kDim);
  EXPECT_TRUE(reply.has_plan_used());
  EXPECT_GT(reply.stages_size(), 0);
  EXPECT_EQ(reply.hits(0).attributes_size(), 0);
  EXPECT_FALSE(reply.hits(0).has_vector());
  EXPECT_GT(reply.seq(), 0u);

  request.mutable_exact();
  request.mutable_output()->add_attributes("s");
  request.mutable_output()->set_vectors(true);
  const v1::SearchResponse exact = Search(request);
  EXPECT_FALSE(exact.has_plan_used());
  ASSERT_EQ(exact.hits_size(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(exact.hits(i).id().num(), reply.hits(i).id().num());
  EXPECT_EQ(exact.hits(0).attributes().at("s").string_value(), "point 17");
  EXPECT_EQ(exact.hits(0).vector().packed().data(), Bytes(VectorOf(17, kDim)));

  request.mutable_id()->set_num(17);
  const v1::SearchResponse by_id = Search(request);
  ASSERT_EQ(by_id.hits_size(), 3);
  EXPECT_EQ(by_id.hits(0).id().num(), exact.hits(1).id().num()) << "the point itself is left out";

  // Packed queries are the same queries.
  request.mutable_vector()->mutable_packed()->set_dtype(v1::DTYPE_F32);
  request.mutable_vector()->mutable_packed()->set_data(Bytes(VectorOf(17, kDim)));
  EXPECT_EQ(Search(request).hits(0).id().num(), 17u);
}

TEST_F(ApiTest, ExplicitPlansAreObeyedAndClamped) {
  Upsert(0, 100);
  v1::SearchRequest request = MakeSearch("c", VectorOf(3, kDim), 2);
  v1::Plan* plan = request.mutable_plan();
  plan->mutable_lists()->mutable_coarse()->set_dim(kDim / 2);
  plan->mutable_lists()->mutable_coarse()->set_probes(50);
  plan->mutable_lists()->mutable_scan()->set_dim(kDim / 2);
  plan->mutable_lists()->mutable_scan()->set_keep(20);
  v1::SearchResponse reply = Search(request);
  EXPECT_EQ(reply.score_dim(), kDim / 2) << "without rescore the score is the last stage's";
  EXPECT_EQ(reply.plan_used().lists().coarse().probes(), 1u) << "an unbuilt index has one list";
  plan->set_rescore(true);
  reply = Search(request);
  EXPECT_EQ(reply.score_dim(), kDim);
  EXPECT_EQ(reply.hits(0).id().num(), 3u);
}

TEST_F(ApiTest, BatchSearchAnswersAsSearchDoes) {
  Upsert(0, 300);
  v1::BatchSearchRequest batch;
  batch.set_collection("c");
  batch.set_limit(4);
  batch.mutable_exact();
  batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
  constexpr uint64_t kQueries = 100;
  for (uint64_t i = 0; i < kQueries; ++i) {
    batch.mutable_queries()->mutable_data()->append(Bytes(VectorOf(1000 + i, kDim)));
  }
  v1::BatchSearchResponse reply;
  ASSERT_THAT(
      CallStub(stubs().searches.get(), &v1::SearchService::Stub::BatchSearch, batch, &reply),
      IsOk());
  ASSERT_EQ(reply.counts_size(), static_cast<int>(kQueries));
  ASSERT_EQ(reply.ids().nums_size(), static_cast<int>(kQueries) * 4);
  ASSERT_EQ(reply.scores_size(), static_cast<int>(kQueries) * 4);
  EXPECT_EQ(reply.score_dim(), kDim);
  ASSERT_EQ(reply.stages_size(), 1);
  EXPECT_EQ(reply.stages(0).in(), 300u * kQueries) << "summed over the queries";
  for (uint64_t i = 0; i < kQueries; ++i) {
    v1::SearchRequest request = MakeSearch("c", VectorOf(1000 + i, kDim), 4);
    request.mutable_exact();
    const v1::SearchResponse single = Search(request);
    ASSERT_EQ(reply.counts(i), 4u);
    for (int j = 0; j < 4; ++j) {
      EXPECT_EQ(reply.ids().nums(i * 4 + j), single.hits(j).id().num());
      EXPECT_EQ(reply.scores(i * 4 + j), single.hits(j).score());
    }
  }
}

TEST_F(ApiTest, StringIdsWorkThroughout) {
  v1::CreateCollectionRequest create = MakeCollection("names", 4);
  create.mutable_spec()->set_id_kind(v1::ID_KIND_STR);
  Create(create);
  v1::StreamUpsertRequest rows = MakeStreamBatch("names", 1, 0, 3, 4);
  rows.mutable_ids()->clear_nums();
  for (const char* id : {"b", "a", "c"}) rows.mutable_ids()->add_strs(id);
  grpc::ClientContext context;
  const auto stream = stubs().points->StreamUpsert(&context);
  ASSERT_TRUE(stream->Write(rows));
  v1::StreamUpsertResponse ack;
  ASSERT_TRUE(stream->Read(&ack));
  EXPECT_EQ(ack.ack().count(), 3u) << ack.DebugString();
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&ack));
  EXPECT_THAT(stream->Finish(), IsOk());

  v1::ListPointsRequest list;
  list.set_collection("names");
  v1::ListPointsResponse page;
  ASSERT_THAT(CallStub(stubs().points.get(), &v1::PointService::Stub::ListPoints, list, &page),
              IsOk());
  std::vector<std::string> ids;
  for (const v1::Point& point : page.points()) ids.push_back(point.id().str());
  EXPECT_THAT(ids, ElementsAre("a", "b", "c"));

  v1::BatchSearchRequest batch;
  batch.set_collection("names");
  batch.set_limit(1);
  batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
  batch.mutable_queries()->set_data(Bytes(VectorOf(0, 4)));
  v1::BatchSearchResponse reply;
  ASSERT_THAT(
      CallStub(stubs().searches.get(), &v1::SearchService::Stub::BatchSearch, batch, &reply),
      IsOk());
  EXPECT_THAT(reply.ids().strs(), ElementsAre("b"));
}

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
  EXPECT_EQ(index.built_micros(), done.finished_micros());
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

TEST_F(ApiTest, SearchesWaitForMinSeqUntilItIsThere) {
  const uint64_t seq = Upsert(0, 5).seq();
  v1::SearchRequest request = MakeSearch("c", VectorOf(9, kDim), 1);
  request.set_min_seq(seq + 1);
  v1::SearchResponse reply;
  grpc::Status status;
  std::thread searcher([&] {
    status = CallStub(stubs().searches.get(), &v1::SearchService::Stub::Search, request, &reply);
  });
  EXPECT_EQ(Upsert(5, 5).seq(), seq + 1);
  searcher.join();
  ASSERT_THAT(status, IsOk());
  EXPECT_EQ(reply.hits(0).id().num(), 9u);
  EXPECT_GE(reply.seq(), seq + 1);

  request.set_min_seq(seq + 100);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
  EXPECT_EQ(stubs().searches->Search(&context, request, &reply).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
}

}  // namespace
}  // namespace nestor
