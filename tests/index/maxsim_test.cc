#include "index/multi/maxsim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/index/fde_testutil.h"

namespace nestor {
namespace {

using testing::HasSubstr;

struct alignas(64) Line {
  int8_t codes[64];
};

// A document's codes and the memory that they lie in.
struct CodedDocument {
  CodedDocument(const std::vector<float>& tokens, uint32_t dim, bool exact_int8 = false)
      : lines(TokenCodeLayout(dim).bytes(tokens.size() / dim) / sizeof(Line)),
        scales(tokens.size() / dim) {
    EncodeTokenCodes(TokenCodeLayout(dim), tokens.data(), scales.size(), exact_int8, lines[0].codes,
                     scales.data());
  }
  TokenCodes view() const { return {lines[0].codes, scales.data(), scales.size()}; }

  std::vector<Line> lines;
  std::vector<float> scales;
};

std::unique_ptr<const MaxSimQuery> QueryOrDie(const std::vector<float>& tokens, uint32_t dim,
                                              uint32_t prefix, const MaxSimOptions& options = {}) {
  auto query = MaxSimQuery::Make(tokens, dim, prefix, options);
  EXPECT_TRUE(query.ok()) << query.status();
  return *std::move(query);
}

// Of the first dims of each token, in double.
std::vector<float> Prefixes(const std::vector<float>& tokens, uint32_t dim, uint32_t prefix) {
  std::vector<float> cut;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i % dim < prefix) cut.push_back(tokens[i]);
  }
  return cut;
}

struct Shape {
  uint32_t dim, prefix;
};

class MaxSimTest : public testing::TestWithParam<Shape> {};

