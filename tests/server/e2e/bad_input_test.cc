// What is refused: the code, a message with the value and the limit, the field in the details, and
// nothing changed by it.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/server/e2e/test_server.h"

namespace nestor {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

constexpr uint32_t kDim = 8;
constexpr uint64_t kPoints = 20;

std::string FieldOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::BadRequest bad;
  if (!details.ParseFromString(status.error_details())) return "";
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&bad)) return bad.field_violations(0).field();
  }
  return "";
}

std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (!details.ParseFromString(status.error_details())) return "";
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&info)) return info.reason();
  }
  return "";
}

class BadInputTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    server_ = std::make_unique<TestServer>();
    server_->Load();
    v1::Collection made;
    for (const char* name : {"l2", "cosine", "int8", "f16", "str"}) {
      v1::CreateCollectionRequest create = MakeCollection(name, kDim);
      if (name == std::string("cosine")) create.mutable_spec()->set_metric(v1::METRIC_COSINE);
      if (name == std::string("int8")) create.mutable_spec()->set_dtype(v1::DTYPE_INT8);
      if (name == std::string("f16")) create.mutable_spec()->set_dtype(v1::DTYPE_F16);
      if (name == std::string("str")) create.mutable_spec()->set_id_kind(v1::ID_KIND_STR);
      ASSERT_TRUE(Run(&v1::CollectionService::Stub::CreateCollection, create, &made).ok());
    }
    v1::UpsertPointsResponse wrote;
    ASSERT_TRUE(
        Run(&v1::PointService::Stub::UpsertPoints, MakeUpsert("l2", 0, kPoints, kDim), &wrote)
            .ok());
  }
  static void TearDownTestSuite() { server_.reset(); }

  template <typename Request, typename Reply>
  static grpc::Status Run(grpc::Status (v1::CollectionService::Stub::*method)(grpc::ClientContext*,
                                                                              const Request&,
                                                                              Reply*),
                          const Request& request, Reply* reply) {
    return CallStub(server_->stubs().collections.get(), method, request, reply);
  }
  template <typename Request, typename Reply>
  static grpc::Status Run(grpc::Status (v1::PointService::Stub::*method)(grpc::ClientContext*,
                                                                         const Request&, Reply*),
                          const Request& request, Reply* reply) {
    return CallStub(server_->stubs().points.get(), method, request, reply);
  }
  template <typename Request, typename Reply>
  static grpc::Status Run(grpc::Status (v1::SearchService::Stub::*method)(grpc::ClientContext*,
                                                                          const Request&, Reply*),
                          const Request& request, Reply* reply) {
    return CallStub(server_->stubs().searches.get(), method, request, reply);
  }
  template <typename Request, typename Reply>
  static grpc::Status Run(grpc::Status (v1::IndexService::Stub::*method)(grpc::ClientContext*,
                                                                         const Request&, Reply*),
                          const Request& request, Reply* reply) {
    return CallStub(server_->stubs().indexes.get(), method, request, reply);
  }
  template <typename Request, typename Reply>
  static grpc::Status Run(grpc::Status (v1::AdminService::Stub::*method)(grpc::ClientContext*,
                                                                         const Request&, Reply*),
                          const Request& request, Reply* reply) {
    return CallStub(server_->stubs().admin.get(), method, request, reply);
  }

  // Everything that a write could change.
  static std::string State() {
    std::string state;
    for (const CollectionInfo& info : server_->engine().ListCollections()) {
      state += info.spec.name + " " + std::to_string(info.seq) + " " + std::to_string(info.points) +
               " " + std::to_string(info.spec.attributes.size()) + " " +
               std::to_string(static_cast<int>(info.spec.durability)) + " " +
               std::to_string(info.spec.index.lists) + " " + std::to_string(info.generation) + "\n";
    }
    return state + std::to_string(server_->engine().ListOperations().size());
  }

  template <typename Request>
  struct Case {
    std::function<void(Request*)> spoil;
    StatusCode code = StatusCode::INVALID_ARGUMENT;
    const char* field;    // empty: none is named
    const char* message;  // part of it
  };

  // Spoils `good` in every way of the table and expects the refusal.
  template <typename Method, typename Request, typename Reply>
  static void ExpectRefused(Method method, const Request& good, Reply* reply,
                            const std::vector<Case<Request>>& cases) {
    const std::string before = State();
    for (const Case<Request>& c : cases) {
      Request request = good;
      c.spoil(&request);
      const grpc::Status status = Run(method, request, reply);
      EXPECT_EQ(status.error_code(), c.code) << c.message << " got: " << status.error_message();
      EXPECT_THAT(status.error_message(), HasSubstr(c.message));
      EXPECT_EQ(FieldOf(status), c.field) << status.error_message();
      EXPECT_NE(ReasonOf(status), "") << status.error_message();
      EXPECT_EQ(State(), before) << c.message;
    }
  }

  static std::unique_ptr<TestServer> server_;
};

