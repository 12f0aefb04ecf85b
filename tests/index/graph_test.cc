// Candidates from the graph of an index that was built at once: answers, recall, the adaptive stop,
// reachability, determinism, what a stage reports and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "index/kernels/kernels.h"
#include "tests/index/graph_testutil.h"

namespace nestor {
namespace {

using testing::HasSubstr;

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kL2};

VectorSchema SchemaOf(Metric metric, Dtype dtype = Dtype::kF32, uint32_t dim = 100) {
  return {.dim = dim, .nesting = {16, 50, dim}, .metric = metric, .dtype = dtype};
}

IndexSpec GraphOnly(uint32_t dim, uint32_t degree = 28, uint32_t ef_construction = 60) {
  return {.graph = GraphSpec{dim, degree, ef_construction}, .no_lists = true};
}

// --- Equal answers: with ef = all rows and no margin the graph changes nothing ---

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

TEST(GraphTest, TinySetsAnswerAsBruteForceDoes) {
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

// Every row is an answer: the graph is whole. With a result that holds all rows, by limit too.
void ExpectAllFound(const Matrix& base, const IvfIndex& index, const Matrix& queries) {
  const auto rows = static_cast<uint32_t>(base.rows());
  SearchScratch scratch;
  SearchResult result;
  for (size_t q = 0; q < queries.rows(); ++q) {
    const SearchQuery query = QueryOf(queries.row(q), base.schema, rows);
    ASSERT_TRUE(index.Search(query, GraphPlan(index, rows), &scratch, &result).ok());
    const std::vector<uint64_t> ids = NumericIds(index, result.hits);
    EXPECT_EQ(std::set<uint64_t>(ids.begin(), ids.end()).size(), rows)
        << Name(base.schema.metric) << " query " << q << ": rows out of reach";
  }
}

TEST(GraphTest, EveryRowCanBeReached) {
  for (Metric metric : kMetrics) {
    Matrix base = MakeMatrix(SchemaOf(metric), 1300, 1);
    ScaleRows(&base, 0.3, 3, 4);
    const Matrix queries = MakeMatrix(base.schema, 2, 2);
    for (int threads : {1, 4}) {
      for (uint32_t degree : {4u, 28u}) {
        const auto index = BuildWithThreads(base, GraphOnly(64, degree, 50), threads);
        ExpectAllFound(base, *index, queries);
      }
    }
  }
}

TEST(GraphTest, IdenticalRowsCanAllBeReached) {
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
      ExpectAllFound(base, *index, queries);
      ExpectAllFound(base, *index, one);
      ExpectExactAnswers(*index, queries, GraphPlan(*index, 500), 10);  // ties by id
    }
  }
}

// Clusters that lie apart by thousands of times their width: int8 codes do not tell the rows of one
// from each other.
TEST(GraphTest, FarApartClustersCanAllBeReached) {
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
        ExpectAllFound(base, *index, queries);
        ExpectExactAnswers(*index, queries, GraphPlan(*index, static_cast<uint32_t>(base.rows())),
                           10);
      }
    }
  }
}

TEST(GraphTest, ZeroVectorsAreRowsAndQueriesLikeOthers) {
  for (Metric metric : {Metric::kDot, Metric::kL2}) {
    const VectorSchema schema = SchemaOf(metric);
    Matrix base = MakeMatrix(schema, 300, 1);
    for (size_t i = 0; i < 300; i += 3) {
      std::fill_n(base.values.begin() + static_cast<ptrdiff_t>(i * 100), 100, 0.0f);
      std::fill_n(base.bytes.begin() + static_cast<ptrdiff_t>(i * 400), 400, std::byte{0});
    }
    Matrix queries = MakeMatrix(schema, 3, 2);
    std::fill_n(queries.values.begin(), 100, 0.0f);
    const auto index = BuildOrDie(base, GraphOnly(64));
    for (uint32_t limit : {10u, 300u}) {
      ExpectExactAnswers(*index, queries, GraphPlan(*index, 300), limit);
    }
    // Nothing but zeros: the largest norm is zero as well.
    const Matrix zeros = MatrixOf(schema, std::vector(50, std::vector<float>(100)));
    const auto all_zero = BuildOrDie(zeros, GraphOnly(64));
    ExpectExactAnswers(*all_zero, queries, GraphPlan(*all_zero, 50), 50);
  }
}

