// Schemas and points that are refused.
#include <cmath>
#include <limits>

#include "tests/server/e2e/bad_input.h"

namespace nestor {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

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
             spec->GetReflection()->MutableUnknownFields(spec)->AddVarint(1000, 1);
           },
           StatusCode::INVALID_ARGUMENT, "spec", "field number 1000"},
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

}  // namespace
}  // namespace nestor