std::unique_ptr<TestServer> BadInputTest::server_;

void SetFloat(v1::Point* point, int i, float value) {
  point->mutable_vector()->mutable_floats()->set_values(i, value);
}

TEST_F(BadInputTest, CreateCollection) {
  v1::Collection reply;
  using R = v1::CreateCollectionRequest;
  ExpectRefused(
      &v1::CollectionService::Stub::CreateCollection, MakeCollection("new", kDim), &reply,
      std::vector<Case<R>>{
          {[](R* r) { r->mutable_spec()->set_name("l2"); }, StatusCode::ALREADY_EXISTS, "", "l2"},
          {[](R* r) { r->mutable_spec()->set_name(""); }, StatusCode::INVALID_ARGUMENT, "spec",
           "128"},
          {[](R* r) { r->mutable_spec()->set_name(".x"); }, StatusCode::INVALID_ARGUMENT, "spec",
           ".x"},
          {[](R* r) { r->mutable_spec()->set_name("a/b"); }, StatusCode::INVALID_ARGUMENT, "spec",
           "a/b"},
          {[](R* r) { r->mutable_spec()->set_name(std::string(129, 'x')); },
           StatusCode::INVALID_ARGUMENT, "spec", "129"},
          {[](R* r) { r->mutable_spec()->set_dim(0); }, StatusCode::INVALID_ARGUMENT, "spec",
           "16384"},
          {[](R* r) { r->mutable_spec()->set_dim(16385); }, StatusCode::INVALID_ARGUMENT, "spec",
           "16385"},
          {[](R* r) { r->mutable_spec()->clear_metric(); }, StatusCode::INVALID_ARGUMENT,
           "spec.metric", "must be set"},
          {[](R* r) { r->mutable_spec()->set_nesting(1, 7); }, StatusCode::INVALID_ARGUMENT, "spec",
           "7"},
          {[](R* r) { r->mutable_spec()->set_nesting(0, 8); }, StatusCode::INVALID_ARGUMENT, "spec",
           "8"},
          {[](R* r) {
             r->mutable_spec()->set_dim(100);
             r->mutable_spec()->clear_nesting();
             for (int i = 84; i <= 100; ++i) r->mutable_spec()->add_nesting(i);
           },
           StatusCode::INVALID_ARGUMENT, "spec", "17"},
          {[](R* r) { r->mutable_spec()->set_dtype(static_cast<v1::Dtype>(77)); },
           StatusCode::INVALID_ARGUMENT, "spec.dtype", "77"},
          {[](R* r) {
             (*r->mutable_spec()->mutable_attributes())["a b"] = v1::ATTRIBUTE_TYPE_BOOL;
           },
           StatusCode::INVALID_ARGUMENT, "spec", "a"},
          {[](R* r) { r->mutable_spec()->mutable_index()->set_lists(65537); },
           StatusCode::INVALID_ARGUMENT, "spec", "65537"},
          {[](R* r) { r->mutable_spec()->mutable_index()->set_coarse_dim(3); },
           StatusCode::INVALID_ARGUMENT, "spec", "3"},
          {[](R* r) { r->mutable_spec()->mutable_index()->add_shells(4); },
           StatusCode::INVALID_ARGUMENT, "spec", "4"},
          {[](R* r) {
             auto* spec = r->mutable_spec();
             spec->GetReflection()->MutableUnknownFields(spec)->AddVarint(10, 1);
           },
           StatusCode::INVALID_ARGUMENT, "spec", "field number 10"},
      });
}