// The graph's dim need not be in the nesting: x[:graph_dim] of a valid row may be zero.
TEST(GraphTest, RowsWhosePrefixIsZeroAreFoundUnderCosine) {
  const VectorSchema schema{.dim = 100, .nesting = {100}, .metric = Metric::kCosine};
  Matrix base = MakeMatrix(schema, 300, 1);
  for (size_t i = 0; i < 300; i += 3) {
    std::fill_n(base.values.begin() + static_cast<ptrdiff_t>(i * 100), 64, 0.0f);
    std::fill_n(base.bytes.begin() + static_cast<ptrdiff_t>(i * 400), 256, std::byte{0});
  }
  Matrix queries = MakeMatrix(schema, 3, 2);
  std::fill_n(queries.values.begin(), 64, 0.0f);
  const auto index = BuildOrDie(base, GraphOnly(64));
  for (uint32_t limit : {10u, 300u}) {
    ExpectExactAnswers(*index, queries, GraphPlan(*index, 300), limit);
  }
}

// --- Recall and the adaptive stop ---

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

INSTANTIATE_TEST_SUITE_P(
    All, GraphRecallTest,
    testing::Values(RecallCase{Metric::kCosine, false}, RecallCase{Metric::kL2, false},
                    RecallCase{Metric::kDot, false}, RecallCase{Metric::kDot, true}),
    [](const testing::TestParamInfo<RecallCase>& info) {
      return absl::StrCat(Name(info.param.metric), info.param.scaled ? "_scaled" : "");
    });

// --- Determinism ---

using Answer = std::tuple<uint64_t, float>;

std::vector<std::vector<Answer>> AnswersOf(const IvfIndex& index, const Matrix& queries,
                                           const Plan& plan) {
  SearchScratch scratch;
  SearchResult result;
  std::vector<std::vector<Answer>> answers;
  for (size_t q = 0; q < queries.rows(); ++q) {
    EXPECT_TRUE(
        index.Search(QueryOf(queries.row(q), queries.schema, 10), plan, &scratch, &result).ok());
    std::vector<Answer>& answer = answers.emplace_back();
    for (const Hit& hit : result.hits) {
      answer.emplace_back(std::get<uint64_t>(index.IdAt(hit.slot)), hit.score);
    }
    // How it came about is the same as well.
    answer.emplace_back(result.stages[0].in, static_cast<float>(result.stages[0].out));
  }
  return answers;
}

TEST(GraphTest, OneThreadBuildsTheSameGraphEachTime) {
  for (Metric metric : kMetrics) {
    const Matrix base = MakeMatrix(SchemaOf(metric), 1500, 1);
    const Matrix queries = MakeMatrix(base.schema, 30, 2);
    for (bool no_lists : {true, false}) {
      const IndexSpec spec{
          .coarse_dim = 16, .lists = 20, .graph = GraphSpec{64, 16, 60}, .no_lists = no_lists};
      const auto first = BuildWithThreads(base, spec, 1);
      const auto second = BuildWithThreads(base, spec, 1);
      // A plan that misses much: whatever differs in the graph shows.
      const Plan plan = *ParsePlan("graph=64:10:0.1");
      EXPECT_EQ(AnswersOf(*first, queries, plan), AnswersOf(*second, queries, plan));
      EXPECT_EQ(first->Memory().graph, second->Memory().graph);
    }
  }
}

