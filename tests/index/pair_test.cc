// Two searches that take turns answer as each does alone.
#include <gtest/gtest.h>

#include <array>

#include "index/ivf_index.h"
#include "tests/index/index_testutil.h"

namespace nestor {
namespace {

const VectorSchema kSchema{.dim = 128, .nesting = {64, 128}, .metric = Metric::kL2};

TEST(PairTest, AnswersAsAlone) {
  const Matrix base = MakeMatrix(kSchema, 2000, 1);
  const Matrix queries = MakeMatrix(kSchema, 40, 2);
  IndexSpec spec;
  spec.graph = GraphSpec{.dim = 64, .degree = 12, .ef_construction = 60};
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base, spec);
  SearchScratch scratch, pair_scratch;
  for (const char* text : {"graph=64:40,refine=128:20,rescore", "graph=64:400:0.1,rescore",
                           "graph=64:12", "coarse=64:4,scan=64:40,refine=128:20,rescore"}) {
    const Plan plan = *ParsePlan(text);
    for (uint32_t q = 0; q < 40; q += 2) {
      // Unequal ones, so that one ends before the other.
      const std::array<SearchQuery, 2> both = {QueryOf(queries.row(q), kSchema, 10),
                                               QueryOf(queries.row(q + 1), kSchema, 3)};
      std::array<SearchResult, 2> results;
      ASSERT_TRUE(index->SearchPair(both, plan, &pair_scratch, &results).ok());
      for (size_t i = 0; i < 2; ++i) {
        SearchResult alone;
        ASSERT_TRUE(index->Search(both[i], plan, &scratch, &alone).ok());
        ASSERT_EQ(results[i].hits.size(), alone.hits.size());
        for (size_t h = 0; h < alone.hits.size(); ++h) {
          EXPECT_EQ(results[i].hits[h].slot, alone.hits[h].slot);
          EXPECT_EQ(results[i].hits[h].score, alone.hits[h].score);
        }
        ASSERT_EQ(results[i].stages.size(), alone.stages.size());
        for (size_t s = 0; s < alone.stages.size(); ++s) {
          EXPECT_EQ(results[i].stages[s].in, alone.stages[s].in);
          EXPECT_EQ(results[i].stages[s].out, alone.stages[s].out);
        }
        EXPECT_EQ(results[i].score_dim, alone.score_dim);
      }
    }
  }
}

TEST(PairTest, FailsAsAlone) {
  const Matrix base = MakeMatrix(kSchema, 300, 1);
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base, {});
  const SearchQuery query = QueryOf(base.row(0), kSchema, 3);
  SearchScratch scratch;
  std::array<SearchResult, 2> results;
  EXPECT_EQ(index->SearchPair({query, query}, *ParsePlan("graph=64:40"), &scratch, &results).code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace nestor