TEST_F(BadInputTest, OtherCollectionCalls) {
  v1::Collection reply;
  using U = v1::UpdateCollectionRequest;
  U update;
  update.mutable_spec()->set_name("l2");
  ExpectRefused(
      &v1::CollectionService::Stub::UpdateCollection, update, &reply,
      std::vector<Case<U>>{
          {[](U* r) { r->mutable_spec()->set_name("none"); }, StatusCode::NOT_FOUND, "", "none"},
          {[](U* r) { r->mutable_spec()->set_dim(9); }, StatusCode::INVALID_ARGUMENT, "spec.dim",
           "from 8 to 9"},
          {[](U* r) {
             r->mutable_spec()->set_durability(v1::DURABILITY_ASYNC);
             r->mutable_spec()->mutable_index()->set_lists(70000);
           },
           StatusCode::INVALID_ARGUMENT, "spec", "70000"},
          {[](U* r) { (*r->mutable_spec()->mutable_attributes())["n"] = v1::ATTRIBUTE_TYPE_BOOL; },
           StatusCode::INVALID_ARGUMENT, "spec.attributes[\"n\"]", "INT64"},
      });
  v1::ListCollectionsResponse listed;
  using L = v1::ListCollectionsRequest;
  ExpectRefused(&v1::CollectionService::Stub::ListCollections, L(), &listed,
                std::vector<Case<L>>{
                    {[](L* r) { r->set_page_size(10001); }, StatusCode::INVALID_ARGUMENT,
                     "page_size", "10001 is not in 0..10000"},
                    {[](L* r) { r->set_page_token("bad"); }, StatusCode::INVALID_ARGUMENT,
                     "page_token", "\"bad\""},
                });
  v1::DeleteCollectionResponse dropped;
  using D = v1::DeleteCollectionRequest;
  ExpectRefused(&v1::CollectionService::Stub::DeleteCollection, D(), &dropped,
                std::vector<Case<D>>{
                    {[](D* r) { r->set_name("none"); }, StatusCode::NOT_FOUND, "", "none"},
                });
}

