#include "server/rpc/convert_columns.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/server/rpc/matchers.h"

namespace nestor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

CollectionSpec Spec() {
  CollectionSpec spec;
  spec.name = "c";
  spec.schema = {.dim = 2, .nesting = {2}, .metric = Metric::kDot, .dtype = Dtype::kF16};
  spec.attributes = {{"n", AttributeType::kInt64},     {"ok", AttributeType::kBool},
                     {"s", AttributeType::kString},    {"tags", AttributeType::kStringList},
                     {"t", AttributeType::kTimestamp}, {"x", AttributeType::kDouble}};
  return spec;
}

void SetVectors(const std::vector<float>& values, v1::StreamUpsertRequest* request) {
  request->mutable_vectors()->set_dtype(v1::DTYPE_F32);
  request->mutable_vectors()->set_data(
      std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
}

v1::StreamUpsertRequest ThreeRows() {
  v1::StreamUpsertRequest request;
  request.set_batch(1);
  request.set_collection("c");
  for (const uint64_t id : {10, 11, 12}) request.mutable_ids()->add_nums(id);
  SetVectors({1, 2, 3, 4, 5, 6}, &request);
  return request;
}

TEST(ConvertColumnsTest, RowsTakeTheirValuesFromEveryColumn) {
  v1::StreamUpsertRequest request = ThreeRows();
  auto* n = request.add_columns();
  n->set_name("n");
  for (const int64_t value : {1, 2, 3}) n->mutable_int64s()->add_values(value);
  n->set_validity(std::string(1, '\x05'));  // rows 0 and 2
  auto* s = request.add_columns();
  s->set_name("s");
  for (const char* value : {"a", "b", "c"}) s->mutable_strings()->add_values(value);
  auto* x = request.add_columns();
  x->set_name("x");
  for (const double value : {.5, .25, .125}) x->mutable_doubles()->add_values(value);
  auto* ok = request.add_columns();
  ok->set_name("ok");
  for (const bool value : {true, false, true}) ok->mutable_bools()->add_values(value);
  auto* tags = request.add_columns();
  tags->set_name("tags");
  tags->mutable_string_lists()->add_values()->add_values("y");
  tags->mutable_string_lists()->add_values();
  tags->mutable_string_lists()->add_values();
  auto* t = request.add_columns();
  t->set_name("t");
  for (const int64_t value : {7, 8, 9}) t->mutable_timestamps()->add_micros(value);

  const auto batch = ToColumnBatch(request, Spec());
  ASSERT_THAT(batch, IsOk());
  EXPECT_TRUE(batch->errors.empty());
  EXPECT_THAT(batch->rows, ElementsAre(0, 1, 2));
  EXPECT_EQ(batch->points[0].id, PointId(uint64_t{10}));
  EXPECT_EQ(batch->points[0].attributes, (Attributes{{"n", int64_t{1}},
                                                     {"s", std::string("a")},
                                                     {"x", .5},
                                                     {"ok", true},
                                                     {"tags", std::vector<std::string>{"y"}},
                                                     {"t", Timestamp{7}}}));
  EXPECT_EQ(batch->points[1].attributes.size(), 5u) << "n is null in row 1";
  const auto& vector = std::get<PackedVector>(batch->points[2].vector);
  EXPECT_EQ(vector.bytes.data(), request.vectors().data().data() + 16);
}

TEST(ConvertColumnsTest, WrongShapesAreRefused) {
  struct Case {
    void (*spoil)(v1::StreamUpsertRequest*);
    const char* message;
  };
  const Case kCases[] = {
      {[](v1::StreamUpsertRequest* r) { r->clear_ids(); }, "0 rows, not in 1..10000"},
      {[](v1::StreamUpsertRequest* r) { r->mutable_ids()->add_strs("x"); }, "both filled"},
      {[](v1::StreamUpsertRequest* r) {
         r->mutable_ids()->clear_nums();
         r->mutable_ids()->add_strs("x");
       },
       "ids.strs: the collection's ids are of kind NUM"},
      {[](v1::StreamUpsertRequest* r) { r->mutable_ids()->add_nums(4); },
       "24 bytes, 4 rows of dim 2 take 32"},
      {[](v1::StreamUpsertRequest* r) { r->mutable_vectors()->clear_dtype(); },
       "vectors.dtype: must be set"},
      {[](v1::StreamUpsertRequest* r) { r->add_columns()->set_name("nope"); },
       "no attribute \"nope\""},
      {[](v1::StreamUpsertRequest* r) { r->add_columns()->set_name("n"); }, "no values are set"},
      {[](v1::StreamUpsertRequest* r) {
         r->add_columns()->set_name("n");
         r->mutable_columns(0)->mutable_bools();
       },
       "values of type BOOL for attribute \"n\" of type INT64"},
      {[](v1::StreamUpsertRequest* r) {
         r->add_columns()->set_name("n");
         r->mutable_columns(0)->mutable_int64s()->add_values(1);
       },
       "columns[0]: has 1 values, the batch has 3 rows"},
      {[](v1::StreamUpsertRequest* r) {
         for (int i = 0; i < 2; ++i) {
           auto* column = r->add_columns();
           column->set_name("n");
           for (int j = 0; j < 3; ++j) column->mutable_int64s()->add_values(1);
         }
       },
       "a second column of attribute \"n\""},
      {[](v1::StreamUpsertRequest* r) {
         auto* column = r->add_columns();
         column->set_name("n");
         for (int j = 0; j < 3; ++j) column->mutable_int64s()->add_values(1);
         column->set_validity("ab");
       },
       "columns[0].validity: has 2 bytes, 3 rows take 1"},
  };
  for (const Case& c : kCases) {
    v1::StreamUpsertRequest request = ThreeRows();
    c.spoil(&request);
    EXPECT_THAT(ToColumnBatch(request, Spec()),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)));
  }
}