// What this process answers: a hash of ids, score bits and counts, from graphs that it builds and
// inserts into.
uint64_t HashOfAnswers() {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  const auto add = [&hash](const void* data, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) {
      hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001b3u;
    }
  };
  for (Metric metric : kMetrics) {
    for (Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kI8}) {
      const Matrix base = MakeMatrix(SchemaOf(metric, dtype), 500, 1);
      const Matrix later = MakeMatrix(base.schema, 100, 3);
      const Matrix queries = MakeMatrix(SchemaOf(metric), 10, 2);
      const auto index = BuildWithThreads(base, GraphOnly(64, 12, 40), 1);
      for (size_t i = 0; i < later.rows(); ++i) {
        AppendOrDie(index.get(), later, i, 1000 + i, 2 + i);
      }
      SearchScratch scratch;
      SearchResult result;
      for (const char* text : {"graph=64:15", "graph=64:30:0.1,refine=100:20",
                               "graph=64:40:0.2,refine=100:20,rescore"}) {
        for (size_t q = 0; q < queries.rows(); ++q) {
          const SearchQuery query = QueryOf(queries.row(q), base.schema, 10, 200);
          EXPECT_TRUE(index->Search(query, *ParsePlan(text), &scratch, &result).ok());
          for (const Hit& hit : result.hits) {
            const auto id = std::get<uint64_t>(index->IdAt(hit.slot));
            add(&id, sizeof(id));
            add(&hit.score, sizeof(hit.score));
          }
          add(&result.stages[0].in, sizeof(result.stages[0].in));
          add(&result.stages[0].out, sizeof(result.stages[0].out));
        }
      }
    }
  }
  return hash;
}

// Kernels are chosen once in a process: each level answers in one of its own.
TEST(GraphTest, EverySimdLevelGivesTheSameAnswers) {
  constexpr char kMarker[] = "hash of answers: ";
  constexpr char kChild[] = "NESTOR_TEST_PRINT_ANSWERS";
  const std::string hash = absl::StrCat(absl::Hex(HashOfAnswers()));
  if (std::getenv(kChild) != nullptr) {
    std::printf("%s%s\n", kMarker, hash.c_str());
    return;
  }
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  for (SimdLevel level : {SimdLevel::kScalar, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    if (!Supported(level)) continue;
    const std::string command =
        absl::StrCat("NESTOR_SIMD=", Name(level), " ", kChild, "=1 '", program,
                     "' --gtest_filter=GraphTest.EverySimdLevelGivesTheSameAnswers 2>&1");
    FILE* const child = popen(command.c_str(), "r");
    ASSERT_NE(child, nullptr);
    std::string output;
    for (char line[512]; std::fgets(line, sizeof(line), child) != nullptr;) output += line;
    EXPECT_EQ(pclose(child), 0) << output;
    EXPECT_THAT(output, HasSubstr(absl::StrCat(kMarker, hash, "\n"))) << Name(level);
  }
}

TEST(GraphTest, AScratchUsedForAnotherIndexChangesNothing) {
  const Matrix large = MakeMatrix(SchemaOf(Metric::kL2, Dtype::kF32, 300), 1500, 1);
  const Matrix small = MakeMatrix(SchemaOf(Metric::kCosine, Dtype::kI8, 50 + 7), 200, 1);
  const auto large_index = BuildOrDie(large, GraphOnly(128));
  const auto small_index = BuildOrDie(small, GraphOnly(57));
  const Plan large_plan = GraphPlan(*large_index, 300);
  const Plan small_plan = GraphPlan(*small_index, 20, 0.1f);
  SearchScratch shared;
  SearchResult result;
  for (size_t q = 0; q < 50; ++q) {
    ASSERT_TRUE(
        large_index->Search(QueryOf(large.row(q), large.schema, 10), large_plan, &shared, &result)
            .ok());
    // Queries with fractions and with integers.
    std::vector<float> vector(small.row(q), small.row(q) + small.schema.dim);
    if (q % 2 == 0) vector[3] += 0.5f;
    const SearchQuery query = QueryOf(vector.data(), small.schema, 10);
    ASSERT_TRUE(small_index->Search(query, small_plan, &shared, &result).ok());
    SearchScratch fresh;
    SearchResult expected;
    ASSERT_TRUE(small_index->Search(query, small_plan, &fresh, &expected).ok());
    ASSERT_EQ(NumericIds(*small_index, result.hits), NumericIds(*small_index, expected.hits)) << q;
  }
}

// --- Costs, memory ---

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
    EXPECT_GE(graph.micros, 0);
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