TEST_F(BadInputTest, UpsertPoints) {
  v1::UpsertPointsResponse reply;
  using R = v1::UpsertPointsRequest;
  const float nan = std::nanf("");
  const float inf = std::numeric_limits<float>::infinity();
  ExpectRefused(
      &v1::PointService::Stub::UpsertPoints, MakeUpsert("l2", 100, 3, kDim), &reply,
      std::vector<Case<R>>{
          {[](R* r) { r->set_collection("none"); }, StatusCode::NOT_FOUND, "", "none"},
          {[](R* r) { r->clear_points(); }, StatusCode::INVALID_ARGUMENT, "points",
           "0 entries, not in 1..10000"},
          {[](R* r) {
             while (r->points_size() < 10001) *r->add_points() = r->points(0);
           },
           StatusCode::INVALID_ARGUMENT, "points", "10001 entries, not in 1..10000"},
          {[](R* r) { r->mutable_points(1)->mutable_id()->set_num(100); },
           StatusCode::INVALID_ARGUMENT, "points", "100"},
          {[](R* r) { r->mutable_points(1)->clear_id(); }, StatusCode::INVALID_ARGUMENT,
           "points[1].id", "must be set"},
          {[](R* r) { r->mutable_points(1)->mutable_id()->set_str("x"); },
           StatusCode::INVALID_ARGUMENT, "points", "x"},
          {[](R* r) { r->mutable_points(2)->mutable_vector()->mutable_floats()->add_values(1); },
           StatusCode::INVALID_ARGUMENT, "points[2].vector", "9 values, the collection's dim is 8"},
          {[](R* r) { r->mutable_points(2)->clear_vector(); }, StatusCode::INVALID_ARGUMENT,
           "points[2].vector", "must be set"},
          {[](R* r) {
             r->mutable_points(0)->mutable_vector()->mutable_packed()->set_dtype(v1::DTYPE_F16);
             r->mutable_points(0)->mutable_vector()->mutable_packed()->set_data("123");
           },
           StatusCode::INVALID_ARGUMENT, "points[0].vector.packed.data",
           "3 bytes, dim 8 of f16 takes 16"},
          {[nan](R* r) { SetFloat(r->mutable_points(1), 3, nan); }, StatusCode::INVALID_ARGUMENT,
           "points", "101"},
          {[inf](R* r) { SetFloat(r->mutable_points(1), 3, inf); }, StatusCode::INVALID_ARGUMENT,
           "points", "101"},
          {[](R* r) { SetFloat(r->mutable_points(1), 3, 3e38f); }, StatusCode::INVALID_ARGUMENT,
           "points", "101"},
          {[](R* r) { (*r->mutable_points(0)->mutable_attributes())["nope"].set_bool_value(true); },
           StatusCode::INVALID_ARGUMENT, "points", "nope"},
          {[](R* r) { (*r->mutable_points(0)->mutable_attributes())["n"].set_bool_value(true); },
           StatusCode::INVALID_ARGUMENT, "points", "int64"},
          {[](R* r) { (*r->mutable_points(0)->mutable_attributes())["n"].clear_value(); },
           StatusCode::INVALID_ARGUMENT, "points[0].attributes[\"n\"]", "must be set"},
          {[](R* r) {
             (*r->mutable_points(0)->mutable_attributes())["s"].set_string_value(
                 std::string(65537, 'x'));
           },
           StatusCode::INVALID_ARGUMENT, "points[0].attributes[\"s\"]",
           "65537 bytes, the limit is 65536"},
          {[](R* r) { r->mutable_points(0)->set_seq(4); }, StatusCode::INVALID_ARGUMENT,
           "points[0].seq", "4 is not 0"},
          {[](R* r) {
             auto* vector = r->mutable_points(1)->mutable_vector();
             vector->GetReflection()->MutableUnknownFields(vector)->AddVarint(3, 1);
           },
           StatusCode::INVALID_ARGUMENT, "points[1].vector", "field number 3"},
          {[](R* r) {
             auto& value = (*r->mutable_points(1)->mutable_attributes())["n"];
             value.GetReflection()->MutableUnknownFields(&value)->AddVarint(9, 1);
           },
           StatusCode::INVALID_ARGUMENT, "points[1].attributes[\"n\"]", "does not support"},
      });
}