TEST(ConvertColumnsTest, BadValuesConcernTheirRowOnly) {
  v1::StreamUpsertRequest request = ThreeRows();
  auto* x = request.add_columns();
  x->set_name("x");
  for (const double value : {.5, std::nan(""), .125}) x->mutable_doubles()->add_values(value);
  const auto batch = ToColumnBatch(request, Spec());
  ASSERT_THAT(batch, IsOk());
  EXPECT_THAT(batch->rows, ElementsAre(0, 2));
  ASSERT_EQ(batch->errors.size(), 1u);
  EXPECT_EQ(batch->errors[0].row, 1u);
  EXPECT_THAT(batch->errors[0].status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nan")));
}

TEST(ConvertColumnsTest, BadVectorsAreSortedOut) {
  v1::StreamUpsertRequest request = ThreeRows();
  // Row 0 overflows f16, row 2 is not a number.
  SetVectors({70000, 0, 3, 4, std::nanf(""), 1}, &request);
  auto batch = ToColumnBatch(request, Spec());
  ASSERT_THAT(batch, IsOk());
  EXPECT_TRUE(batch->errors.empty());
  SortOutBadRows(Spec(), &*batch);
  EXPECT_THAT(batch->rows, ElementsAre(1));
  EXPECT_EQ(batch->points[0].id, PointId(uint64_t{11}));
  ASSERT_EQ(batch->errors.size(), 2u);
  EXPECT_EQ(batch->errors[0].row, 0u);
  EXPECT_EQ(batch->errors[1].row, 2u);
  EXPECT_THAT(batch->errors[0].status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("70000")));
}

TEST(ConvertColumnsTest, ARowThatNamesNoListIsAnErrorOfItsOwn) {
  CollectionSpec spec = Spec();
  spec.attributes = {{"cell", AttributeType::kInt64}};
  spec.index.lists = 5;
  spec.index.list_attribute = "cell";
  v1::StreamUpsertRequest request = ThreeRows();
  request.clear_columns();
  v1::AttributeColumn* column = request.add_columns();
  column->set_name("cell");
  for (const int64_t cell : {4, 5, -1}) column->mutable_int64s()->add_values(cell);
  column->set_validity(std::string(1, '\x03'));  // the last row has none
  auto batch = ToColumnBatch(request, spec);
  ASSERT_THAT(batch, IsOk());
  SortOutBadRows(spec, &*batch);
  EXPECT_THAT(batch->rows, ElementsAre(0, 2));
  ASSERT_EQ(batch->errors.size(), 1u);
  EXPECT_THAT(batch->errors[0].status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("row 1: the list_attribute \"cell\" is 5, the lists are 0..4")));
}

CollectionSpec MultiCollection() {
  CollectionSpec spec = Spec();
  spec.multi = MultiSpec{{.token = spec.schema, .max_tokens = 3}, {}};
  spec.schema = {.dim = 64, .nesting = {64}, .metric = Metric::kDot};
  return spec;
}

TEST(ConvertColumnsTest, TokensGoToTheRowsThatCountsSay) {
  v1::StreamUpsertRequest request = ThreeRows();
  for (const uint32_t count : {1, 0, 2}) request.add_counts(count);
  auto batch = ToColumnBatch(request, MultiCollection());
  ASSERT_THAT(batch, IsOk());
  ASSERT_EQ(batch->points.size(), 3u);
  const char* data = request.vectors().data().data();
  const auto& last = std::get<PackedTokens>(batch->points[2].vector);
  EXPECT_EQ(last.bytes.data(), data + 8);
  EXPECT_EQ(last.bytes.size(), 16u);

  SortOutBadRows(MultiCollection(), &*batch);
  EXPECT_THAT(batch->rows, ElementsAre(0, 2));
  ASSERT_EQ(batch->errors.size(), 1u);
  EXPECT_THAT(batch->errors[0].status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("row 1: no tokens")));

  SetVectors({1, 2, 3, 4, 70000, 6}, &request);
  request.set_counts(0, 2);
  request.set_counts(1, 1);
  request.set_counts(2, 0);
  batch = ToColumnBatch(request, MultiCollection());
  ASSERT_THAT(batch, IsOk());
  SortOutBadRows(MultiCollection(), &*batch);
  EXPECT_THAT(batch->rows, ElementsAre(0));
  EXPECT_THAT(batch->errors[0].status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("row 1: token 0: ")));
}

TEST(ConvertColumnsTest, CountsThatDoNotFitRefuseTheBatch) {
  const auto refused = [](const v1::StreamUpsertRequest& request, const CollectionSpec& spec,
                          const char* message) {
    EXPECT_THAT(ToColumnBatch(request, spec),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  v1::StreamUpsertRequest request = ThreeRows();
  refused(request, MultiCollection(), "counts: has 0 entries, the batch has 3 rows");
  for (const uint32_t count : {1, 1, 2}) request.add_counts(count);
  refused(request, MultiCollection(),
          "vectors.data: has 24 bytes, the 4 tokens of counts, of dim 2 of f32, take 32");
  refused(request, Spec(), "counts: are of MULTI collections");
}

}  // namespace
}  // namespace nestor
