#include "index/multi/token_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "index/half.h"
#include "tests/index/fde_testutil.h"

namespace nestor {
namespace {

using testing::HasSubstr;

constexpr uint32_t kDim = 6;
constexpr Dtype kDtypes[] = {Dtype::kF32, Dtype::kF16, Dtype::kBf16, Dtype::kI8};

TokenSchema SchemaOf(Dtype dtype, Metric metric = Metric::kDot) {
  return {.token = {.dim = kDim, .nesting = {2, kDim}, .metric = metric, .dtype = dtype},
          .max_tokens = 20};
}

std::string Pack(Dtype dtype, const std::vector<float>& values) {
  std::string bytes(values.size() * DtypeBytes(dtype), '\0');
  EXPECT_TRUE(
      EncodeVector(dtype, values.data(), values.size(), reinterpret_cast<std::byte*>(bytes.data()))
          .ok());
  return bytes;
}

// Integers, which every dtype holds.
std::vector<float> Integers(size_t tokens) {
  std::vector<float> values;
  for (size_t i = 0; i < tokens * kDim; ++i) values.push_back(static_cast<float>(i * 7 % 23) - 9);
  return values;
}

std::string Refused(const TokenSchema& schema, Dtype wire, absl::string_view bytes) {
  const absl::Status status = TokenSet::FromWire(schema, wire, bytes).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  return std::string(status.message());
}

TEST(TokenSchemaTest, RefusesWithValueAndLimit) {
  const auto refused = [](auto change) {
    TokenSchema schema = SchemaOf(Dtype::kF32);
    change(&schema);
    const absl::Status status = ValidateTokenSchema(schema);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_TRUE(ValidateTokenSchema(SchemaOf(Dtype::kI8)).ok());
  EXPECT_THAT(refused([](TokenSchema* s) { s->max_tokens = 0; }), HasSubstr("1..16384, not 0"));
  EXPECT_THAT(refused([](TokenSchema* s) { s->max_tokens = 16385; }), HasSubstr("not 16385"));
  EXPECT_THAT(refused([](TokenSchema* s) { s->token.metric = Metric::kL2; }),
              HasSubstr("cosine or dot, not l2"));
  EXPECT_THAT(refused([](TokenSchema* s) {
                s->token.dim = 1025;
                s->token.nesting = {1025};
              }),
              HasSubstr("1..1024, not 1025"));
  EXPECT_THAT(refused([](TokenSchema* s) { s->token.nesting = {2, 5}; }), HasSubstr("5"));
}

TEST(TokenSetTest, TakesEveryDtype) {
  const std::vector<float> values = Integers(4);
  for (const Dtype wire : kDtypes) {
    for (const Dtype dtype : kDtypes) {
      if (wire == Dtype::kI8 && dtype != Dtype::kI8) {
        EXPECT_THAT(Refused(SchemaOf(dtype), wire, Pack(wire, values)),
                    HasSubstr("tokens in i8 are for a schema of i8"));
        continue;
      }
      const auto set = TokenSet::FromWire(SchemaOf(dtype), wire, Pack(wire, values));
      ASSERT_TRUE(set.ok()) << set.status();
      EXPECT_EQ(set->size(), 4u);
      EXPECT_EQ(set->dim(), kDim);
      EXPECT_EQ(set->values(), values);
      EXPECT_EQ(set->stored(), Pack(dtype, values));
      // From memory that is not aligned.
      const std::string shifted = "x" + set->stored();
      const auto again =
          TokenSet::FromStored(SchemaOf(dtype), absl::string_view(shifted).substr(1));
      ASSERT_TRUE(again.ok()) << again.status();
      EXPECT_EQ(again->values(), values);
      EXPECT_EQ(again->stored(), set->stored());
    }
  }
}

TEST(TokenSetTest, ValuesAreThoseStored) {
  const std::vector<float> values(kDim, 1.0f / 3);
  const auto set =
      TokenSet::FromWire(SchemaOf(Dtype::kF16), Dtype::kF32, Pack(Dtype::kF32, values));
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->values()[0], HalfToFloat(FloatToHalf(1.0f / 3)));
  EXPECT_NE(set->values()[0], values[0]);
}

TEST(TokenSetTest, CosineMakesUnitLength) {
  const std::vector<float> values = Integers(5);
  for (const Dtype dtype : kDtypes) {
    const auto set =
        TokenSet::FromWire(SchemaOf(dtype, Metric::kCosine), dtype, Pack(dtype, values));
    ASSERT_TRUE(set.ok()) << set.status();
    EXPECT_EQ(set->stored(), Pack(dtype, values));  // as sent
    for (size_t t = 0; t < 5; ++t) {
      const auto token = std::span(set->values()).subspan(t * kDim, kDim);
      const auto sent = std::span(values).subspan(t * kDim, kDim);
      EXPECT_NEAR(Dot(token, token), 1, 1e-6);
      EXPECT_NEAR(Dot(token, sent), std::sqrt(Dot(sent, sent)), 1e-5);
    }
  }
}

TEST(TokenSetTest, RefusesOtherSizes) {
  const std::string bytes = Pack(Dtype::kF32, Integers(21));
  const TokenSchema schema = SchemaOf(Dtype::kF32);
  EXPECT_THAT(Refused(schema, Dtype::kF32, ""), HasSubstr("no tokens"));
  EXPECT_THAT(Refused(schema, Dtype::kF32, absl::string_view(bytes).substr(0, 47)),
              HasSubstr("47 bytes of tokens are not a multiple of 24, the bytes of 6 f32 values"));
  EXPECT_THAT(Refused(schema, Dtype::kF16, absl::string_view(bytes).substr(0, 13)),
              HasSubstr("12, the bytes of 6 f16 values"));
  EXPECT_THAT(Refused(schema, Dtype::kF32, bytes),
              HasSubstr("21 tokens are more than max_tokens, 20"));
  EXPECT_TRUE(
      TokenSet::FromWire(schema, Dtype::kF32, absl::string_view(bytes).substr(0, 480)).ok());
}

TEST(TokenSetTest, RefusesValuesWithTheirPosition) {
  for (const Dtype wire : {Dtype::kF32, Dtype::kF16, Dtype::kBf16}) {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()}) {
      std::vector<float> values = Integers(3);
      values[2 * kDim + 4] = bad;
      EXPECT_THAT(Refused(SchemaOf(Dtype::kI8), wire, Pack(wire, values)),
                  testing::AllOf(HasSubstr("token 2 has"), HasSubstr("at position 4")));
    }
  }
  // What the schema's dtype can not hold.
  const auto outside = [](Dtype dtype, float value) {
    std::vector<float> values = Integers(2);
    values[kDim + 1] = value;
    const absl::Status status =
        TokenSet::FromWire(SchemaOf(dtype), Dtype::kF32, Pack(Dtype::kF32, values)).status();
    EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(outside(Dtype::kF16, 70000), HasSubstr("token 1: value 70000 at position 1"));
  EXPECT_THAT(outside(Dtype::kI8, 0.5f), HasSubstr("token 1: value 0.5 at position 1"));
  EXPECT_THAT(outside(Dtype::kI8, 128), HasSubstr("does not fit i8"));
}

// A token without a direction: sent so, or made so by rounding.
TEST(TokenSetTest, CosineRefusesZeros) {
  std::vector<float> values = Integers(3);
  std::fill_n(values.begin() + kDim, kDim, 0.0f);
  const TokenSchema schema = SchemaOf(Dtype::kF16, Metric::kCosine);
  EXPECT_THAT(Refused(schema, Dtype::kF32, Pack(Dtype::kF32, values)),
              HasSubstr("token 1 has squared norm 0"));
  EXPECT_TRUE(
      TokenSet::FromWire(SchemaOf(Dtype::kF16), Dtype::kF32, Pack(Dtype::kF32, values)).ok());
  std::fill_n(values.begin() + kDim, kDim, 1e-9f);
  EXPECT_THAT(Refused(schema, Dtype::kF32, Pack(Dtype::kF32, values)),
              HasSubstr("token 1 has squared norm 0"));
}

TEST(TokenSetTest, StoredDamageIsDataLoss) {
  const TokenSchema schema = SchemaOf(Dtype::kF32);
  std::string bytes = Pack(Dtype::kF32, Integers(2));
  EXPECT_TRUE(TokenSet::FromStored(schema, bytes).ok());
  EXPECT_TRUE(absl::IsDataLoss(TokenSet::FromStored(schema, "").status()));
  EXPECT_TRUE(
      absl::IsDataLoss(TokenSet::FromStored(schema, absl::string_view(bytes).substr(1)).status()));
  bytes[3] = bytes[2] = '\xff';
  EXPECT_TRUE(absl::IsDataLoss(TokenSet::FromStored(schema, bytes).status()));
}

}  // namespace
}  // namespace nestor