TEST_F(BadInputTest, VectorsThatTheMetricOrTheDtypeCannotTake) {
  v1::UpsertPointsResponse reply;
  using R = v1::UpsertPointsRequest;
  ExpectRefused(&v1::PointService::Stub::UpsertPoints, MakeUpsert("cosine", 0, 1, kDim), &reply,
                std::vector<Case<R>>{
                    {[](R* r) {
                       for (int i = 0; i < 8; ++i) SetFloat(r->mutable_points(0), i, 0);
                     },
                     StatusCode::INVALID_ARGUMENT, "points", "norm"},
                    {[](R* r) {
                       for (int i = 0; i < 4; ++i) SetFloat(r->mutable_points(0), i, 0);
                     },
                     StatusCode::INVALID_ARGUMENT, "points", "4"},
                });
  ExpectRefused(&v1::PointService::Stub::UpsertPoints, MakeUpsert("f16", 0, 1, kDim), &reply,
                std::vector<Case<R>>{
                    {[](R* r) { SetFloat(r->mutable_points(0), 0, 70000); },
                     StatusCode::INVALID_ARGUMENT, "points", "70000"},
                    {[](R* r) {
                       auto* packed = r->mutable_points(0)->mutable_vector()->mutable_packed();
                       packed->set_dtype(v1::DTYPE_INT8);
                       packed->set_data("12345678");
                     },
                     StatusCode::INVALID_ARGUMENT, "points[0].vector.packed.dtype", "INT8"},
                });
  ExpectRefused(
      &v1::PointService::Stub::UpsertPoints, MakeUpsert("str", 0, 1, kDim), &reply,
      std::vector<Case<R>>{
          {[](R* r) {}, StatusCode::INVALID_ARGUMENT, "points", "strings"},
          {[](R* r) { r->mutable_points(0)->mutable_id()->set_str(""); },
           StatusCode::INVALID_ARGUMENT, "points[0].id", "0 bytes is not in 1..256"},
          {[](R* r) { r->mutable_points(0)->mutable_id()->set_str(std::string(257, 'x')); },
           StatusCode::INVALID_ARGUMENT, "points[0].id", "257 bytes is not in 1..256"},
      });
}

TEST_F(BadInputTest, ReadsAndDeletes) {
  using G = v1::GetPointsRequest;
  G get;
  get.set_collection("l2");
  get.add_ids()->set_num(1);
  v1::GetPointsResponse got;
  ExpectRefused(
      &v1::PointService::Stub::GetPoints, get, &got,
      std::vector<Case<G>>{
          {[](G* r) { r->set_collection("none"); }, StatusCode::NOT_FOUND, "", "none"},
          {[](G* r) { r->clear_ids(); }, StatusCode::INVALID_ARGUMENT, "ids", "1..10000"},
          {[](G* r) { r->add_ids(); }, StatusCode::INVALID_ARGUMENT, "ids[1]", "must be set"},
          {[](G* r) { r->mutable_ids(0)->set_str("x"); }, StatusCode::INVALID_ARGUMENT, "ids",
           "\"x\""},
          {[](G* r) { r->mutable_output()->add_attributes("nope"); }, StatusCode::INVALID_ARGUMENT,
           "output.attributes[0]", "\"nope\""},
      });
  using D = v1::DeletePointsRequest;
  D drop;
  drop.set_collection("l2");
  drop.add_ids()->set_num(1);
  v1::DeletePointsResponse dropped;
  ExpectRefused(&v1::PointService::Stub::DeletePoints, drop, &dropped,
                std::vector<Case<D>>{
                    {[](D* r) { r->set_collection("none"); }, StatusCode::NOT_FOUND, "", "none"},
                    {[](D* r) { r->clear_ids(); }, StatusCode::INVALID_ARGUMENT, "ids", "1..10000"},
                    {[](D* r) { r->add_ids()->set_num(1); }, StatusCode::INVALID_ARGUMENT, "ids[1]",
                     "1 is in the batch twice"},
                });
  using L = v1::ListPointsRequest;
  L list;
  list.set_collection("l2");
  v1::ListPointsResponse page;
  ExpectRefused(
      &v1::PointService::Stub::ListPoints, list, &page,
      std::vector<Case<L>>{
          {[](L* r) { r->set_page_size(10001); }, StatusCode::INVALID_ARGUMENT, "page_size",
           "10001 is not in 0..10000"},
          {[](L* r) { r->set_page_token("?"); }, StatusCode::INVALID_ARGUMENT, "page_token", "?"},
          {[](L* r) { r->set_page_token("s:text"); }, StatusCode::INVALID_ARGUMENT, "page_token",
           "text"},
      });
}

