#include "server/rpc/convert_point.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/server/rpc/matchers.h"

namespace nestor {
namespace {

using testing::HasSubstr;

VectorSchema Schema(uint32_t dim, Dtype dtype) {
  return {.dim = dim, .nesting = {dim}, .metric = Metric::kDot, .dtype = dtype};
}

TEST(ConvertPointTest, IdsSurviveTheRoundTrip) {
  for (const PointId& id : {PointId(uint64_t{0}), PointId(std::numeric_limits<uint64_t>::max()),
                            PointId(std::string("a")), PointId(std::string(256, 'x'))}) {
    v1::PointId message;
    FromPointId(id, &message);
    const auto back = ToPointId(message);
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(*back, id);
  }
}

TEST(ConvertPointTest, BadIdsAreRefused) {
  v1::PointId id;
  EXPECT_THAT(ToPointId(id),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("must be set")));
  id.set_str("");
  EXPECT_THAT(ToPointId(id), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("0 bytes")));
  id.set_str(std::string(257, 'x'));
  EXPECT_THAT(ToPointId(id), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("257 bytes is not in 1..256")));
}

TEST(ConvertPointTest, EveryAttributeValueSurvivesTheRoundTrip) {
  const AttributeValue kValues[] = {
      std::string("Straße"),      int64_t{-5},  2.5, true, std::vector<std::string>{"a", "", "b"},
      std::vector<std::string>{}, Timestamp{-1}};
  for (const AttributeValue& value : kValues) {
    v1::AttributeValue message;
    FromAttributeValue(AttributeValue(value), &message);
    const auto back = ToAttributeValue(message);
    ASSERT_THAT(back, IsOk());
    EXPECT_EQ(*back, value);
  }
}

TEST(ConvertPointTest, BadAttributeValuesAreRefusedWithTheLimit) {
  v1::AttributeValue value;
  EXPECT_THAT(ToAttributeValue(value),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("must be set")));
  value.set_double_value(std::nan(""));
  EXPECT_THAT(ToAttributeValue(value),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nan")));
  value.set_string_value(std::string(65537, 'x'));
  EXPECT_THAT(ToAttributeValue(value), StatusIs(absl::StatusCode::kInvalidArgument,
                                                HasSubstr("65537 bytes, the limit is 65536")));
  for (int i = 0; i < 1025; ++i) value.mutable_string_list_value()->add_values("x");
  EXPECT_THAT(ToAttributeValue(value), StatusIs(absl::StatusCode::kInvalidArgument,
                                                HasSubstr("1025 strings, the limit is 1024")));
}

TEST(ConvertPointTest, VectorsBorrowFromTheMessage) {
  v1::Vector message;
  for (const float value : {1.f, 2.f, 3.f}) message.mutable_floats()->add_values(value);
  const auto floats = ToVectorInput(message, Schema(3, Dtype::kF32));
  ASSERT_THAT(floats, IsOk());
  EXPECT_EQ(std::get<std::span<const float>>(*floats).data(), message.floats().values().data());

  std::string bytes = {1, 2, 3, 4, 5, 6};
  v1::Vector packed;
  FromStoredVector(Schema(3, Dtype::kF16), std::string(bytes), &packed);
  const auto stored = ToVectorInput(packed, Schema(3, Dtype::kF32));
  ASSERT_THAT(stored, IsOk());
  EXPECT_EQ(std::get<PackedVector>(*stored).dtype, Dtype::kF16);
  EXPECT_EQ(std::get<PackedVector>(*stored).bytes, bytes);
}

TEST(ConvertPointTest, VectorsOfAnotherShapeAreRefused) {
  v1::Vector message;
  EXPECT_THAT(ToVectorInput(message, Schema(3, Dtype::kF32)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("must be set")));
  message.mutable_floats()->add_values(1);
  EXPECT_THAT(
      ToVectorInput(message, Schema(3, Dtype::kF32)),
      StatusIs(absl::StatusCode::kInvalidArgument, "has 1 values, the collection's dim is 3"));
  message.mutable_packed()->set_dtype(v1::DTYPE_F16);
  message.mutable_packed()->set_data("12345");
  EXPECT_THAT(ToVectorInput(message, Schema(3, Dtype::kF32)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "packed.data: has 5 bytes, dim 3 of f16 takes 6"));
  message.mutable_packed()->set_dtype(v1::DTYPE_INT8);
  EXPECT_THAT(ToVectorInput(message, Schema(5, Dtype::kF32)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("INT8 collections only")));
  EXPECT_THAT(ToVectorInput(message, Schema(5, Dtype::kI8)), IsOk());
  message.mutable_packed()->clear_dtype();
  EXPECT_THAT(ToVectorInput(message, Schema(5, Dtype::kF32)),
              StatusIs(absl::StatusCode::kInvalidArgument, "packed.dtype: must be set"));
}

TEST(ConvertPointTest, PointsNameTheFieldThatIsWrong) {
  v1::Point point;
  point.mutable_id()->set_num(7);
  point.mutable_vector()->mutable_floats()->add_values(1);
  (*point.mutable_attributes())["title"].set_string_value("x");
  const auto good = ToPointInput(point, Schema(1, Dtype::kF32));
  ASSERT_THAT(good, IsOk());
  EXPECT_EQ(good->id, PointId(uint64_t{7}));
  EXPECT_EQ(good->attributes, (Attributes{{"title", std::string("x")}}));

  point.set_seq(3);
  EXPECT_THAT(ToPointInput(point, Schema(1, Dtype::kF32)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("seq: 3 is not 0")));
  point.clear_seq();
  (*point.mutable_attributes())["title"].clear_value();
  EXPECT_THAT(ToPointInput(point, Schema(1, Dtype::kF32)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("attributes[\"title\"]: ")));
  EXPECT_THAT(ToPointInput(point, Schema(2, Dtype::kF32)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("vector: has 1 values")));
  point.clear_id();
  EXPECT_THAT(ToPointInput(point, Schema(2, Dtype::kF32)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("id: ")));
}

TEST(ConvertPointTest, RepliesCarryTheChosenAttributesOnly) {
  const std::vector<AttributeField> declared = {{"a", AttributeType::kInt64},
                                                {"b", AttributeType::kInt64}};
  v1::Output output;
  output.add_attributes("b");
  const auto choice = AttributeChoice::Make(output, declared);
  ASSERT_THAT(choice, IsOk());
  Point point;
  point.id = uint64_t{1};
  point.seq = 9;
  point.vector = "abcd";
  point.attributes = {{"a", int64_t{1}}, {"b", int64_t{2}}};
  v1::Point message;
  FromPoint(Point(point), Schema(4, Dtype::kI8), {.attributes = true, .vector = false}, *choice,
            &message);
  EXPECT_EQ(message.attributes_size(), 1);
  EXPECT_EQ(message.attributes().at("b").int64_value(), 2);
  EXPECT_FALSE(message.has_vector());
  EXPECT_EQ(message.seq(), 9u);

  output.set_attributes(0, "*");
  message.Clear();
  FromPoint(Point(point), Schema(4, Dtype::kI8), {.attributes = true, .vector = true},
            *AttributeChoice::Make(output, declared), &message);
  EXPECT_EQ(message.attributes_size(), 2);
  EXPECT_EQ(message.vector().packed().data(), "abcd");

  output.add_attributes("c");
  EXPECT_THAT(AttributeChoice::Make(output, declared),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no attribute \"*\"")));
}

}  // namespace
}  // namespace nestor
