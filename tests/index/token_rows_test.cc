#include "index/multi/token_rows.h"

#include <gtest/gtest.h>

#include <cmath>

#include "index/multi/maxsim.h"
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
