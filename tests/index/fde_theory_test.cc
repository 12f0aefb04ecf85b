// What MUVERA's theory promises of encodings (arXiv 2405.19504, section 2 and appendix A).
#include <gtest/gtest.h>

#include <cmath>

#include "tests/index/fde_testutil.h"

namespace nestor {
namespace {

constexpr uint32_t kDim = 32;

FdeSpec Identity(uint32_t repetitions, uint32_t k_sim, bool fill) {
  return {.dim = kDim,
          .repetitions = repetitions,
          .k_sim = k_sim,
          .projection = FdeProjection::kIdentity,
          .d_proj = kDim,
          .fill_empty = fill};
}

FdeSpec Projected(FdeProjection projection, uint32_t repetitions, uint32_t d_proj) {
  return {.dim = kDim,
          .repetitions = repetitions,
          .k_sim = 4,
          .projection = projection,
          .d_proj = d_proj};
}

// The product of repetition r alone.
double Product(const FdeModel& model, std::span<const float> query, std::span<const float> document,
               uint32_t r) {
  const size_t dims = model.spec().repetition_dims();
  return Dot(query.subspan(r * dims, dims), document.subspan(r * dims, dims));
}

// Lemma A.3: filled and without a projection, no repetition is above the Chamfer score.
TEST(FdeTheoryTest, FilledIsNeverAboveChamfer) {
  TokenMaker maker(kDim);
  const auto filled = DrawOrDie(Identity(5, 4, true));
  std::vector<std::vector<float>> documents;
  for (size_t n : {1, 1, 2, 3, 5, 8, 20, 40, 80}) documents.push_back(maker.Make(n));
  int above_without_fill = 0;
  for (size_t n : {1, 4, 16, 32}) {
    const std::vector<float> query = maker.Make(n);
    const std::vector<float> query_fde = QueryFde(*filled, query);
    for (const std::vector<float>& document : documents) {
      const double chamfer = Chamfer(query, document, kDim);
      const std::vector<float> fde = DocumentFde(*filled, document);
      const std::vector<float> unfilled = DocumentFde(*filled, document, {.fill_empty = false});
      for (uint32_t r = 0; r < 5; ++r) {
        EXPECT_LE(Product(*filled, query_fde, fde, r), chamfer + 1e-4 * static_cast<double>(n));
        above_without_fill += Product(*filled, query_fde, unfilled, r) > chamfer + 0.01 ? 1 : 0;
      }
    }
  }
  // Zeros are above products that are negative: it is the fill that makes the bound hold.
  EXPECT_GT(above_without_fill, 0);
}

TEST(FdeTheoryTest, OneTokenDocumentIsExact) {
  TokenMaker maker(kDim);
  const auto model = DrawOrDie(Identity(7, 3, true));
  for (int trial = 0; trial < 5; ++trial) {
    const std::vector<float> query = maker.Make(12), one = maker.Make(1);
    std::vector<float> same;
    for (int copy = 0; copy < 4; ++copy) same.insert(same.end(), one.begin(), one.end());
    const double expected = 7 * Chamfer(query, one, kDim);
    for (const std::vector<float>& document : {one, same}) {
      EXPECT_NEAR(Dot(QueryFde(*model, query), DocumentFde(*model, document)), expected,
                  1e-5 * std::fabs(expected) + 1e-5);
    }
  }
}

TEST(FdeTheoryTest, OneBlockIsSumTimesMean) {
  TokenMaker maker(kDim);
  const auto model = DrawOrDie(Identity(3, 0, false));
  const std::vector<float> query = maker.Make(9), document = maker.Make(13);
  std::vector<float> sum(kDim), mean(kDim);
  for (size_t i = 0; i < query.size(); ++i) sum[i % kDim] += query[i];
  for (size_t i = 0; i < document.size(); ++i) mean[i % kDim] += document[i] / 13;
  EXPECT_NEAR(Dot(QueryFde(*model, query), DocumentFde(*model, document)) / 3, Dot(sum, mean),
              1e-4);
}

void ExpectNear(std::span<const float> a, std::span<const float> b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << i;
}

class FdeKindTest : public testing::TestWithParam<FdeProjection> {
 protected:
  FdeSpec Spec() const {
    FdeSpec spec = Projected(GetParam(), 6, GetParam() == FdeProjection::kIdentity ? kDim : 8);
    return spec;
  }
  TokenMaker maker_{kDim};
};

TEST_P(FdeKindTest, QueriesAddUp) {
  const auto model = DrawOrDie(Spec());
  const std::vector<float> a = maker_.Make(11), b = maker_.Make(6);
  std::vector<float> both = a;
  both.insert(both.end(), b.begin(), b.end());
  std::vector<float> sum = QueryFde(*model, a);
  const std::vector<float> other = QueryFde(*model, b);
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += other[i];
  ExpectNear(QueryFde(*model, both), sum, 1e-5);
}

TEST_P(FdeKindTest, WeightsScaleTokens) {
  const auto model = DrawOrDie(Spec());
  const std::vector<float> tokens = maker_.Make(3);
  // A negative weight does not move its token to the opposite block.
  const std::vector<float> weights = {2, 0, -0.5f};
  std::vector<float> expected(model->spec().dims());
  for (size_t t = 0; t < 3; ++t) {
    const std::vector<float> one = QueryFde(*model, std::span(tokens).subspan(t * kDim, kDim));
    for (size_t i = 0; i < one.size(); ++i) expected[i] += weights[t] * one[i];
  }
  ExpectNear(QueryFde(*model, tokens, {.weights = weights}), expected, 1e-5);
}

TEST_P(FdeKindTest, DocumentsTwiceOrInAnotherOrderAreTheSame) {
  for (const bool fill : {false, true}) {
    FdeSpec spec = Spec();
    spec.fill_empty = fill;
    const auto model = DrawOrDie(spec);
    const std::vector<float> document = maker_.Make(17);
    std::vector<float> twice = document, reversed;
    twice.insert(twice.end(), document.begin(), document.end());
    for (size_t i = 17; i-- > 0;) {
      reversed.insert(reversed.end(), document.begin() + static_cast<ptrdiff_t>(i * kDim),
                      document.begin() + static_cast<ptrdiff_t>((i + 1) * kDim));
    }
    ExpectNear(DocumentFde(*model, twice), DocumentFde(*model, document), 1e-5);
    // A fill goes to the first of equally near tokens.
    if (!fill) ExpectNear(DocumentFde(*model, reversed), DocumentFde(*model, document), 1e-5);
  }
}

TEST_P(FdeKindTest, PrefixesAreEncodings) {
  FdeSpec spec = Spec();
  spec.fill_empty = true;
  FdeSpec shorter = spec;
  shorter.repetitions = 4;
  const auto model = DrawOrDie(spec), fewer = DrawOrDie(shorter);
  const std::vector<float> tokens = maker_.Make(9);
  const std::vector<float> whole = DocumentFde(*model, tokens);
  const std::span<const float> prefix = std::span(whole).first(shorter.dims());
  ExpectNear(DocumentFde(*model, tokens, {.repetitions = 4}), prefix, 0);
  // A model of fewer repetitions, of the same seed, is that prefix too.
  ExpectNear(DocumentFde(*fewer, tokens), prefix, 0);
}

// By definition, token by token.
TEST_P(FdeKindTest, EqualsTheDefinition) {
  const FdeSpec spec = Spec();
  const auto model = DrawOrDie(spec);
  const FdeMatrices& m = model->matrices();
  const std::vector<float> tokens = maker_.Make(23);
  std::vector<double> query(spec.dims());
  std::vector<double> counts(spec.dims());
  for (uint32_t r = 0; r < spec.repetitions; ++r) {
    for (size_t t = 0; t < 23; ++t) {
      const auto token = std::span(tokens).subspan(t * kDim, kDim);
      size_t block = 0;
      for (uint32_t j = 0; j < spec.k_sim; ++j) {
        const auto plane =
            std::span(m.hyperplanes).subspan((size_t{r} * spec.k_sim + j) * kDim, kDim);
        if (Dot(plane, token) > 0) block |= size_t{1} << j;
      }
      for (uint32_t j = 0; j < spec.d_proj; ++j) {
        const size_t at = r * spec.repetition_dims() + block * spec.d_proj + j;
        query[at] +=
            m.projections.empty()
                ? token[j]
                : Dot(std::span(m.projections).subspan((size_t{r} * spec.d_proj + j) * kDim, kDim),
                      token);
        counts[at] += 1;
      }
    }
  }
  const std::vector<float> query_fde = QueryFde(*model, tokens);
  const std::vector<float> document_fde = DocumentFde(*model, tokens);
  for (size_t i = 0; i < query.size(); ++i) {
    ASSERT_NEAR(query_fde[i], query[i], 1e-5) << i;
    ASSERT_NEAR(document_fde[i], counts[i] == 0 ? 0 : query[i] / counts[i], 1e-5) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Projections, FdeKindTest,
                         testing::Values(FdeProjection::kIdentity, FdeProjection::kDense,
                                         FdeProjection::kCountSketch));

// Both projections keep products on average, with the variance of Johnson and Lindenstrauss.
TEST(FdeTheoryTest, ProjectionsAreUnbiased) {
  constexpr uint32_t kDraws = 1000, kSeeds = 3;
  TokenMaker maker(kDim);
  const std::vector<float> x = maker.Make(1), y = maker.Make(1);
  const double product = Dot(x, y);
  const double variance = (Dot(x, x) * Dot(y, y) + product * product) / 8;
  for (const FdeProjection projection : {FdeProjection::kDense, FdeProjection::kCountSketch}) {
    double sum = 0, squares = 0;
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      FdeSpec spec = Projected(projection, kDraws, 8);
      spec.k_sim = 0;
      spec.seed = seed;
      const auto model = DrawOrDie(spec);
      const std::vector<float> query = QueryFde(*model, x), document = DocumentFde(*model, y);
      for (uint32_t r = 0; r < kDraws; ++r) {
        const double drawn = Product(*model, query, document, r);
        sum += drawn;
        squares += (drawn - product) * (drawn - product);
      }
    }
    const double n = kDraws * kSeeds;
    EXPECT_NEAR(sum / n, product, 4 * std::sqrt(variance / n));
    EXPECT_LT(squares / n, 1.15 * variance);
    EXPECT_GT(squares / n, 0.5 * variance);
  }
}

// More blocks bring the encoding nearer to the Chamfer score.
TEST(FdeTheoryTest, BiasFallsWithKSim) {
  constexpr uint32_t kRepetitions = 10;
  TokenMaker maker(kDim);
  std::vector<std::vector<float>> queries, documents;
  for (int i = 0; i < 4; ++i) queries.push_back(maker.Make(16));
  for (int i = 0; i < 12; ++i) documents.push_back(maker.Make(40));
  double before = 1e9;
  for (uint32_t k_sim : {0, 2, 4, 6, 8, 10}) {
    const auto model = DrawOrDie(Identity(kRepetitions, k_sim, true));
    std::vector<std::vector<float>> fdes;
    for (const auto& document : documents) fdes.push_back(DocumentFde(*model, document));
    double bias = 0;
    for (const auto& query : queries) {
      const std::vector<float> fde = QueryFde(*model, query);
      for (size_t d = 0; d < documents.size(); ++d) {
        bias += (Chamfer(query, documents[d], kDim) - Dot(fde, fdes[d]) / kRepetitions) / 16;
      }
    }
    bias /= static_cast<double>(queries.size() * documents.size());
    EXPECT_GT(bias, 0);
    EXPECT_LT(bias, 0.97 * before) << "k_sim " << k_sim;
    before = bias;
  }
}

// .. and repetitions shrink its spread as the square root of their number.
TEST(FdeTheoryTest, SpreadFallsWithRepetitions) {
  constexpr int kSeeds = 60;
  TokenMaker maker(kDim);
  const std::vector<float> query = maker.Make(16), document = maker.Make(40);
  double sum[2] = {}, squares[2] = {};
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    FdeSpec spec = Projected(FdeProjection::kDense, 32, 8);
    spec.seed = seed;
    const auto model = DrawOrDie(spec);
    const std::vector<float> q = QueryFde(*model, query), d = DocumentFde(*model, document);
    for (int i : {0, 1}) {
      const uint32_t repetitions = i == 0 ? 2 : 32;
      const double score = Dot(std::span(q).first(spec.dims_of(repetitions)),
                               std::span(d).first(spec.dims_of(repetitions))) /
                           repetitions;
      sum[i] += score;
      squares[i] += score * score;
    }
  }
  double deviation[2];
  for (int i : {0, 1}) {
    const double mean = sum[i] / kSeeds;
    deviation[i] = std::sqrt(squares[i] / kSeeds - mean * mean);
  }
  // 4 = sqrt(32 / 2), and the error of an estimate from 60 seeds is 9 %.
  EXPECT_GT(deviation[0] / deviation[1], 2.8);
  EXPECT_LT(deviation[0] / deviation[1], 5.6);
}

}  // namespace
}  // namespace nestor