TEST_F(BadInputTest, Search) {
  using R = v1::SearchRequest;
  v1::SearchResponse reply;
  const auto set_plan = [](R* r, const std::function<void(v1::Plan*)>& spoil) {
    v1::Plan* plan = r->mutable_plan();
    plan->mutable_lists()->mutable_coarse()->set_dim(4);
    plan->mutable_lists()->mutable_coarse()->set_probes(1);
    plan->mutable_lists()->mutable_scan()->set_dim(8);
    plan->mutable_lists()->mutable_scan()->set_keep(50);
    spoil(plan);
  };
  ExpectRefused(
      &v1::SearchService::Stub::Search, MakeSearch("l2", VectorOf(1, kDim), 10), &reply,
      std::vector<Case<R>>{
          {[](R* r) { r->set_collection("none"); }, StatusCode::NOT_FOUND, "", "none"},
          {[](R* r) { r->set_limit(0); }, StatusCode::INVALID_ARGUMENT, "limit",
           "0 is not in 1..10000"},
          {[](R* r) { r->set_limit(10001); }, StatusCode::INVALID_ARGUMENT, "limit",
           "10001 is not in 1..10000"},
          {[](R* r) { r->clear_query(); }, StatusCode::INVALID_ARGUMENT, "query", "must be set"},
          {[](R* r) { r->mutable_vector()->mutable_floats()->mutable_values()->Truncate(4); },
           StatusCode::INVALID_ARGUMENT, "vector", "4 values, the collection's dim is 8"},
          {[](R* r) { r->mutable_vector()->mutable_floats()->set_values(2, std::nanf("")); },
           StatusCode::INVALID_ARGUMENT, "vector", "nan"},
          {[](R* r) { r->mutable_id()->set_num(999); }, StatusCode::NOT_FOUND, "", "999"},
          {[](R* r) { r->mutable_id()->set_str("x"); }, StatusCode::INVALID_ARGUMENT, "id",
           "\"x\""},
          {[](R* r) { r->mutable_exact()->set_dim(3); }, StatusCode::INVALID_ARGUMENT, "exact.dim",
           "3"},
          {[](R* r) { r->mutable_plan(); }, StatusCode::INVALID_ARGUMENT, "plan.lists",
           "must be set"},
          {[&](R* r) {
             set_plan(r, [](v1::Plan* p) { p->mutable_lists()->mutable_coarse()->set_dim(5); });
           },
           StatusCode::INVALID_ARGUMENT, "plan", "5"},
          {[&](R* r) {
             set_plan(r, [](v1::Plan* p) { p->mutable_lists()->mutable_coarse()->set_probes(0); });
           },
           StatusCode::INVALID_ARGUMENT, "plan", "65536"},
          {[&](R* r) {
             set_plan(r,
                      [](v1::Plan* p) { p->mutable_lists()->mutable_coarse()->set_probes(65537); });
           },
           StatusCode::INVALID_ARGUMENT, "plan", "65537"},
          {[&](R* r) {
             set_plan(r, [](v1::Plan* p) {
               p->add_refine()->set_dim(4);
               p->mutable_refine(0)->set_keep(20);
             });
           },
           StatusCode::INVALID_ARGUMENT, "plan", "4"},
          {[&](R* r) {
             set_plan(r, [](v1::Plan* p) { p->mutable_lists()->mutable_scan()->set_keep(9); });
           },
           StatusCode::INVALID_ARGUMENT, "plan", "9"},
          {[](R* r) { r->mutable_output()->add_attributes("nope"); }, StatusCode::INVALID_ARGUMENT,
           "output.attributes[0]", "nope"},
          {[](R* r) {
             r->GetReflection()->MutableUnknownFields(r)->AddLengthDelimited(5, "filter");
           },
           StatusCode::INVALID_ARGUMENT, "nestor.v1.SearchRequest", "field number 5"},
      });
}

