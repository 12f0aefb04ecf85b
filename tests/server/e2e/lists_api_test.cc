// Lists that points and queries name, through generated stubs.
#include <functional>
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

// Out of one index, into the next, which then answers alike and has the same to give.
TEST_F(ListsApiTest, CentroidsAreExportedAndImported) {
  ASSERT_THAT(Put(Points(0, kPoints)), IsOk());
  v1::GetCentroidsRequest get;
  get.set_collection("c");
  v1::GetCentroidsResponse learnt;
  const auto get_centroids = [&](v1::GetCentroidsResponse* reply) {
    return CallStub(stubs().indexes.get(), &v1::IndexService::Stub::GetCentroids, get, reply);
  };
  const grpc::Status unbuilt = get_centroids(&learnt);
  EXPECT_EQ(unbuilt.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(unbuilt.error_message(), testing::HasSubstr("the index has one list"));

  v1::BuildIndexRequest build;
  build.set_collection("c");
  build.mutable_spec()->set_lists(kLists);
  build.mutable_spec()->set_coarse_dim(kDim / 2);
  ASSERT_EQ(Build(build).state(), v1::Operation::STATE_SUCCEEDED);
  ASSERT_THAT(get_centroids(&learnt), IsOk());
  EXPECT_EQ(learnt.coarse_dim(), kDim / 2);
  EXPECT_EQ(learnt.origin(), v1::CENTROID_ORIGIN_TRAINED);
  EXPECT_EQ(learnt.centroids().dtype(), v1::DTYPE_F32);
  EXPECT_EQ(learnt.centroids().data().size(), kLists * kDim / 2 * sizeof(float));
  ASSERT_EQ(learnt.rows_size(), static_cast<int>(kLists));
  uint64_t rows = 0;
  for (const uint64_t one : learnt.rows()) rows += one;
  EXPECT_EQ(rows, kPoints);
  v1::SearchRequest search = MakeSearch("c", VectorOf(17, kDim), 10);
  *search.mutable_plan() = PlanOf(2);
  const v1::SearchResponse wanted = Search(search);

  *build.mutable_centroids() = learnt.centroids();
  const v1::Operation built = Build(build);
  ASSERT_EQ(built.state(), v1::Operation::STATE_SUCCEEDED) << built.error().message();
  const v1::SearchResponse found = Search(search);
  ASSERT_EQ(found.hits_size(), wanted.hits_size());
  for (int i = 0; i < found.hits_size(); ++i) {
    EXPECT_EQ(found.hits(i).id().num(), wanted.hits(i).id().num());
    EXPECT_EQ(found.hits(i).score(), wanted.hits(i).score());
  }
  // The collection's spec keeps them: a build without any, and one with the spec as it is shown.
  v1::GetCollectionRequest get_collection;
  get_collection.set_name("c");
  v1::Collection collection;
  ASSERT_THAT(CallStub(stubs().collections.get(), &v1::CollectionService::Stub::GetCollection,
                       get_collection, &collection),
              IsOk());
  EXPECT_EQ(collection.spec().index().centroids(), v1::CENTROID_ORIGIN_IMPORTED);
  EXPECT_EQ(collection.spec().index().lists(), kLists);
  for (const bool with_spec : {false, true}) {
    v1::BuildIndexRequest later;
    later.set_collection("c");
    if (with_spec) *later.mutable_spec() = collection.spec().index();
    ASSERT_EQ(Build(later).state(), v1::Operation::STATE_SUCCEEDED);
    v1::GetCentroidsResponse kept;
    ASSERT_THAT(get_centroids(&kept), IsOk());
    EXPECT_EQ(kept.origin(), v1::CENTROID_ORIGIN_IMPORTED);
    EXPECT_EQ(kept.centroids().data(), learnt.centroids().data());
  }
  // Others, of another number and another dtype, without a spec.
  v1::BuildIndexRequest fewer;
  fewer.set_collection("c");
  fewer.mutable_centroids()->set_dtype(v1::DTYPE_F16);
  fewer.mutable_centroids()->set_data(std::string(3 * kDim / 2 * 2, '\x3c'));
  ASSERT_EQ(Build(fewer).state(), v1::Operation::STATE_SUCCEEDED);
  ASSERT_THAT(get_centroids(&learnt), IsOk());
  EXPECT_EQ(learnt.rows_size(), 3);
}

TEST_F(ListsApiTest, BadCentroidsAreRefused) {
  v1::BuildIndexRequest good;
  good.set_collection("c");
  good.mutable_spec()->set_coarse_dim(kDim / 2);
  good.mutable_centroids()->set_dtype(v1::DTYPE_F32);
  good.mutable_centroids()->set_data(std::string(2 * kDim / 2 * sizeof(float), '\0'));
  const auto expect = [&](const std::function<void(v1::BuildIndexRequest*)>& spoil,
                          const char* message) {
    v1::BuildIndexRequest request = good;
    spoil(&request);
    v1::Operation reply;
    const grpc::Status status =
        CallStub(stubs().indexes.get(), &v1::IndexService::Stub::BuildIndex, request, &reply);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << message;
    EXPECT_THAT(status.error_message(), testing::HasSubstr(message));
  };
  using R = v1::BuildIndexRequest;
  expect(
      [](R* r) { r->mutable_centroids()->mutable_data()->pop_back(); },
      "centroids.data: has 63 bytes, not a multiple of the 32 that a centroid of coarse_dim 8 of "
      "f32 takes");
  expect([](R* r) { r->mutable_centroids()->mutable_data()->resize(32); },
         "centroids.data: holds 1 centroids, not in 2..65536");
  expect([](R* r) { r->mutable_centroids()->clear_data(); }, "holds 0 centroids");
  expect([](R* r) { r->mutable_centroids()->set_dtype(v1::DTYPE_INT8); },
         "centroids.dtype: centroids are floats");
  expect([](R* r) { r->mutable_centroids()->clear_dtype(); }, "centroids.dtype: must be set");
  expect([](R* r) { r->mutable_spec()->set_lists(3); },
         "spec.lists: is 3, but there are 2 centroids");
  expect([](R* r) { r->mutable_spec()->set_coarse_dim(4); },
         "spec: coarse_dim 4 is not in the nesting");
  expect([](R* r) { r->mutable_muvera(); }, "centroids: do not go with muvera");
  expect(
      [](R* r) {
        (*r->mutable_centroids()->mutable_data())[34] = '\x80';
        (*r->mutable_centroids()->mutable_data())[35] = '\x7f';
      },
      "centroids: centroid 1 has inf at position 0; values must be finite");
  expect(
      [](R* r) {
        r->mutable_spec()->mutable_graph();
        r->mutable_spec()->set_no_lists(true);
      },
      "spec: an index of imported centroids needs lists");
}

}  // namespace
}  // namespace nestor
