// The same graph and the same answers again: build after build, at every SIMD level, whatever a
// scratch was used for before.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/kernels/kernels.h"
#include "tests/index/graph_testutil.h"

namespace nestor {
namespace {

using testing::HasSubstr;

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

TEST(GraphRepeatTest, OneThreadBuildsTheSameGraphEachTime) {
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
TEST(GraphRepeatTest, EverySimdLevelGivesTheSameAnswers) {
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
                     "' --gtest_filter=GraphRepeatTest.EverySimdLevelGivesTheSameAnswers 2>&1");
    FILE* const child = popen(command.c_str(), "r");
    ASSERT_NE(child, nullptr);
    std::string output;
    for (char line[512]; std::fgets(line, sizeof(line), child) != nullptr;) output += line;
    EXPECT_EQ(pclose(child), 0) << output;
    EXPECT_THAT(output, HasSubstr(absl::StrCat(kMarker, hash, "\n"))) << Name(level);
  }
}

TEST(GraphRepeatTest, AScratchUsedForAnotherIndexChangesNothing) {
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

}  // namespace
}  // namespace nestor
