// Searches through generated stubs: the happy paths.
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/server/e2e/api_fixture.h"

namespace nestor {
namespace {

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

// Fewer hits than the limit leave no holes in the reply's columns.
TEST_F(ApiTest, BatchSearchOfFewPoints) {
  v1::CreateCollectionRequest create = MakeCollection("names", kDim);
  create.mutable_spec()->set_id_kind(v1::ID_KIND_STR);
  Create(create);
  v1::UpsertPointsRequest upsert;
  upsert.set_collection("names");
  for (uint64_t i = 0; i < 3; ++i) {
    v1::Point* point = upsert.add_points();
    point->mutable_id()->set_str(absl::StrCat("point ", i));
    const std::vector<float> vector = VectorOf(i, kDim);
    point->mutable_vector()->mutable_floats()->mutable_values()->Assign(vector.begin(),
                                                                        vector.end());
  }
  v1::UpsertPointsResponse written;
  ASSERT_THAT(
      CallStub(stubs().points.get(), &v1::PointService::Stub::UpsertPoints, upsert, &written),
      IsOk());
  Upsert(0, 3);
  constexpr int kQueries = 50;
  for (const char* collection : {"names", "c"}) {
    v1::BatchSearchRequest batch;
    batch.set_collection(collection);
    batch.set_limit(10);
    batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
    for (uint64_t i = 0; i < kQueries; ++i) {
      batch.mutable_queries()->mutable_data()->append(Bytes(VectorOf(1000 + i, kDim)));
    }
    v1::BatchSearchResponse reply;
    ASSERT_THAT(
        CallStub(stubs().searches.get(), &v1::SearchService::Stub::BatchSearch, batch, &reply),
        IsOk());
    EXPECT_EQ(reply.scores_size(), kQueries * 3);
    EXPECT_EQ(reply.ids().strs_size(), collection == std::string("names") ? kQueries * 3 : 0);
    EXPECT_EQ(reply.ids().nums_size(), collection == std::string("c") ? kQueries * 3 : 0);
    for (uint64_t i = 0; i < kQueries; ++i) {
      ASSERT_EQ(reply.counts(static_cast<int>(i)), 3u);
      const v1::SearchResponse single =
          Search(MakeSearch(collection, VectorOf(1000 + i, kDim), 10));
      ASSERT_EQ(single.hits_size(), 3);
      for (int j = 0; j < 3; ++j) {
        const int at = static_cast<int>(i) * 3 + j;
        EXPECT_EQ(reply.scores(at), single.hits(j).score());
        if (collection == std::string("names")) {
          EXPECT_EQ(reply.ids().strs(at), single.hits(j).id().str());
        } else {
          EXPECT_EQ(reply.ids().nums(at), single.hits(j).id().num());
        }
      }
    }
  }
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
