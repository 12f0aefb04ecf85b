// What a graph search reports, what a graph takes in memory, what is refused and stopped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "tests/index/graph_testutil.h"

namespace nestor {
namespace {

using testing::HasSubstr;

TEST(GraphTest, StagesSayWhatTheyDid) {
  const Matrix base = MakeMatrix(SchemaOf(Metric::kL2), 2000, 1);
  const auto index = BuildOrDie(base, GraphOnly(64));
  SearchScratch scratch;
  SearchResult result;
  const Plan plan = *ParsePlan("graph=64:50,refine=100:20,rescore");
  for (size_t q = 0; q < 20; ++q) {
    ASSERT_TRUE(index->Search(QueryOf(base.row(q), base.schema, 10), plan, &scratch, &result).ok());
    ASSERT_EQ(result.stages.size(), 3u);
    const StageCost& graph = result.stages[0];
    EXPECT_STREQ(graph.name, "graph");
    EXPECT_EQ(graph.dim, 64u);
    EXPECT_EQ(graph.out, 50u);
    EXPECT_GE(graph.in, 50u);    // scored
    EXPECT_LE(graph.in, 2000u);  // each once
    EXPECT_GE(graph.multiply_adds, graph.in * 64);
    EXPECT_LE(graph.multiply_adds, (graph.in + 400) * 64);  // and the entries
    EXPECT_GE(graph.bytes, graph.in * (64 + 16));
    EXPECT_LE(graph.bytes, 2400u * 256);  // records of two to three lines
    EXPECT_STREQ(result.stages[1].name, "refine");
    EXPECT_EQ(result.stages[1].in, 50u);
    EXPECT_EQ(result.stages[1].out, 20u);
    EXPECT_EQ(result.stages[1].multiply_adds, 50u * 36);
    EXPECT_STREQ(result.stages[2].name, "rescore");
    EXPECT_EQ(result.stages[2].in, 20u);
    EXPECT_EQ(result.stages[2].out, 10u);
  }
}

// Without rescore the scores are those of the codes: near the true ones, best first.
TEST(GraphTest, ScoresWithoutRescoreAreNearTheTrueOnes) {
  for (Metric metric : kMetrics) {
    const VectorSchema schema = SchemaOf(metric);
    const Matrix base = MakeMatrix(schema, 800, 1);
    const Matrix queries = MakeMatrix(schema, 5, 2);
    const auto index = BuildOrDie(base, GraphOnly(64));
    SearchScratch scratch;
    SearchResult result;
    for (const auto& [text, dim] : std::vector<std::pair<const char*, uint32_t>>{
             {"graph=64:800", 64}, {"graph=64:800,refine=100:800", 100}}) {
      for (size_t q = 0; q < queries.rows(); ++q) {
        const SearchQuery query = QueryOf(queries.row(q), schema, 800);
        ASSERT_TRUE(index->Search(query, *ParsePlan(text), &scratch, &result).ok());
        ASSERT_EQ(result.hits.size(), 800u);
        EXPECT_EQ(result.score_dim, dim);
        double qq = NaiveScore(Metric::kDot, queries.row(q), queries.row(q), dim);
        for (size_t i = 0; i < result.hits.size(); ++i) {
          const float* x = base.row(index->RowAt(result.hits[i].slot));
          const double xx = NaiveScore(Metric::kDot, x, x, dim);
          // Codes are off by at most 1/254 of the largest value on either side; |sum| <= |q| |x|.
          const double error = 2.2 / 254 * std::sqrt(qq * xx * dim);
          const double bound = metric == Metric::kCosine ? error / std::sqrt(qq * xx)
                               : metric == Metric::kL2   ? 2 * error
                                                         : error;
          ASSERT_NEAR(result.hits[i].score, NaiveScore(metric, queries.row(q), x, dim), bound);
          if (i == 0) continue;
          if (metric == Metric::kL2) {
            ASSERT_GE(result.hits[i].score, result.hits[i - 1].score);
          } else {
            ASSERT_LE(result.hits[i].score, result.hits[i - 1].score);
          }
        }
      }
    }
  }
}

TEST(GraphTest, PrefixIsInMemoryOnceWithoutLists) {
  const VectorSchema schema{.dim = 384, .nesting = {64, 384}, .metric = Metric::kDot};
  const Matrix base = MakeMatrix(schema, 2000, 1);
  const auto only = BuildOrDie(base, GraphOnly(64, 28, 40));
  const auto both = BuildOrDie(base, {.lists = 20, .graph = GraphSpec{64, 28, 40}});
  const auto lists = BuildOrDie(base, {.lists = 20});
  EXPECT_EQ(only->Memory().first_shell, 0u);
  EXPECT_GT(both->Memory().first_shell, 2000u * 64);
  EXPECT_EQ(lists->Memory().graph, 0u);
  // 64 + 4 x 28 + 32 bytes a row, and the entries.
  EXPECT_LE(only->Memory().graph, 2000u * (64 + 4 * 28 + 32));
  EXPECT_GE(only->Memory().graph, 2000u * (64 + 4 * 28 + 16));
  EXPECT_TRUE(only->Shape().graph.has_value());
  EXPECT_FALSE(only->Shape().has_lists);
  EXPECT_TRUE(both->Shape().has_lists);
  EXPECT_FALSE(lists->Shape().graph.has_value());
}

// --- What is refused, and stopped ---

TEST(GraphTest, PassedDeadlinesAndCancellationStopASearch) {
  const Matrix base = MakeMatrix(SchemaOf(Metric::kL2), 1500, 1);
  const auto index = BuildOrDie(base, GraphOnly(64));
  SearchScratch scratch;
  SearchResult result;
  const std::atomic<bool> cancelled{true};
  for (uint32_t ef : {100u, 1500u}) {
    for (size_t q = 0; q < 50; ++q) {
      SearchQuery query = QueryOf(base.row(q), base.schema, 10);
      query.cancelled = &cancelled;
      EXPECT_EQ(index->Search(query, GraphPlan(*index, ef), &scratch, &result).code(),
                absl::StatusCode::kCancelled)
          << ef << " " << q;
      query.cancelled = nullptr;
      query.deadline = std::chrono::steady_clock::now() - std::chrono::milliseconds(1);
      EXPECT_EQ(index->Search(query, GraphPlan(*index, ef), &scratch, &result).code(),
                absl::StatusCode::kDeadlineExceeded)
          << ef << " " << q;
      query.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
      EXPECT_TRUE(index->Search(query, GraphPlan(*index, ef), &scratch, &result).ok());
    }
  }
}

TEST(GraphTest, PlansForWhatIsNotBuiltAreRefused) {
  const Matrix base = MakeMatrix(SchemaOf(Metric::kL2), 1200, 1);
  const auto lists = BuildOrDie(base, {.lists = 20});
  const auto graph = BuildOrDie(base, GraphOnly(64));
  SearchScratch scratch;
  SearchResult result;
  const SearchQuery query = QueryOf(base.row(0), base.schema, 10);
  const auto refused = [&](const IvfIndex& index, const char* plan) {
    return index.Search(query, *ParsePlan(plan), &scratch, &result);
  };
  const absl::Status no_graph = refused(*lists, "graph=64:100,rescore");
  EXPECT_EQ(no_graph.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(no_graph.message()), HasSubstr("graph=64:100,rescore"));
  const absl::Status no_lists = refused(*graph, "coarse=16:1,scan=16:100,rescore");
  EXPECT_EQ(no_lists.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(no_lists.message()), HasSubstr("coarse=16:1"));
  const absl::Status other_dim = refused(*graph, "graph=100:100,rescore");
  EXPECT_EQ(other_dim.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(other_dim.message()), testing::AllOf(HasSubstr("100"), HasSubstr("64")));
  // The index goes on to answer.
  EXPECT_TRUE(refused(*graph, "graph=64:100,rescore").ok());
  EXPECT_EQ(result.hits.size(), 10u);
}

}  // namespace
}  // namespace nestor