// Recall of graph plans, and what the adaptive stop saves.
#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "tests/index/graph_testutil.h"

namespace nestor {
namespace {

struct RecallCase {
  Metric metric;
  bool scaled;
};

class GraphRecallTest : public testing::TestWithParam<RecallCase> {
 protected:
  static constexpr size_t kRows = 2000;
  GraphRecallTest() {
    const VectorSchema schema{
        .dim = 128, .nesting = {32, 64, 128}, .metric = GetParam().metric, .dtype = Dtype::kF32};
    base_ = MakeMatrix(schema, kRows, 1);
    if (GetParam().scaled) ScaleRows(&base_, 0.3, 3, 6);
    queries_ = QueriesNear(base_, 60, 7);
    index_ = BuildOrDie(base_, GraphOnly(64, 28, 60));
  }
  Matrix base_, queries_;
  std::unique_ptr<IvfIndex> index_;
};

TEST_P(GraphRecallTest, OfAModeratePlanReaches95Percent) {
  for (const char* text :
       {"graph=64:64,refine=128:30,rescore", "graph=64:200:0.25,refine=128:30,rescore"}) {
    EXPECT_GE(RecallOf(*index_, queries_, *ParsePlan(text), 10, 1), 0.95) << text;
  }
  const Plan plan = DefaultPlan(base_.schema, index_->Shape(), 10);
  EXPECT_TRUE(plan.graph.has_value());
  EXPECT_GE(RecallOf(*index_, queries_, plan, 10, 1), 0.95) << FormatPlan(plan);
}

// What a margin finds and costs; counts are sums over the queries.
struct MarginResult {
  double recall = 0;
  double scored = 0;
  double out = 0;
};

TEST_P(GraphRecallTest, RisesWithTheMarginAsDoesTheCost) {
  SearchScratch scratch;
  SearchResult result;
  const auto with = [&](float margin) {
    MarginResult sums;
    const Plan plan = GraphPlan(*index_, 200, margin);
    sums.recall = RecallOf(*index_, queries_, plan, 10, 1);
    for (size_t q = 0; q < queries_.rows(); ++q) {
      EXPECT_TRUE(
          index_->Search(QueryOf(queries_.row(q), base_.schema, 10), plan, &scratch, &result).ok());
      EXPECT_EQ(result.hits.size(), 10u);
      const StageCost& graph = result.stages[0];
      EXPECT_LE(graph.out, 200u);
      EXPECT_GE(graph.out, 10u);
      sums.scored += static_cast<double>(graph.in);
      sums.out += static_cast<double>(graph.out);
    }
    return sums;
  };
  const MarginResult fixed = with(0);
  EXPECT_EQ(fixed.out, 200.0 * static_cast<double>(queries_.rows()));
  MarginResult last;
  for (float margin : {0.01f, 0.05f, 0.15f, 0.4f, 1000.0f}) {
    const MarginResult result = with(margin);
    EXPECT_GE(result.recall, last.recall - 0.002) << margin;
    EXPECT_GE(result.scored, last.scored) << margin;
    EXPECT_GE(result.out, last.out) << margin;
    EXPECT_LE(result.scored, fixed.scored) << margin;
    last = result;
  }
  // The small margins do stop early, the largest never does.
  EXPECT_LT(with(0.01f).scored, 0.7 * fixed.scored);
  EXPECT_EQ(last.scored, fixed.scored);
  EXPECT_EQ(last.recall, fixed.recall);
}

TEST_P(GraphRecallTest, OfAFixedPoolRisesWithEf) {
  double last = 0;
  for (uint32_t ef : {10, 20, 50, 150, 500}) {
    const double recall = RecallOf(*index_, queries_, GraphPlan(*index_, ef), 10, 1);
    EXPECT_GE(recall, last - 0.003) << ef;
    last = recall;
  }
  EXPECT_GE(last, 0.999);
}

// Few links lead to a row on long ways: the default plan must not stop before.
TEST(GraphDefaultPlanTest, RowsFindThemselvesWhateverTheDegree) {
  const VectorSchema schema{.dim = 16, .nesting = {16}, .metric = Metric::kL2};
  const Matrix base = MakeMatrix(schema, 3000, 5);
  for (const uint32_t degree : {4u, 8u, 12u, 28u}) {
    const std::unique_ptr<IvfIndex> index = BuildOrDie(base, GraphOnly(16, degree, 100));
    const Plan plan = DefaultPlan(schema, index->Shape(), 1);
    SearchScratch scratch;
    SearchResult result;
    int missed = 0;
    for (size_t row = 0; row < base.rows(); ++row) {
      ASSERT_TRUE(index->Search(QueryOf(base.row(row), schema, 1), plan, &scratch, &result).ok());
      ASSERT_EQ(result.hits.size(), 1u);
      missed += result.hits[0].score == 0 ? 0 : 1;
    }
    EXPECT_LE(missed, 6) << "of " << base.rows() << " with degree " << degree << " and "
                         << FormatPlan(plan);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, GraphRecallTest,
    testing::Values(RecallCase{Metric::kCosine, false}, RecallCase{Metric::kL2, false},
                    RecallCase{Metric::kDot, false}, RecallCase{Metric::kDot, true}),
    [](const testing::TestParamInfo<RecallCase>& info) {
      return absl::StrCat(Name(info.param.metric), info.param.scaled ? "_scaled" : "");
    });

}  // namespace
}  // namespace nestor
