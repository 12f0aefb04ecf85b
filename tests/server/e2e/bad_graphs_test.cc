// Refused requests about graphs: plans, specs, what is not built.
#include <chrono>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/e2e/bad_input.h"

namespace nestor {
namespace {

using grpc::StatusCode;

// Collections "both" (lists and graph) and "graph" (graph alone), on all dims; "l2" has no graph.
class BadGraphTest : public BadInputTest {
 protected:
  static void SetUpTestSuite() {
    BadInputTest::SetUpTestSuite();
    for (const char* name : {"both", "graph"}) {
      v1::Collection made;
      ASSERT_TRUE(
          Run(&v1::CollectionService::Stub::CreateCollection, MakeCollection(name, kDim), &made)
              .ok());
      v1::UpsertPointsResponse wrote;
      ASSERT_TRUE(
          Run(&v1::PointService::Stub::UpsertPoints, MakeUpsert(name, 0, kPoints, kDim), &wrote)
              .ok());
      v1::BuildIndexRequest build;
      build.set_collection(name);
      build.mutable_spec()->mutable_graph();
      build.mutable_spec()->set_no_lists(name == std::string("graph"));
      v1::Operation operation;
      ASSERT_TRUE(Run(&v1::IndexService::Stub::BuildIndex, build, &operation).ok());
      v1::GetOperationRequest get;
      get.set_id(operation.id());
      while (operation.state() != v1::Operation::STATE_SUCCEEDED) {
        ASSERT_LT(operation.state(), v1::Operation::STATE_SUCCEEDED) << operation.error().message();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        ASSERT_TRUE(Run(&v1::AdminService::Stub::GetOperation, get, &operation).ok());
      }
    }
  }

  static v1::Plan GraphPlan() {
    v1::Plan plan;
    plan.mutable_graph()->set_dim(kDim);
    plan.mutable_graph()->set_ef(50);
    plan.set_rescore(true);
    return plan;
  }

