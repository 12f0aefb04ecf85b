#include "server/engine/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "index/half.h"
#include "server/storage/records.h"

namespace nestor {
namespace {

using ::testing::HasSubstr;

const std::vector<AttributeField> kFields = {
    {"bool", AttributeType::kBool},     {"double", AttributeType::kDouble},
    {"int", AttributeType::kInt64},     {"list", AttributeType::kStringList},
    {"string", AttributeType::kString}, {"time", AttributeType::kTimestamp},
};

TEST(ValidateTest, AttributesOfEveryType) {
  const Attributes sorted = {{"bool", true},
                             {"double", 1.5},
                             {"int", int64_t{-3}},
                             {"list", std::vector<std::string>{"a", "b"}},
                             {"string", std::string("s")},
                             {"time", Timestamp{99}}};
  const Attributes shuffled(sorted.rbegin(), sorted.rend());
  const absl::StatusOr<std::string> encoded = EncodeCheckedAttributes(kFields, shuffled);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_EQ(*ParseAttributes(*encoded), sorted);
  EXPECT_EQ(*ParseAttributes(*EncodeCheckedAttributes(kFields, {})), Attributes()) << "all null";
}

TEST(ValidateTest, BadAttributes) {
  const struct {
    Attributes attributes;
    const char* message;
  } cases[] = {
      {{{"nope", true}}, "unknown attribute \"nope\""},
      {{{"int", 1.0}}, "is double, declared as int64"},
      {{{"time", int64_t{1}}}, "is int64, declared as timestamp"},
      {{{"int", int64_t{1}}, {"int", int64_t{1}}}, "given twice"},
      {{{"double", std::numeric_limits<double>::infinity()}}, "not a finite number"},
      {{{"string", std::string(kMaxAttributeBytes, 'x')}}, "limit 1048576"},
  };
  for (const auto& c : cases) {
    const absl::Status status = EncodeCheckedAttributes(kFields, c.attributes).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

TEST(ValidateTest, Ids) {
  EXPECT_TRUE(ValidateId(IdKind::kNum, uint64_t{0}).ok());
  EXPECT_TRUE(ValidateId(IdKind::kStr, std::string(256, 'x')).ok());
  EXPECT_FALSE(ValidateId(IdKind::kStr, std::string()).ok());
  EXPECT_FALSE(ValidateId(IdKind::kStr, std::string(257, 'x')).ok());
  EXPECT_FALSE(ValidateId(IdKind::kStr, uint64_t{1}).ok());
  EXPECT_FALSE(ValidateId(IdKind::kNum, std::string("1")).ok());
}

TEST(ValidateTest, Fields) {
  std::vector<AttributeField> fields = {{"b", AttributeType::kBool}, {"a", AttributeType::kInt64}};
  ASSERT_TRUE(NormalizeFields(&fields).ok());
  EXPECT_EQ(fields[0].name, "a");
  EXPECT_TRUE(AddFields({{"c", AttributeType::kBool}, {"a", AttributeType::kInt64}}, &fields).ok());
  EXPECT_EQ(fields.size(), 3u);
  EXPECT_FALSE(AddFields({{"a", AttributeType::kBool}}, &fields).ok());
  EXPECT_FALSE(AddFields({{"d", AttributeType::kBool}, {"d", AttributeType::kBool}}, &fields).ok());
  EXPECT_FALSE(AddFields({{".d", AttributeType::kBool}}, &fields).ok());
  EXPECT_EQ(fields.size(), 3u);
  std::vector<AttributeField> many(kMaxAttributeFields + 1);
  EXPECT_THAT(std::string(NormalizeFields(&many).message()),
              HasSubstr("257 attributes, limit 256"));
}

class VectorTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::string> Encode(Dtype dtype, const VectorInput& input) {
    const VectorSchema schema = {2, {1, 2}, Metric::kCosine, dtype};
    float floats[2];
    std::byte out[8];
    const absl::StatusOr<absl::string_view> bytes = EncodeCheckedVector(schema, input, floats, out);
    if (!bytes.ok()) return bytes.status();
    return std::string(*bytes);
  }
};

TEST_F(VectorTest, ConvertsToTheSchema) {
  const float values[] = {1.0f, -2.0f};
  const std::string f32(reinterpret_cast<const char*>(values), 8);
  const std::string f16("\x00\x3c\x00\xc0", 4);
  const std::string bf16("\x80\x3f\x00\xc0", 4);
  const std::string i8("\x01\xfe", 2);
  EXPECT_EQ(*Encode(Dtype::kF32, std::span<const float>(values)), f32);
  EXPECT_EQ(*Encode(Dtype::kF16, std::span<const float>(values)), f16);
  EXPECT_EQ(*Encode(Dtype::kBf16, std::span<const float>(values)), bf16);
  EXPECT_EQ(*Encode(Dtype::kI8, std::span<const float>(values)), i8);
  EXPECT_EQ(*Encode(Dtype::kF32, PackedVector{Dtype::kF16, f16}), f32);
  EXPECT_EQ(*Encode(Dtype::kF16, PackedVector{Dtype::kF32, f32}), f16);
  EXPECT_EQ(*Encode(Dtype::kF16, PackedVector{Dtype::kF16, f16}), f16);
  EXPECT_EQ(*Encode(Dtype::kI8, PackedVector{Dtype::kI8, i8}), i8);
}

TEST_F(VectorTest, Refuses) {
  const auto code = [&](Dtype dtype, std::vector<float> values) {
    return Encode(dtype, std::span<const float>(values)).status().code();
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_EQ(code(Dtype::kF32, {1}), kInvalid);
  EXPECT_EQ(code(Dtype::kF32, {1, 2, 3}), kInvalid);
  EXPECT_EQ(code(Dtype::kF32, {0, 1}), kInvalid) << "zero prefix under cosine";
  EXPECT_EQ(code(Dtype::kF16, {70000, 1}), kInvalid) << "overflow of f16";
  EXPECT_EQ(code(Dtype::kF16, {1e-9f, 1}), kInvalid) << "a prefix that rounds to zero";
  EXPECT_EQ(code(Dtype::kI8, {0.5f, 1}), kInvalid);
  EXPECT_EQ(code(Dtype::kI8, {128, 1}), kInvalid);
  EXPECT_EQ(Encode(Dtype::kF32, PackedVector{Dtype::kI8, "ab"}).status().code(), kInvalid);
  EXPECT_EQ(Encode(Dtype::kF16, PackedVector{Dtype::kF16, "abc"}).status().code(), kInvalid);
}

}  // namespace
}  // namespace nestor
