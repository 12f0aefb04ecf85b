// A graph search with room for all rows answers as brute force does: every row can be reached,
// whatever the rows are like.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/index/graph_testutil.h"

namespace nestor {
namespace {

struct Layout {
  const char* name;
  uint32_t graph_dim, degree;
  bool no_lists;
  size_t rows;
};

class GraphEqualsBruteForceTest : public testing::TestWithParam<std::tuple<Metric, Dtype, Layout>> {
};

TEST_P(GraphEqualsBruteForceTest, WithEfOfAllRows) {
  const auto& [metric, dtype, layout] = GetParam();
  const VectorSchema schema = SchemaOf(metric, dtype);
  Matrix base = MakeMatrix(schema, layout.rows, 1);
  ScaleRows(&base, dtype == Dtype::kI8 ? 0.2 : 0.3, dtype == Dtype::kI8 ? 2 : 3, 4);
  const Matrix queries = MakeMatrix(schema, 6, 2);
  const IndexSpec spec{.coarse_dim = 16,
                       .lists = 20,
                       .graph = GraphSpec{layout.graph_dim, layout.degree, 40},
                       .no_lists = layout.no_lists};
  ASSERT_TRUE(ValidateSpec(spec, schema).ok());
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base, spec);
  EXPECT_EQ(index->model().lists, layout.no_lists ? 1u : 20u);
  const auto rows = static_cast<uint32_t>(layout.rows);
  for (uint32_t limit : {1u, 10u, rows}) {
    ASSERT_TRUE(ValidatePlan(GraphPlan(*index, rows), schema, limit).ok());
    ExpectExactAnswers(*index, queries, GraphPlan(*index, rows), limit);
  }
  // A pool larger than the collection.
  ExpectExactAnswers(*index, queries, GraphPlan(*index, kMaxEf), 10);
}

INSTANTIATE_TEST_SUITE_P(
    All, GraphEqualsBruteForceTest,
    testing::Combine(testing::Values(Metric::kCosine, Metric::kDot, Metric::kL2),
                     testing::Values(Dtype::kF32, Dtype::kF16, Dtype::kI8),
                     testing::Values(Layout{"prefix_and_lists", 64, 28, false, 1050},
                                     Layout{"prefix", 64, 28, true, 400},
                                     Layout{"prefix_degree4", 64, 4, true, 400},
                                     Layout{"whole", 100, 28, true, 400},
                                     Layout{"whole_degree4_and_lists", 100, 4, false, 1050})),
    [](const testing::TestParamInfo<GraphEqualsBruteForceTest::ParamType>& info) {
      return absl::StrCat(Name(std::get<0>(info.param)), "_", Name(std::get<1>(info.param)), "_",
                          std::get<2>(info.param).name);
    });

TEST(GraphExactTest, TinySetsAnswerAsBruteForceDoes) {
  for (Metric metric : kMetrics) {
    const VectorSchema schema = SchemaOf(metric);
    const Matrix queries = MakeMatrix(schema, 3, 2);
    for (size_t rows : {0u, 1u, 2u, 5u, 20u, 63u}) {
      const Matrix base = MakeMatrix(schema, rows, 1);
      for (uint32_t degree : {4u, 28u}) {
        const std::unique_ptr<IvfIndex> index = BuildOrDie(base, GraphOnly(64, degree));
        for (float margin : {0.0f, 0.2f}) {
          ExpectExactAnswers(*index, queries, GraphPlan(*index, 100, margin), 100);
        }
      }
    }
  }
}

TEST(GraphExactTest, EveryRowCanBeReached) {
  for (Metric metric : kMetrics) {
    Matrix base = MakeMatrix(SchemaOf(metric), 1300, 1);
    ScaleRows(&base, 0.3, 3, 4);
    const Matrix queries = MakeMatrix(base.schema, 2, 2);
    for (int threads : {1, 4}) {
      for (uint32_t degree : {4u, 28u}) {
        const auto index = BuildWithThreads(base, GraphOnly(64, degree, 50), threads);
        ExpectExactAnswers(*index, queries, GraphPlan(*index, 1300), 1300);
      }
    }
  }
}

TEST(GraphExactTest, IdenticalRowsCanAllBeReached) {
  for (Metric metric : kMetrics) {
    const VectorSchema schema = SchemaOf(metric);
    const Matrix one = MakeMatrix(schema, 1, 1);
    Matrix base{.schema = schema};
    for (int i = 0; i < 500; ++i) {
      base.values.insert(base.values.end(), one.values.begin(), one.values.end());
      base.bytes.insert(base.bytes.end(), one.bytes.begin(), one.bytes.end());
    }
    const Matrix queries = MakeMatrix(schema, 2, 2);
    for (int threads : {1, 4}) {
      const auto index = BuildWithThreads(base, GraphOnly(64), threads);
      for (uint32_t limit : {10u, 500u}) {  // ties by id
        ExpectExactAnswers(*index, queries, GraphPlan(*index, 500), limit);
      }
      ExpectExactAnswers(*index, one, GraphPlan(*index, 500), 500);
    }
  }
}

// Clusters that lie apart by thousands of times their width: int8 codes do not tell the rows of one
// from each other.
TEST(GraphExactTest, FarApartClustersCanAllBeReached) {
  for (Metric metric : kMetrics) {
    const VectorSchema schema = SchemaOf(metric);
    for (size_t per_cluster : {20u, 120u}) {
      std::mt19937_64 random(5);
      std::normal_distribution<float> normal;
      std::vector<std::vector<float>> rows;
      for (size_t i = 0; i < 5 * per_cluster; ++i) {
        // In order of cluster.
        std::vector<float> row(schema.dim);
        for (uint32_t d = 0; d < schema.dim; ++d) row[d] = normal(random);
        row[i / per_cluster] += 1e4f;
        rows.push_back(row);
      }
      const Matrix base = MatrixOf(schema, rows);
      const Matrix queries = MatrixOf(schema, {rows[0], rows[per_cluster * 3], rows.back()});
      for (int threads : {1, 4}) {
        const auto index = BuildWithThreads(base, GraphOnly(64), threads);
        const auto all = static_cast<uint32_t>(base.rows());
        for (uint32_t limit : {10u, all}) {
          ExpectExactAnswers(*index, queries, GraphPlan(*index, all), limit);
        }
      }
    }
  }
}

TEST(GraphExactTest, ZeroVectorsAreRowsAndQueriesLikeOthers) {
  for (Metric metric : {Metric::kDot, Metric::kL2}) {
    const VectorSchema schema = SchemaOf(metric);
    Matrix base = MakeMatrix(schema, 300, 1);
    ZeroPrefixes(&base, 100, 3);
    Matrix queries = MakeMatrix(schema, 3, 2);
    ZeroPrefixes(&queries, 100, 3);
    const auto index = BuildOrDie(base, GraphOnly());
    for (uint32_t limit : {10u, 300u}) {
      ExpectExactAnswers(*index, queries, GraphPlan(*index, 300), limit);
    }
    // Nothing but zeros: the largest norm is zero as well.
    Matrix zeros = MakeMatrix(schema, 50, 1);
    ZeroPrefixes(&zeros, 100, 1);
    const auto all_zero = BuildOrDie(zeros, GraphOnly());
    ExpectExactAnswers(*all_zero, queries, GraphPlan(*all_zero, 50), 50);
  }
}

// The graph's dim need not be in the nesting: x[:graph_dim] of a valid row may be zero.
TEST(GraphExactTest, RowsWhosePrefixIsZeroAreFoundUnderCosine) {
  const VectorSchema schema{.dim = 100, .nesting = {100}, .metric = Metric::kCosine};
  Matrix base = MakeMatrix(schema, 300, 1);
  ZeroPrefixes(&base, 64, 3);
  Matrix queries = MakeMatrix(schema, 3, 2);
  ZeroPrefixes(&queries, 64, 3);
  const auto index = BuildOrDie(base, GraphOnly());
  for (uint32_t limit : {10u, 300u}) {
    ExpectExactAnswers(*index, queries, GraphPlan(*index, 300), limit);
  }
}

}  // namespace
}  // namespace nestor