TEST_F(BadInputTest, BatchSearch) {
  using R = v1::BatchSearchRequest;
  v1::BatchSearchResponse reply;
  R good;
  good.set_collection("l2");
  good.set_limit(2);
  good.mutable_queries()->set_dtype(v1::DTYPE_F32);
  good.mutable_queries()->set_data(Bytes(VectorOf(1, kDim)));
  const auto queries = [](R* r, uint64_t n) {
    const std::string one = r->queries().data();
    while (r->queries().data().size() < n * one.size())
      r->mutable_queries()->mutable_data()->append(one);
  };
  ExpectRefused(
      &v1::SearchService::Stub::BatchSearch, good, &reply,
      std::vector<Case<R>>{
          {[](R* r) { r->set_collection("none"); }, StatusCode::NOT_FOUND, "", "none"},
          {[](R* r) { r->set_limit(0); }, StatusCode::INVALID_ARGUMENT, "limit",
           "0 is not in 1..10000"},
          {[](R* r) { r->clear_queries(); }, StatusCode::INVALID_ARGUMENT, "queries.dtype",
           "must be set"},
          {[](R* r) { r->mutable_queries()->mutable_data()->pop_back(); },
           StatusCode::INVALID_ARGUMENT, "queries.data", "31 bytes, not a multiple of the 32"},
          {[&](R* r) { queries(r, 10001); }, StatusCode::INVALID_ARGUMENT, "queries.data",
           "10001 vectors, not in 1..10000"},
          {[&](R* r) {
             queries(r, 1001);
             r->set_limit(1000);
           },
           StatusCode::INVALID_ARGUMENT, "limit", "1001000 hits, the limit is 1000000"},
          {[](R* r) {
             const float nan = std::nanf("");
             r->mutable_queries()->mutable_data()->append(Bytes(VectorOf(2, kDim)));
             r->mutable_queries()->mutable_data()->replace(36, 4,
                                                           reinterpret_cast<const char*>(&nan), 4);
           },
           StatusCode::INVALID_ARGUMENT, "queries (number 1)", "nan"},
          {[](R* r) { r->mutable_exact()->set_dim(5); }, StatusCode::INVALID_ARGUMENT, "exact.dim",
           "5"},
      });
}

TEST_F(BadInputTest, RepliesThatCouldExceedTheMessageLimitAreRefusedWithBothNumbers) {
  v1::Collection made;
  ASSERT_TRUE(
      Run(&v1::CollectionService::Stub::CreateCollection, MakeCollection("wide", 4096), &made)
          .ok());
  v1::SearchRequest request = MakeSearch("wide", VectorOf(1, 4096), 10000);
  request.mutable_output()->set_vectors(true);
  v1::SearchResponse reply;
  const grpc::Status status = Run(&v1::SearchService::Stub::Search, request, &reply);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("10000 points of 16"));
  EXPECT_THAT(status.error_message(), HasSubstr("67108864"));
  EXPECT_EQ(FieldOf(status), "limit");
  EXPECT_EQ(ReasonOf(status), "REPLY_TOO_LARGE");

  // With string ids a batch's columns could get too long as well.
  v1::BatchSearchRequest batch;
  batch.set_collection("str");
  batch.set_limit(1000);
  batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
  for (int i = 0; i < 500; ++i)
    batch.mutable_queries()->mutable_data()->append(Bytes(VectorOf(i, kDim)));
  v1::BatchSearchResponse batch_reply;
  const grpc::Status refused = Run(&v1::SearchService::Stub::BatchSearch, batch, &batch_reply);
  EXPECT_EQ(refused.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(refused.error_message(), HasSubstr("500000 points"));
  EXPECT_EQ(ReasonOf(refused), "REPLY_TOO_LARGE");
}

