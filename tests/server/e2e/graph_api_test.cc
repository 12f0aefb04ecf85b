// Graphs through generated stubs: building one, searching it, and what writes after the build do.
#include <utility>
#include <vector>

#include "tests/server/e2e/api_fixture.h"

namespace nestor {
namespace {

class GraphApiTest : public ApiTest {
 protected:
  // Small, as it is a test; dim 0 = chosen, D here.
  v1::Operation BuildGraph(bool no_lists) {
    v1::BuildIndexRequest request;
    request.set_collection("c");
    request.mutable_spec()->mutable_graph()->set_degree(8);
    request.mutable_spec()->mutable_graph()->set_ef_construction(50);
    request.mutable_spec()->set_no_lists(no_lists);
    v1::Operation operation = Build(request);
    EXPECT_EQ(operation.state(), v1::Operation::STATE_SUCCEEDED) << operation.error().message();
    return operation;
  }
  v1::Index GetIndex() {
    v1::GetIndexRequest request;
    request.set_collection("c");
    v1::Index index;
    EXPECT_THAT(CallStub(stubs().indexes.get(), &v1::IndexService::Stub::GetIndex, request, &index),
                IsOk());
    return index;
  }
  // A search of the graph with a pool of all rows, so that the answer is exact.
  static v1::SearchRequest GraphSearch(const std::vector<float>& query, uint32_t limit) {
    v1::SearchRequest request = MakeSearch("c", query, limit);
    request.mutable_plan()->mutable_graph()->set_dim(kDim);
    request.mutable_plan()->mutable_graph()->set_ef(1000);
    request.mutable_plan()->set_rescore(true);
    return request;
  }
  void ExpectSameAsExact(const v1::SearchRequest& request) {
    v1::SearchRequest exact = request;
    exact.mutable_exact();
    const v1::SearchResponse wanted = Search(exact);
    const v1::SearchResponse found = Search(request);
    ASSERT_EQ(found.hits_size(), wanted.hits_size());
    for (int i = 0; i < wanted.hits_size(); ++i) {
      EXPECT_EQ(found.hits(i).id().num(), wanted.hits(i).id().num());
      EXPECT_EQ(found.hits(i).score(), wanted.hits(i).score());
    }
  }
};

TEST_F(GraphApiTest, ABuiltGraphIsSeenAndSearched) {
  Upsert(0, 300);
  EXPECT_FALSE(GetIndex().spec().has_graph());
  EXPECT_EQ(GetIndex().memory().graph(), 0u);
  BuildGraph(/*no_lists=*/false);
  const v1::Index index = GetIndex();
  EXPECT_EQ(index.spec().graph().dim(), kDim);
  EXPECT_EQ(index.spec().graph().degree(), 8u);
  EXPECT_EQ(index.spec().graph().ef_construction(), 50u);
  EXPECT_FALSE(index.spec().no_lists());
  const v1::IndexMemory& memory = index.memory();
  EXPECT_GE(memory.graph_codes(), 300u * kDim);
  EXPECT_EQ(memory.graph_tails(), 300u * 16);
  EXPECT_GE(memory.graph_links(), 300u * 8 * 4);
  EXPECT_GT(memory.graph_entries(), 0u);
  EXPECT_GE(memory.graph_tables(), 300u * 8) << "a parent and a node a row";
  EXPECT_EQ(memory.graph(), memory.graph_codes() + memory.graph_tails() + memory.graph_links() +
                                memory.graph_entries() + memory.graph_tables());

  v1::SearchRequest request = GraphSearch(VectorOf(17, kDim), 5);
  request.mutable_plan()->mutable_graph()->set_ef(60);
  request.mutable_plan()->mutable_graph()->set_margin(0.25f);
  const v1::SearchResponse reply = Search(request);
  ASSERT_EQ(reply.hits_size(), 5);
  EXPECT_EQ(reply.hits(0).id().num(), 17u);
  EXPECT_EQ(reply.hits(0).score(), 0);
  EXPECT_EQ(reply.plan_used().SerializeAsString(), request.plan().SerializeAsString());
  ASSERT_EQ(reply.stages_size(), 2);
  EXPECT_EQ(reply.stages(0).name(), "graph");
  EXPECT_GT(reply.stages(0).in(), 0u);
  EXPECT_LE(reply.stages(0).out(), 60u);
  EXPECT_EQ(reply.stages(1).name(), "rescore");
  ExpectSameAsExact(GraphSearch(VectorOf(1000, kDim), 10));

  // No plan named: the graph is taken. The lists are there too.
  v1::SearchRequest unnamed = MakeSearch("c", VectorOf(17, kDim), 5);
  EXPECT_TRUE(Search(unnamed).plan_used().has_graph());
  EXPECT_EQ(Search(unnamed).hits(0).id().num(), 17u);
  v1::Lists* lists = unnamed.mutable_plan()->mutable_lists();
  lists->mutable_coarse()->set_dim(kDim);
  lists->mutable_coarse()->set_probes(1);
  lists->mutable_scan()->set_dim(kDim);
  lists->mutable_scan()->set_keep(10);
  EXPECT_EQ(Search(unnamed).hits(0).id().num(), 17u);
}

TEST_F(GraphApiTest, BatchesSearchTheGraph) {
  Upsert(0, 300);
  BuildGraph(/*no_lists=*/true);
  constexpr uint64_t kQueries = 41;
  const auto search = [&](uint64_t begin, uint64_t end, uint32_t ef, float margin) {
    v1::BatchSearchRequest batch;
    batch.set_collection("c");
    batch.set_limit(4);
    *batch.mutable_plan() = GraphSearch(VectorOf(0, kDim), 4).plan();
    batch.mutable_plan()->mutable_graph()->set_ef(ef);
    batch.mutable_plan()->mutable_graph()->set_margin(margin);
    batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
    for (uint64_t i = begin; i < end; ++i)
      batch.mutable_queries()->mutable_data()->append(Bytes(VectorOf(1000 + i, kDim)));
    v1::BatchSearchResponse reply;
    EXPECT_THAT(
        CallStub(stubs().searches.get(), &v1::SearchService::Stub::BatchSearch, batch, &reply),
        IsOk());
    EXPECT_TRUE(reply.plan_used().has_graph());
    EXPECT_EQ(static_cast<uint64_t>(reply.ids().nums_size()), (end - begin) * 4);
    return reply;
  };
  // All rows in the pool: as single searches.
  const v1::BatchSearchResponse whole = search(0, kQueries, 300, 0);
  for (uint64_t i = 0; i < kQueries; ++i) {
    v1::SearchRequest request = MakeSearch("c", VectorOf(1000 + i, kDim), 4);
    *request.mutable_plan() = whole.plan_used();
    const v1::SearchResponse single = Search(request);
    ASSERT_EQ(single.hits_size(), 4);
    for (int j = 0; j < 4; ++j) {
      const int at = static_cast<int>(i) * 4 + j;
      EXPECT_EQ(whole.ids().nums(at), single.hits(j).id().num());
      EXPECT_EQ(whole.scores(at), single.hits(j).score());
    }
  }
  // Some of them: an answer does not depend on the batch that its query is in.
  const v1::BatchSearchResponse some = search(0, kQueries, 20, 0.1f);
  for (uint64_t i = 0; i < kQueries; ++i) {
    const v1::BatchSearchResponse alone = search(i, i + 1, 20, 0.1f);
    for (int j = 0; j < 4; ++j) {
      const int at = static_cast<int>(i) * 4 + j;
      EXPECT_EQ(some.ids().nums(at), alone.ids().nums(j));
      EXPECT_EQ(some.scores(at), alone.scores(j));
    }
  }
}

TEST_F(GraphApiTest, WritesAfterTheBuildAreSeenAtOnce) {
  Upsert(0, 200);
  BuildGraph(/*no_lists=*/true);
  const auto hits_of = [&](uint64_t id, uint64_t version) {
    std::vector<std::pair<uint64_t, float>> hits;
    const v1::SearchResponse reply = Search(GraphSearch(VectorOf(id, kDim, version), 3));
    for (const v1::Hit& hit : reply.hits()) hits.emplace_back(hit.id().num(), hit.score());
    return hits;
  };
  // New points, one by one.
  for (uint64_t id = 500; id < 520; ++id) {
    Upsert(id, 1);
    EXPECT_EQ(hits_of(id, 0)[0], (std::pair<uint64_t, float>(id, 0.0f)));
  }
  // A point that moves is found where it is now, and only there.
  for (uint64_t id = 0; id < 20; ++id) {
    Upsert(id, 1, /*version=*/1);
    EXPECT_EQ(hits_of(id, 1)[0], (std::pair<uint64_t, float>(id, 0.0f)));
    EXPECT_GT(hits_of(id, 0)[0].second, 0.0f);
  }
  // A point that is deleted is not found.
  for (uint64_t id = 20; id < 60; ++id) {
    v1::DeletePointsRequest request;
    request.set_collection("c");
    request.add_ids()->set_num(id);
    v1::DeletePointsResponse reply;
    ASSERT_THAT(
        CallStub(stubs().points.get(), &v1::PointService::Stub::DeletePoints, request, &reply),
        IsOk());
    for (const auto& [found, score] : hits_of(id, 0)) EXPECT_NE(found, id);
  }
  EXPECT_EQ(Search(GraphSearch(VectorOf(1, kDim), 1000)).hits_size(), 180);
  for (uint64_t query = 2000; query < 2010; ++query)
    ExpectSameAsExact(GraphSearch(VectorOf(query, kDim), 10));
}

TEST_F(GraphApiTest, AGraphOfNoRowsGrows) {
  BuildGraph(/*no_lists=*/true);
  EXPECT_EQ(Search(GraphSearch(VectorOf(0, kDim), 3)).hits_size(), 0);
  Upsert(0, 50);
  ExpectSameAsExact(GraphSearch(VectorOf(7, kDim), 10));
  EXPECT_TRUE(Search(MakeSearch("c", VectorOf(7, kDim), 3)).plan_used().has_graph());
}

}  // namespace
}  // namespace nestor
