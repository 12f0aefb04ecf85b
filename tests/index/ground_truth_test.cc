#include "index/ground_truth.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Random rows of a dtype; every ninth row repeats the one before, so that there are ties.
std::vector<std::byte> RandomRows(Dtype dtype, uint64_t rows, uint32_t dim, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(rows * dim);
  for (float& v : values)
    v = dtype == Dtype::kI8 ? std::round(20 * normal(random)) : normal(random);
  for (uint64_t i = 9; i < rows; i += 9)
    std::copy_n(values.data() + (i - 1) * dim, dim, values.data() + i * dim);
  for (float& v : values) v = dtype == Dtype::kI8 ? std::clamp(v, -128.0f, 127.0f) : v;
  std::vector<std::byte> bytes(values.size() * DtypeBytes(dtype));
  EXPECT_TRUE(EncodeVector(dtype, values.data(), values.size(), bytes.data()).ok());
  return bytes;
}

// The definition, in plain double loops.
double Score(Metric metric, const float* q, const float* x, uint32_t dim) {
  double dot = 0, qq = 0, xx = 0, l2 = 0;
  for (uint32_t d = 0; d < dim; ++d) {
    dot += double{q[d]} * x[d];
    qq += double{q[d]} * q[d];
    xx += double{x[d]} * x[d];
    l2 += (double{q[d]} - x[d]) * (double{q[d]} - x[d]);
  }
  if (metric == Metric::kL2) return l2;
  return metric == Metric::kDot ? dot : dot / std::sqrt(qq * xx);
}

class GroundTruthTest : public ::testing::TestWithParam<std::tuple<Metric, Dtype, uint32_t, int>> {
};

TEST_P(GroundTruthTest, EqualsTheDefinition) {
  const auto [metric, dtype, dim, threads] = GetParam();
  constexpr uint32_t kFullDim = 96, kK = 20;
  constexpr uint64_t kRows = 2500, kQueries = 7;
  const std::vector<std::byte> base_bytes = RandomRows(dtype, kRows, kFullDim, 1);
  const std::vector<std::byte> query_bytes = RandomRows(dtype, kQueries, kFullDim, 2);
  const FloatRows base = StoredRows(dtype, base_bytes.data(), kRows, kFullDim);
  const FloatRows queries = StoredRows(dtype, query_bytes.data(), kQueries, kFullDim);

  const absl::StatusOr<GroundTruth> truth = ComputeGroundTruth(
      base, queries, {.metric = metric, .dim = dim, .k = kK, .threads = threads});
  ASSERT_TRUE(truth.ok()) << truth.status();
  ASSERT_EQ(truth->rows.size(), kQueries * kK);

  std::vector<float> x(kRows * kFullDim), q(kQueries * kFullDim);
  base.read(0, kRows, x.data());
  queries.read(0, kQueries, q.data());
  for (uint64_t i = 0; i < kQueries; ++i) {
    std::vector<double> all;
    for (uint64_t j = 0; j < kRows; ++j)
      all.push_back(Score(metric, q.data() + i * kFullDim, x.data() + j * kFullDim, dim));
    std::vector<double> sorted = all;
    std::sort(sorted.begin(), sorted.end());
    if (metric != Metric::kL2) std::reverse(sorted.begin(), sorted.end());
    for (uint32_t r = 0; r < kK; ++r) {
      const uint32_t row = truth->rows[i * kK + r];
      SCOPED_TRACE(testing::Message() << "query " << i << " rank " << r << " row " << row);
      // Sums in another order differ in the last bits, so near-equal rows may change places.
      const double slack = 1e-12 * std::max(1.0, std::abs(sorted[r]));
      EXPECT_NEAR(all[row], sorted[r], slack);
      EXPECT_NEAR(truth->scores[i * kK + r], sorted[r], 1e-6 * std::max(1.0, std::abs(sorted[r])));
      if (r == 0) continue;
      const uint32_t before = truth->rows[i * kK + r - 1];
      // Equal rows by number. Rows 9, 18, .. repeat the one before them.
      if (row % 9 == 0 && row != 0 && before + 1 != row) {
        EXPECT_NE(std::find(&truth->rows[i * kK], &truth->rows[i * kK + r], row - 1),
                  &truth->rows[i * kK + r]);
      }
    }
  }
}

