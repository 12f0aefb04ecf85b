// Lists that points and queries name, through generated stubs.
#include <set>
#include <string>
#include <vector>

#include "tests/server/e2e/api_fixture.h"

namespace nestor {
namespace {

constexpr uint32_t kLists = 6;
constexpr uint64_t kPoints = 1200;

class ListsApiTest : public ApiTest {
 protected:
  static uint32_t ListOf(uint64_t id) { return static_cast<uint32_t>(id * 7 % kLists); }

  // Points whose attribute "n" is their list.
  static v1::UpsertPointsRequest Points(uint64_t first, uint64_t count) {
    v1::UpsertPointsRequest request = MakeUpsert("c", first, count, kDim);
    for (v1::Point& point : *request.mutable_points()) {
      (*point.mutable_attributes())["n"].set_int64_value(ListOf(point.id().num()));
    }
    return request;
  }
  grpc::Status Put(const v1::UpsertPointsRequest& request) {
    v1::UpsertPointsResponse reply;
    return CallStub(stubs().points.get(), &v1::PointService::Stub::UpsertPoints, request, &reply);
  }
  void BuildLists() {
    v1::BuildIndexRequest request;
    request.set_collection("c");
    request.mutable_spec()->set_list_attribute("n");
    request.mutable_spec()->set_lists(kLists);
    const v1::Operation operation = Build(request);
    ASSERT_EQ(operation.state(), v1::Operation::STATE_SUCCEEDED) << operation.error().message();
  }
  static v1::Plan PlanOf(uint32_t probes) {
    v1::Plan plan;
    plan.mutable_lists()->mutable_coarse()->set_dim(kDim);
    plan.mutable_lists()->mutable_coarse()->set_probes(probes);
    plan.mutable_lists()->mutable_scan()->set_dim(kDim);
    plan.mutable_lists()->mutable_scan()->set_keep(2000);
    return plan;
  }
};

TEST_F(ListsApiTest, PointsAndQueriesNameThem) {
  ASSERT_THAT(Put(Points(0, kPoints)), IsOk());
  BuildLists();
  v1::GetIndexRequest get;
  get.set_collection("c");
  v1::Index index;
  ASSERT_THAT(CallStub(stubs().indexes.get(), &v1::IndexService::Stub::GetIndex, get, &index),
              IsOk());
  EXPECT_EQ(index.lists(), kLists);
  EXPECT_EQ(index.spec().list_attribute(), "n");

  v1::SearchRequest request = MakeSearch("c", VectorOf(17, kDim), 1000);
  *request.mutable_plan() = PlanOf(1);
  for (const uint32_t list : {5, 2, 5}) request.add_lists(list);
  const v1::SearchResponse reply = Search(request);
  EXPECT_EQ(reply.hits_size(), static_cast<int>(kPoints / kLists * 2));
  for (const v1::Hit& hit : reply.hits()) {
    EXPECT_TRUE(ListOf(hit.id().num()) == 5 || ListOf(hit.id().num()) == 2);
  }
  EXPECT_EQ(reply.plan_used().lists().coarse().probes(), 2u);
  ASSERT_EQ(reply.stages_size(), 1);
  EXPECT_EQ(reply.stages(0).name(), "scan");
  EXPECT_EQ(reply.stages(0).in(), kPoints / kLists * 2);
  request.clear_plan();
  request.set_limit(5);
  EXPECT_EQ(Search(request).plan_used().lists().coarse().probes(), 2u);
}

TEST_F(ListsApiTest, EachQueryOfABatchNamesItsOwn) {
  ASSERT_THAT(Put(Points(0, kPoints)), IsOk());
  BuildLists();
  v1::BatchSearchRequest batch;
  batch.set_collection("c");
  batch.set_limit(4);
  batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
  constexpr uint64_t kQueries = 100;
  for (uint64_t i = 0; i < kQueries; ++i) {
    batch.mutable_queries()->mutable_data()->append(Bytes(VectorOf(i, kDim)));
    batch.add_list_counts(i % 3 + 1);
    for (uint64_t k = 0; k <= i % 3; ++k) {
      batch.add_lists(static_cast<uint32_t>((i + k) % kLists));
    }
  }
  v1::BatchSearchResponse reply;
  ASSERT_THAT(
      CallStub(stubs().searches.get(), &v1::SearchService::Stub::BatchSearch, batch, &reply),
      IsOk());
  EXPECT_EQ(reply.plan_used().lists().coarse().probes(), 1u) << "those of query 0";
  ASSERT_EQ(reply.ids().nums_size(), static_cast<int>(4 * kQueries));
  ASSERT_GE(reply.stages_size(), 1);
  EXPECT_EQ(reply.stages(0).name(), "scan");
  for (uint64_t i = 0; i < kQueries; ++i) {
    v1::SearchRequest one = MakeSearch("c", VectorOf(i, kDim), 4);
    for (uint64_t k = 0; k <= i % 3; ++k) one.add_lists(static_cast<uint32_t>((i + k) % kLists));
    const v1::SearchResponse wanted = Search(one);
    ASSERT_EQ(wanted.hits_size(), 4);
    for (int h = 0; h < 4; ++h) {
      const int at = static_cast<int>(4 * i) + h;
      EXPECT_EQ(reply.ids().nums(at), wanted.hits(h).id().num());
      EXPECT_EQ(reply.scores(at), wanted.hits(h).score());
    }
  }
}

TEST_F(ListsApiTest, WhatIsRefused) {
  ASSERT_THAT(Put(Points(0, kPoints)), IsOk());
  v1::SearchRequest request = MakeSearch("c", VectorOf(17, kDim), 10);
  request.add_lists(3);
  v1::SearchResponse reply;
  const auto search = [&] {
    return CallStub(stubs().searches.get(), &v1::SearchService::Stub::Search, request, &reply);
  };
  const auto expect = [](const grpc::Status& status, grpc::StatusCode code, const char* message) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), testing::HasSubstr(message));
  };
  expect(search(), grpc::StatusCode::FAILED_PRECONDITION, "its lists are the server's");
  BuildLists();
  EXPECT_THAT(search(), IsOk());
  request.add_lists(kLists);
  expect(search(), grpc::StatusCode::INVALID_ARGUMENT,
         "lists: list 6 at position 1 of those named is not in 0..5");
  request.set_lists(1, 0);
  request.mutable_exact();
  expect(search(), grpc::StatusCode::INVALID_ARGUMENT, "lists: go with a plan for lists");
  request.clear_how();
  while (request.lists_size() <= 65536) request.add_lists(1);
  expect(search(), grpc::StatusCode::INVALID_ARGUMENT,
         "lists: 65537 lists are named, limit 1..65536");

  v1::UpsertPointsRequest bad = Points(kPoints, 2);
  (*bad.mutable_points(1)->mutable_attributes())["n"].set_int64_value(kLists);
  expect(Put(bad), grpc::StatusCode::INVALID_ARGUMENT,
         "point 1 (id 1201): the list_attribute \"n\" is 6, the lists are 0..5");

  v1::BuildIndexRequest build;
  build.set_collection("c");
  build.mutable_spec()->set_list_attribute("s");
  build.mutable_spec()->set_lists(kLists);
  v1::Operation operation;
  const auto begin = [&] {
    return CallStub(stubs().indexes.get(), &v1::IndexService::Stub::BuildIndex, build, &operation);
  };
  expect(begin(), grpc::StatusCode::INVALID_ARGUMENT,
         "spec: list_attribute \"s\" is string, it must be int64");
  build.mutable_spec()->set_list_attribute("x");
  expect(begin(), grpc::StatusCode::INVALID_ARGUMENT,
         "spec: list_attribute \"x\" is none of the collection's 2 attributes");
  build.mutable_spec()->set_list_attribute("n");
  build.mutable_spec()->set_lists(0);
  expect(begin(), grpc::StatusCode::INVALID_ARGUMENT, "needs the number of lists, 1..65536");
  build.mutable_spec()->set_lists(kLists - 1);
  const v1::Operation failed = Build(build);
  EXPECT_EQ(failed.state(), v1::Operation::STATE_FAILED);
  EXPECT_EQ(failed.error().code(), static_cast<int>(grpc::StatusCode::FAILED_PRECONDITION));
  EXPECT_THAT(failed.error().message(),
              testing::HasSubstr("point with id 5: the list_attribute \"n\" is 5, the lists are "
                                 "0..4"));
}

}  // namespace
}  // namespace nestor