TEST_P(MaxSimTest, IsChamfer) {
  const auto [dim, prefix] = GetParam();
  TokenMaker maker(dim);
  for (size_t query_n : {1, 5, 8, 20, 32}) {
    const std::vector<float> query = maker.Make(query_n);
    const auto maxsim = QueryOrDie(query, dim, prefix);
    ASSERT_EQ(maxsim->size(), query_n);
    const std::vector<float> query_cut = Prefixes(query, dim, prefix);
    for (size_t n : {1, 3, 16, 17, 49, 112}) {
      const std::vector<float> document = maker.Make(n);
      const std::vector<float> cut = Prefixes(document, dim, prefix);
      const double expected = Chamfer(query_cut, cut, prefix);
      std::vector<TokenMatch> matches(query_n), code_matches(query_n);
      EXPECT_NEAR(maxsim->Score(document.data(), n), expected, 1e-5 * double(query_n));
      EXPECT_EQ(maxsim->Score(document.data(), n, matches), maxsim->Score(document.data(), n));
      const CodedDocument coded(document, dim);
      // An int8 value is within 1/254 of the largest one of its token.
      EXPECT_NEAR(maxsim->ScoreCodes(coded.view()), expected, 0.01 * double(query_n));
      EXPECT_EQ(maxsim->ScoreCodes(coded.view(), code_matches), maxsim->ScoreCodes(coded.view()));
      for (size_t q = 0; q < query_n; ++q) {
        const auto product = [&](uint32_t t) {
          return Dot(std::span(query_cut).subspan(q * prefix, prefix),
                     std::span(cut).subspan(t * prefix, prefix));
        };
        double largest = -1e9;
        for (uint32_t t = 0; t < n; ++t) largest = std::max(largest, product(t));
        ASSERT_NEAR(matches[q].product, largest, 1e-5);
        ASSERT_NEAR(product(matches[q].token), largest, 1e-5);
        ASSERT_NEAR(code_matches[q].product, largest, 0.01);
        ASSERT_NEAR(product(code_matches[q].token), largest, 0.02);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, MaxSimTest,
                         testing::Values(Shape{128, 128}, Shape{128, 32}, Shape{64, 30},
                                         Shape{33, 33}, Shape{33, 7}, Shape{3, 1}),
                         [](const auto& info) {
                           return "dim" + std::to_string(info.param.dim) + "prefix" +
                                  std::to_string(info.param.prefix);
                         });

TEST(MaxSimTest, WeightsAndMeans) {
  TokenMaker maker(32);
  const std::vector<float> query = maker.Make(5), document = maker.Make(30);
  std::vector<TokenMatch> matches(5), weighted_matches(5);
  QueryOrDie(query, 32, 32)->Score(document.data(), 30, matches);
  const std::vector<float> weights = {1, 0, -2, 0.5f, 3};
  double expected = 0;
  for (size_t q = 0; q < 5; ++q) expected += weights[q] * matches[q].product;
  const auto weighted = QueryOrDie(query, 32, 32, {.weights = weights});
  EXPECT_NEAR(weighted->Score(document.data(), 30, weighted_matches), expected, 1e-5);
  EXPECT_EQ(weighted_matches, matches);
  const auto mean = QueryOrDie(query, 32, 32, {.weights = weights, .mean = true});
  EXPECT_NEAR(mean->Score(document.data(), 30), expected / 5, 1e-5);
  const CodedDocument coded(document, 32);
  EXPECT_NEAR(mean->ScoreCodes(coded.view()), expected / 5, 0.02);
}

// The differences of int8 scores are small beside those of documents.
TEST(MaxSimTest, CodesAreWithinAThousandth) {
  TokenMaker maker(128);
  std::vector<double> errors;
  for (int i = 0; i < 10; ++i) {
    const std::vector<float> query = maker.Make(32);
    const auto maxsim = QueryOrDie(query, 128, 128, {.mean = true});
    for (int j = 0; j < 20; ++j) {
      const std::vector<float> document = maker.Make(60);
      const CodedDocument coded(document, 128);
      errors.push_back(
          std::fabs(maxsim->ScoreCodes(coded.view()) - maxsim->Score(document.data(), 60)));
    }
  }
  std::sort(errors.begin(), errors.end());
  EXPECT_LT(errors[errors.size() * 99 / 100], 1e-3);
  EXPECT_GT(errors.back(), 0);
}

TEST(MaxSimTest, Int8ValuesAreExact) {
  std::mt19937 random(1);
  const auto integers = [&](size_t n) {
    std::vector<float> values(n);
    for (float& v : values) v = static_cast<float>(static_cast<int>(random() % 256) - 128);
    std::fill_n(values.begin(), n / 4, -128.0f);
    return values;
  };
  const std::vector<float> query = integers(6 * 48), document = integers(21 * 48);
  const auto maxsim = QueryOrDie(query, 48, 48, {.exact_int8 = true});
  EXPECT_EQ(maxsim->ScoreCodes(CodedDocument(document, 48, /*exact_int8=*/true).view()),
            Chamfer(query, document, 48));
}

// Of equal tokens the first is named; the empty lanes of the last block never are.
TEST(MaxSimTest, MatchesTheFirstOfEqualTokens) {
  TokenMaker maker(16);
  const std::vector<float> query = maker.Make(9);
  std::vector<float> document;
  for (const float value : query) document.push_back(-value);
  for (int copy = 0; copy < 3; ++copy) document.insert(document.end(), query.begin(), query.end());
  const auto maxsim = QueryOrDie(query, 16, 16);
  const CodedDocument coded(document, 16);
  std::vector<TokenMatch> matches(9), code_matches(9);
  maxsim->Score(document.data(), 36, matches);
  maxsim->ScoreCodes(coded.view(), code_matches);
  for (uint32_t q = 0; q < 9; ++q) {
    EXPECT_EQ(matches[q].token, 9 + q);
    EXPECT_EQ(code_matches[q].token, 9 + q);
  }
  // All products are negative: zeros behind the tokens would be larger.
  const std::vector<float> away(document.begin(), document.begin() + 16);
  const std::vector<float> one(query.begin(), query.begin() + 16);
  const auto single = QueryOrDie(one, 16, 16);
  std::vector<TokenMatch> match(1);
  EXPECT_NEAR(single->Score(away.data(), 1, match), -1, 1e-5);
  EXPECT_EQ(match[0].token, 0u);
  EXPECT_NEAR(single->ScoreCodes(CodedDocument(away, 16).view(), match), -1, 0.02);
  EXPECT_EQ(match[0].token, 0u);
}

TEST(MaxSimTest, RefusesBadInput) {
  const std::vector<float> tokens = TokenMaker(16).Make(3);
  const auto refused = [](std::span<const float> values, uint32_t prefix,
                          const MaxSimOptions& options) {
    const absl::Status status = MaxSimQuery::Make(values, 16, prefix, options).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  };
  EXPECT_THAT(refused({}, 16, {}), HasSubstr("no tokens"));
  EXPECT_THAT(refused(std::span(tokens).first(40), 16, {}), HasSubstr("not a multiple"));
  EXPECT_THAT(refused(tokens, 0, {}), HasSubstr("1..16 dims, not 0"));
  EXPECT_THAT(refused(tokens, 17, {}), HasSubstr("1..16 dims, not 17"));
  std::vector<float> bad = tokens;
  bad[20] = NAN;
  EXPECT_THAT(refused(bad, 8, {}), HasSubstr("token 1 has nan at position 4"));
  EXPECT_THAT(refused(tokens, 16, {.weights = std::span(tokens).first(2)}),
              HasSubstr("2 weights for 3 tokens"));
  EXPECT_THAT(refused(tokens, 16, {.weights = std::span(bad).subspan(19, 3)}),
              HasSubstr("weight of token 1 is nan"));
}

}  // namespace
}  // namespace nestor
