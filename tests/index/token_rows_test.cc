#include "index/multi/token_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "index/multi/maxsim.h"
#include "index/multi/tokens.h"
#include "tests/index/fde_testutil.h"

namespace nestor {
namespace {

TokenSchema Schema(uint32_t dim, Dtype dtype = Dtype::kF32, Metric metric = Metric::kDot) {
  return {.token = {dim, {dim}, metric, dtype}};
}

double Length(std::span<const float> token) { return std::sqrt(Dot(token, token)); }

// What a search takes for granted: a score by codes is no farther from the exact one than that.
TEST(TokenBlockTest, CodesAreWithinTheirBound) {
  for (const uint32_t dim : {3u, 96u, 128u}) {
    TokenMaker maker(dim);
    double widest = 0;
    for (size_t n : {1, 7, 16, 40}) {
      const std::vector<float> tokens = maker.Make(n);
      const auto block = TokenBlock::Make(Schema(dim), tokens);
      EXPECT_EQ(block->tokens(), n);
      EXPECT_NEAR(block->longest(), 1, 1e-5);
      EXPECT_GT(block->error(), 0);
      EXPECT_LT(block->error(), 0.02);
      for (size_t query_n : {1, 32}) {
        std::vector<float> query = maker.Make(query_n);
        for (float& value : query) value *= 3;
        const std::vector<float> weights(query_n, query_n == 1 ? -2.0f : 0.5f);
        const auto prepared = *MaxSimQuery::Make(query, dim, dim, {.weights = weights});
        const double exact = prepared->Score(tokens.data(), n);
        const double coded = prepared->ScoreCodes(block->codes());
        const double bound = prepared->CodeBound(block->longest(), block->error());
        EXPECT_LE(std::abs(exact - coded), bound + 1e-5);
        widest = std::max(widest, bound / (3.0 * static_cast<double>(query_n)));
      }
    }
    EXPECT_LT(widest, 0.05) << "of lengths: it says something";
  }
}

// The sum over the query's tokens of the largest cosine of the first dims, in double.
double CosineChamfer(std::span<const float> query, std::span<const float> tokens, uint32_t dim,
                     uint32_t prefix) {
  double score = 0;
  for (size_t q = 0; q < query.size(); q += dim) {
    const auto one = query.subspan(q, prefix);
    double largest = -1;
    for (size_t t = 0; t < tokens.size(); t += dim) {
      const auto other = tokens.subspan(t, prefix);
      largest = std::max(largest, Dot(one, other) / (Length(one) * Length(other)));
    }
    score += largest;
  }
  return score;
}

TEST(TokenBlockTest, CosinePrefixesAreOfUnitLength) {
  for (const std::vector<uint32_t>& nesting :
       {std::vector<uint32_t>{8, 30, 64}, std::vector<uint32_t>{7, 16, 33},
        std::vector<uint32_t>{64, 128}, std::vector<uint32_t>{128}}) {
    const uint32_t dim = nesting.back();
    TokenSchema schema = Schema(dim, Dtype::kF32, Metric::kCosine);
    schema.token.nesting = nesting;
    TokenMaker maker(dim);
    for (size_t n : {1, 16, 23, 49}) {
      const std::vector<float> tokens = maker.Make(n), query = maker.Make(9);
      const auto block = TokenBlock::Make(schema, tokens);
      EXPECT_EQ(block->tokens(), n);
      double plain = 0;  // how far the scores are from those of prefixes as they are
      for (size_t entry = 0; entry < nesting.size(); ++entry) {
        const uint32_t prefix = nesting[entry];
        const std::vector<float> unit = UnitPrefixes(query, dim, prefix);
        const auto prepared = *MaxSimQuery::Make(unit, dim, prefix, {});
        std::vector<TokenMatch> matches(9);
        const double score = prepared->ScoreCodes(block->codes(entry), matches);
        EXPECT_NEAR(score, CosineChamfer(query, tokens, dim, prefix), 0.1) << prefix;
        for (const TokenMatch& match : matches) EXPECT_LT(match.product, 1.02) << prefix;
        const auto as_they_are = *MaxSimQuery::Make(query, dim, prefix, {});
        plain = std::max(plain, std::abs(score - as_they_are->ScoreCodes(block->codes())));
      }
      EXPECT_TRUE(plain > 0.5 || nesting.size() == 1) << plain;
      EXPECT_EQ(block->codes().scales, block->codes(nesting.size() - 1).scales);
      // A float for each token and nesting dim; under DOT one for each token.
      schema.token.metric = Metric::kDot;
      const auto dot = TokenBlock::Make(schema, tokens);
      EXPECT_EQ(block->bytes(), dot->bytes() + (nesting.size() - 1) * n * sizeof(float));
      EXPECT_EQ(dot->codes(0).scales, dot->codes().scales);
      EXPECT_EQ(block->longest(), dot->longest());
      EXPECT_EQ(block->error(), dot->error());
      schema.token.metric = Metric::kCosine;
    }
  }
}

// Prefixes of zeros, and such that are zeros in int8: they have no direction, and their products
// are 0, not what is left of a division by next to nothing.
TEST(TokenBlockTest, PrefixesOfZerosHaveProductsOfZero) {
  TokenSchema schema = Schema(4, Dtype::kF32, Metric::kCosine);
  schema.token.nesting = {2, 4};
  const std::vector<float> query = {0.6f, 0, 0.8f, 0, 0, 0, 0, 1};
  for (const float tiny : {0.0f, 1e-45f, 1e-20f, 1e-4f}) {
    const std::vector<float> tokens = {tiny, -tiny, 1, 0, tiny, 0, 0, 1};
    const auto block = TokenBlock::Make(schema, tokens);
    const auto prepared = *MaxSimQuery::Make(UnitPrefixes(query, 4, 2), 4, 2, {});
    std::vector<TokenMatch> matches(2);
    EXPECT_EQ(prepared->ScoreCodes(block->codes(0), matches), 0) << tiny;
    EXPECT_EQ(matches[0], (TokenMatch{0, 0}));
    EXPECT_EQ(matches[1], (TokenMatch{0, 0}));
    EXPECT_NEAR(prepared->Score(tokens.data(), 2), tiny, 1e-9) << "as it is";
  }
}

TEST(TokenBlockTest, Int8IsItsOwnCode) {
  const std::vector<float> tokens = {127, -128, 3, 4, 0, -5};
  const auto block = TokenBlock::Make(Schema(3, Dtype::kI8), tokens);
  EXPECT_EQ(block->error(), 0);
  EXPECT_FLOAT_EQ(block->longest(), static_cast<float>(Length(std::span(tokens).first(3))));
  // But not where it is brought to unit length.
  EXPECT_TRUE(HasExactCodes(Schema(3, Dtype::kI8)));
  EXPECT_FALSE(HasExactCodes(Schema(3, Dtype::kI8, Metric::kCosine)));
  EXPECT_FALSE(HasExactCodes(Schema(3)));
}

TEST(TokenRowsTest, ASlotTakenAgainGivesUpItsBlock) {
  TokenMaker maker(8);
  const auto few = TokenBlock::Make(Schema(8), maker.Make(2));
  const auto many = TokenBlock::Make(Schema(8), maker.Make(100));
  TokenRows rows;
  rows.Grow(10'000);
  const size_t empty = rows.bytes();
  rows.Put(0, few);
  rows.Put(9'999, many);
  EXPECT_EQ(rows.At(0), few);
  EXPECT_EQ(rows.At(9'999), many);
  EXPECT_EQ(rows.At(1), nullptr);
  EXPECT_EQ(rows.tokens(), 102u);
  EXPECT_EQ(rows.bytes(), empty + few->bytes() + many->bytes());
  rows.Put(9'999, few);
  EXPECT_EQ(rows.tokens(), 4u);
  EXPECT_EQ(rows.bytes(), empty + 2 * few->bytes());
  EXPECT_EQ(many.use_count(), 1);
  rows.Grow(20'000);
  EXPECT_EQ(rows.At(9'999), few) << "growing moves nothing";
}

}  // namespace
}  // namespace nestor
