// Sums of scans against their definition, and against their stated error.
#include <gtest/gtest.h>

#include <cmath>

#include "index/base/pages.h"
#include "index/codes/query.h"
#include "index/codes/train_opq.h"
#include "tests/index/codes_testutil.h"

namespace nestor {
namespace {

constexpr OpqSpec kSpecs[] = {{32, 8, 4}, {32, 4, 8}, {48, 6, 4}, {48, 3, 8}};

PageBuffer BlocksOf(const TrainedCode& t) {
  const CodeLayout layout(t.quantizer->spec());
  PageBuffer blocks((t.n() + 15) / 16 * layout.block_bytes(), /*huge=*/false);
  for (uint32_t i = 0; i < t.n(); ++i) layout.Write(t.code(i), i, blocks.data());
  return blocks;
}

// What query.h says a key is, from the vector that the code stands for.
double KeyOf(Metric metric, const float* q, const float* decoded, size_t dim) {
  double product = 0, square = 0;
  for (size_t d = 0; d < dim; ++d) {
    product += static_cast<double>(q[d]) * decoded[d];
    square += static_cast<double>(decoded[d]) * decoded[d];
  }
  return metric == Metric::kL2 ? product - square / 2 : product;
}

class OpqQueryTest : public testing::TestWithParam<SimdLevel> {};

TEST_P(OpqQueryTest, SumsAreKeysWithinTheStatedError) {
  const Kernels& kernels = KernelsOf(GetParam());
  for (Metric metric : kMetrics) {
    for (const OpqSpec& spec : kSpecs) {
      const TrainedCode& t = Trained(metric, spec);
      const PageBuffer blocks = BlocksOf(t);
      const size_t block_n = (t.n() + 15) / 16;
      const Matrix queries = MakeMatrix(t.matrix.schema, 20, 77);
      std::vector<float> sums(block_n * 16), moved(block_n * 16), decoded(spec.dim);
      OpqQuery query;
      for (size_t j = 0; j < queries.rows(); ++j) {
        query.Prepare(*t.quantizer, metric, queries.row(j));
        query.Scan(kernels, blocks.data(), block_n, 0, sums.data());
        query.Scan(kernels, blocks.data(), block_n, 2.5f, moved.data());
        double worst = 0;
        for (size_t i = 0; i < t.n(); ++i) {
          const double table_sum = query.TableSum(t.code(i));
          worst = std::max(worst, std::fabs(sums[i] - table_sum));
          t.quantizer->Decode(t.code(i), decoded.data());
          const double key = KeyOf(metric, queries.row(j), decoded.data(), spec.dim);
          ASSERT_NEAR(table_sum, key, 1e-4 * (1 + std::fabs(key))) << OpqName(spec);
          ASSERT_NEAR(moved[i], sums[i] + 2.5, 1e-5);
        }
        ASSERT_LE(worst, query.error()) << OpqName(spec);
        if (spec.bits == 4) {
          // Half a step for each sub-quantizer, and roundings.
          ASSERT_LE(query.error(), 0.501 * spec.subquantizers() * query.step());
          ASSERT_GT(worst, 0) << "nothing was rounded";
        } else {
          ASSERT_LT(query.error(), 1e-4);
        }
      }
    }
  }
}

TEST_P(OpqQueryTest, ZeroAndHugeQueries) {
  const TrainedCode& t = Trained(Metric::kDot, {32, 8, 4});
  const PageBuffer blocks = BlocksOf(t);
  std::vector<float> sums(kTrainedRows);
  OpqQuery query;
  for (float size : {0.0f, 1e-44f, 1e-30f, 1e15f, 3e18f}) {
    std::vector<float> q(32, size);
    query.Prepare(*t.quantizer, Metric::kDot, q.data());
    query.Scan(KernelsOf(GetParam()), blocks.data(), kTrainedRows / 16, 0, sums.data());
    for (size_t i = 0; i < t.n(); ++i) {
      ASSERT_NEAR(sums[i], query.TableSum(t.code(i)), query.error()) << size;
    }
  }
}

std::vector<SimdLevel> SupportedLevels() {
  std::vector<SimdLevel> levels;
  for (SimdLevel level : {SimdLevel::kScalar, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    if (Supported(level)) levels.push_back(level);
  }
  return levels;
}

INSTANTIATE_TEST_SUITE_P(Levels, OpqQueryTest, testing::ValuesIn(SupportedLevels()),
                         [](const auto& info) { return std::string(Name(info.param)); });

// Codes of residuals: x^ = mean + r^, a list's term and, under L2, a number of each row make keys.
TEST(OpqResidualTest, ListTermsMakeKeys) {
  constexpr uint32_t kRows = 400;
  const OpqSpec spec{32, 8, 4};
  for (Metric metric : kMetrics) {
    const Matrix matrix = MakeMatrix({.dim = 48, .nesting = {32, 48}, .metric = metric}, kRows, 1);
    const std::vector<float> whole = PreparedRows(matrix, spec.dim);
    std::vector<float> mean(spec.dim), rotated_mean(spec.dim);
    for (size_t i = 0; i < whole.size(); ++i) mean[i % spec.dim] += whole[i] / kRows;
    std::vector<float> residuals(whole.size());
    for (size_t i = 0; i < kRows; ++i) {
      PrepareRow(metric, matrix.row(i), spec.dim, mean.data(), residuals.data() + i * spec.dim);
    }
    const auto quantizer = TrainOpq({.spec = spec, .iterations = 3}, residuals);
    ASSERT_TRUE(quantizer.ok()) << quantizer.status();
    (*quantizer)->Rotate(mean.data(), 1, rotated_mean.data());
    const CodeLayout layout(spec);
    const PageBuffer blocks(kRows / 16 * layout.block_bytes(), /*huge=*/false);
    std::vector<uint8_t> code(spec.bytes);
    std::vector<float> sums(kRows), decoded(spec.dim);
    const Matrix queries = MakeMatrix(matrix.schema, 5, 77);
    for (uint32_t i = 0; i < kRows; ++i) {
      (*quantizer)->Encode(residuals.data() + i * spec.dim, 1, code.data());
      layout.Write(code.data(), i, blocks.data());
    }
    OpqQuery query;
    for (size_t j = 0; j < queries.rows(); ++j) {
      const float* q = queries.row(j);
      query.Prepare(**quantizer, Metric::kDot, q);
      const double term = KeyOf(Metric::kDot, q, mean.data(), spec.dim);
      query.Scan(ActiveKernels(), blocks.data(), kRows / 16, static_cast<float>(term), sums.data());
      for (uint32_t i = 0; i < kRows; ++i) {
        layout.Read(blocks.data(), i, code.data());
        (*quantizer)->Decode(code.data(), decoded.data());
        for (uint32_t d = 0; d < spec.dim; ++d) decoded[d] += mean[d];
        double key = sums[i];
        if (metric == Metric::kL2)
          key -= (*quantizer)->HalfSquare(code.data(), rotated_mean.data());
        ASSERT_NEAR(key, KeyOf(metric, q, decoded.data(), spec.dim), query.error() + 1e-4);
      }
    }
  }
}

}  // namespace
}  // namespace nestor