  // Plans that a search of collection "both" with limit 10 refuses; `R` is either request.
  template <typename R>
  static std::vector<Case<R>> BadPlans() {
    const auto invalid = StatusCode::INVALID_ARGUMENT;
    return {
        {[](R* r) { r->set_collection("l2"); }, StatusCode::FAILED_PRECONDITION, "",
         "plan graph=8:50,rescore needs a graph; the index has none"},
        {[](R* r) { r->mutable_plan()->mutable_graph()->set_dim(4); }, invalid, "plan.graph.dim",
         "4 is not the dim of the graph, 8"},
        {[](R* r) { r->mutable_plan()->mutable_graph()->set_dim(0); }, invalid, "plan",
         "graph dim 0 is outside 1..8"},
        {[](R* r) { r->mutable_plan()->mutable_graph()->set_dim(64); }, invalid, "plan",
         "graph dim 64 is outside 1..8"},
        {[](R* r) { r->mutable_plan()->mutable_graph()->set_ef(0); }, invalid, "plan",
         "ef 0 is outside 1..10000"},
        {[](R* r) { r->mutable_plan()->mutable_graph()->set_ef(10001); }, invalid, "plan",
         "ef 10001 is outside 1..10000"},
        {[](R* r) { r->mutable_plan()->mutable_graph()->set_ef(9); }, invalid, "plan.graph.ef",
         "9 is below the limit 10"},
        {[](R* r) { r->mutable_plan()->mutable_graph()->set_margin(-0.5f); }, invalid, "plan",
         "margin -0.5"},
        {[](R* r) {
           r->mutable_plan()->mutable_graph()->set_margin(std::numeric_limits<float>::quiet_NaN());
         },
         invalid, "plan", "margin nan"},
        {[](R* r) {
           r->mutable_plan()->mutable_graph()->set_margin(std::numeric_limits<float>::infinity());
         },
         invalid, "plan", "margin inf"},
        {[](R* r) {
           r->mutable_plan()->add_refine()->set_dim(4);
           r->mutable_plan()->mutable_refine(0)->set_keep(10);
         },
         invalid, "plan", "refine dim 4 is below the 8"},
        {[](R* r) {
           r->mutable_plan()->add_refine()->set_dim(8);
           r->mutable_plan()->mutable_refine(0)->set_keep(51);
         },
         invalid, "plan", "refine keep 51 is above the 50"},
        {[](R* r) { r->mutable_plan()->clear_graph(); }, invalid, "plan.first",
         "lists or graph must be set"},
        {[](R* r) {
           r->set_collection("graph");
           v1::Lists* lists = r->mutable_plan()->mutable_lists();
           lists->mutable_coarse()->set_dim(8);
           lists->mutable_coarse()->set_probes(1);
           lists->mutable_scan()->set_dim(8);
           lists->mutable_scan()->set_keep(10);
         },
         StatusCode::FAILED_PRECONDITION, "",
         "plan coarse=8:1,scan=8:10,rescore needs lists; the index has a graph only"},
    };
  }
};

TEST_F(BadGraphTest, Search) {
  v1::SearchRequest good = MakeSearch("both", VectorOf(3, kDim), 10);
  *good.mutable_plan() = GraphPlan();
  v1::SearchResponse reply;
  ASSERT_TRUE(Run(&v1::SearchService::Stub::Search, good, &reply).ok());
  ExpectRefused(&v1::SearchService::Stub::Search, good, &reply, BadPlans<v1::SearchRequest>());
}

TEST_F(BadGraphTest, BatchSearch) {
  v1::BatchSearchRequest good;
  good.set_collection("both");
  good.set_limit(10);
  good.mutable_queries()->set_dtype(v1::DTYPE_F32);
  good.mutable_queries()->set_data(Bytes(VectorOf(3, kDim)) + Bytes(VectorOf(4, kDim)));
  *good.mutable_plan() = GraphPlan();
  v1::BatchSearchResponse reply;
  ASSERT_TRUE(Run(&v1::SearchService::Stub::BatchSearch, good, &reply).ok());
  ExpectRefused(&v1::SearchService::Stub::BatchSearch, good, &reply,
                BadPlans<v1::BatchSearchRequest>());
}

TEST_F(BadGraphTest, WhatIsNotBuiltHasAReason) {
  v1::SearchRequest request = MakeSearch("l2", VectorOf(3, kDim), 10);
  *request.mutable_plan() = GraphPlan();
  v1::SearchResponse reply;
  EXPECT_EQ(ReasonOf(Run(&v1::SearchService::Stub::Search, request, &reply)), "PLAN_NOT_BUILT");
}

TEST_F(BadGraphTest, Specs) {
  using R = v1::BuildIndexRequest;
  R good;
  good.set_collection("l2");
  good.mutable_spec()->mutable_graph();
  v1::Operation reply;
  const auto invalid = StatusCode::INVALID_ARGUMENT;
  const std::vector<Case<R>> cases = {
      {[](R* r) { r->mutable_spec()->mutable_graph()->set_dim(5); }, invalid, "spec",
       "graph_dim 5 is neither a multiple of 64 below the vectors' dim nor that dim, 8"},
      {[](R* r) { r->mutable_spec()->mutable_graph()->set_dim(64); }, invalid, "spec",
       "graph_dim 64"},
      {[](R* r) { r->mutable_spec()->mutable_graph()->set_degree(3); }, invalid, "spec",
       "graph degree 3 is outside 4..128"},
      {[](R* r) { r->mutable_spec()->mutable_graph()->set_degree(129); }, invalid, "spec",
       "graph degree 129 is outside 4..128"},
      {[](R* r) { r->mutable_spec()->mutable_graph()->set_ef_construction(10001); }, invalid,
       "spec", "ef_construction 10001 is over 10000"},
      {[](R* r) {
         r->mutable_spec()->clear_graph();
         r->mutable_spec()->set_no_lists(true);
       },
       invalid, "spec", "without lists needs a graph"},
  };
  ExpectRefused(&v1::IndexService::Stub::BuildIndex, good, &reply, cases);
}

TEST_F(BadGraphTest, SpecsAtCreation) {
  using R = v1::CreateCollectionRequest;
  v1::Collection reply;
  const std::vector<Case<R>> cases = {
      {[](R* r) { r->mutable_spec()->mutable_index()->mutable_graph()->set_dim(5); },
       StatusCode::INVALID_ARGUMENT, "spec", "graph_dim 5 is neither"},
      {[](R* r) { r->mutable_spec()->mutable_index()->mutable_graph()->set_degree(200); },
       StatusCode::INVALID_ARGUMENT, "spec", "degree 200 is outside 4..128"},
  };
  ExpectRefused(&v1::CollectionService::Stub::CreateCollection, MakeCollection("new", kDim), &reply,
                cases);
}

TEST_F(BadGraphTest, LimitsAreAdvertised) {
  v1::ServerInfo info;
  ASSERT_TRUE(Run(&v1::AdminService::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
  EXPECT_EQ(info.limits().max_ef(), 10000u);
}

}  // namespace
}  // namespace nestor