std::string CaseName(const ::testing::TestParamInfo<GroundTruthTest::ParamType>& info) {
  const auto [metric, dtype, dim, threads] = info.param;
  return absl::StrCat(Name(metric), "_", Name(dtype), "_", dim, "_", threads);
}

INSTANTIATE_TEST_SUITE_P(
    All, GroundTruthTest,
    ::testing::Combine(::testing::Values(Metric::kCosine, Metric::kDot, Metric::kL2),
                       ::testing::Values(Dtype::kF32, Dtype::kF16, Dtype::kBf16, Dtype::kI8),
                       ::testing::Values(96u, 33u, 8u), ::testing::Values(1, 3)),
    CaseName);

// All rows equal: a margin cannot separate them, and the first k win.
TEST(GroundTruth, TiesGoToTheLowestRows) {
  const std::vector<float> base(3000 * 4, 0.5f), query = {1, 2, 3, 4};
  const absl::StatusOr<GroundTruth> truth = ComputeGroundTruth(
      StoredRows(Dtype::kF32, reinterpret_cast<const std::byte*>(base.data()), 3000, 4),
      StoredRows(Dtype::kF32, reinterpret_cast<const std::byte*>(query.data()), 1, 4),
      {.metric = Metric::kDot, .k = 3, .threads = 2});
  ASSERT_TRUE(truth.ok()) << truth.status();
  EXPECT_THAT(truth->rows, ElementsAre(0, 1, 2));
  EXPECT_THAT(truth->scores, ElementsAre(5, 5, 5));
}

// Large norms and tiny differences: a float product alone orders these rows by its rounding.
TEST(GroundTruth, SeparatesRowsThatFloatsCannot) {
  constexpr uint64_t kRows = 512;
  std::vector<float> base(kRows * 2), query = {4096, 1};
  for (uint64_t i = 0; i < kRows; ++i) {
    base[2 * i] = 4096;
    base[2 * i + 1] = static_cast<float>((i * 37) % kRows) / 1024;  // far below an ulp of 4096^2
  }
  const absl::StatusOr<GroundTruth> truth = ComputeGroundTruth(
      StoredRows(Dtype::kF32, reinterpret_cast<const std::byte*>(base.data()), kRows, 2),
      StoredRows(Dtype::kF32, reinterpret_cast<const std::byte*>(query.data()), 1, 2),
      {.metric = Metric::kDot, .k = 100, .threads = 1});
  ASSERT_TRUE(truth.ok()) << truth.status();
  for (uint32_t r = 0; r < 100; ++r) EXPECT_EQ((truth->rows[r] * 37) % kRows, kRows - 1 - r);
}

TEST(GroundTruth, RefusesWhatCannotBeCompared) {
  const std::vector<float> base(10 * 4, 1.0f);
  std::vector<float> query(4, 1.0f);
  const FloatRows rows =
      StoredRows(Dtype::kF32, reinterpret_cast<const std::byte*>(base.data()), 10, 4);
  const auto of_query = [&](uint32_t dim) {
    return StoredRows(Dtype::kF32, reinterpret_cast<const std::byte*>(query.data()), 1, dim);
  };
  const auto message = [&](uint32_t query_dim, GroundTruthOptions options) {
    return std::string(ComputeGroundTruth(rows, of_query(query_dim), options).status().message());
  };
  EXPECT_THAT(message(3, {.k = 1}), HasSubstr("base rows have 4 dims, queries have 3"));
  EXPECT_THAT(message(4, {.k = 11}), HasSubstr("k 11 is outside 1..10"));
  EXPECT_THAT(message(4, {.k = 0}), HasSubstr("k 0 is outside 1..10"));
  EXPECT_THAT(message(4, {.dim = 5, .k = 1}), HasSubstr("dim 5 is outside 1..4"));
  query[2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(message(4, {.k = 1}), HasSubstr("query row 0 has squared norm nan"));
  EXPECT_THAT(message(4, {.dim = 2, .k = 1}), "");
  query = {0, 0, 1, 1};
  EXPECT_THAT(message(4, {.metric = Metric::kCosine, .dim = 2, .k = 1}),
              HasSubstr("query row 0 has squared norm 0 over its first 2 dims"));
}

}  // namespace
}  // namespace nestor