TEST_F(BadInputTest, MessagesOverTheLimitAreRefusedWithBothNumbers) {
  v1::UpsertPointsRequest request = MakeUpsert("l2", 100, 1, kDim);
  (*request.mutable_points(0)->mutable_attributes())["s"].set_string_value(
      std::string((64 << 20) + 1, 'x'));
  const std::string before = State();
  v1::UpsertPointsResponse reply;
  const grpc::Status status = Run(&v1::PointService::Stub::UpsertPoints, request, &reply);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("67108864"));
  EXPECT_EQ(State(), before);
}

TEST_F(BadInputTest, BytesThatAreNoMessage) {
  // A search whose collection is no UTF-8, one cut off, and noise.
  const std::string kRequests[] = {std::string("\x0a\x02\xff\xfe"), std::string("\x0a\x10zz"),
                                   std::string(1000, '\xff')};
  grpc::GenericStub stub(server_->stubs().channel);
  for (const std::string& request : kRequests) {
    grpc::CompletionQueue queue;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    const grpc::Slice slice(request);
    const auto call = stub.PrepareUnaryCall(&context, "/nestor.v1.SearchService/Search",
                                            grpc::ByteBuffer(&slice, 1), &queue);
    call->StartCall();
    grpc::ByteBuffer reply;
    grpc::Status status;
    call->Finish(&reply, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), HasSubstr(std::to_string(request.size()) +
                                                  " bytes are no nestor.v1.SearchRequest"));
    EXPECT_EQ(ReasonOf(status), "MALFORMED_MESSAGE");
    queue.Shutdown();
  }
}

TEST_F(BadInputTest, IndexAndAdminCalls) {
  v1::Operation operation;
  using B = v1::BuildIndexRequest;
  B build;
  build.set_collection("l2");
  ExpectRefused(
      &v1::IndexService::Stub::BuildIndex, build, &operation,
      std::vector<Case<B>>{
          {[](B* r) { r->set_collection("none"); }, StatusCode::NOT_FOUND, "", "none"},
          {[](B* r) { r->mutable_spec()->set_coarse_dim(3); }, StatusCode::INVALID_ARGUMENT, "spec",
           "3"},
          {[](B* r) { r->mutable_spec()->set_lists(65537); }, StatusCode::INVALID_ARGUMENT, "spec",
           "65537"},
          {[](B* r) { r->mutable_spec()->set_shell_codec(static_cast<v1::ShellCodec>(9)); },
           StatusCode::INVALID_ARGUMENT, "spec.shell_codec", "9"},
      });
  using G = v1::GetOperationRequest;
  ExpectRefused(&v1::AdminService::Stub::GetOperation, G(), &operation,
                std::vector<Case<G>>{
                    {[](G* r) {}, StatusCode::INVALID_ARGUMENT, "id", "0 is no operation"},
                    {[](G* r) { r->set_id(4711); }, StatusCode::NOT_FOUND, "", "4711"},
                });
  using C = v1::CancelOperationRequest;
  ExpectRefused(&v1::AdminService::Stub::CancelOperation, C(), &operation,
                std::vector<Case<C>>{
                    {[](C* r) {}, StatusCode::INVALID_ARGUMENT, "id", "0 is no operation"},
                    {[](C* r) { r->set_id(4711); }, StatusCode::NOT_FOUND, "", "4711"},
                });
  using L = v1::ListOperationsRequest;
  v1::ListOperationsResponse listed;
  ExpectRefused(
      &v1::AdminService::Stub::ListOperations, L(), &listed,
      std::vector<Case<L>>{
          {[](L* r) { r->set_collection("a/b"); }, StatusCode::INVALID_ARGUMENT, "collection",
           "a/b"},
          {[](L* r) { r->set_page_token("7"); }, StatusCode::INVALID_ARGUMENT, "page_token", "7"},
          {[](L* r) { r->set_page_size(10001); }, StatusCode::INVALID_ARGUMENT, "page_size",
           "10001"},
      });
}

}  // namespace
}  // namespace nestor
