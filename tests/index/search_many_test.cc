// Searches that share a thread and take turns.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "index/ivf_index.h"
#include "tests/index/index_testutil.h"

namespace nestor {
namespace {

const VectorSchema kSchema{.dim = 128, .nesting = {64, 128}, .metric = Metric::kL2};
constexpr uint32_t kQueries = 41;

// Hands out queries of different limits, so that they end at different times.
class Queries : public SearchFeed {
 public:
  Queries(const Matrix& queries, uint32_t begin, uint32_t end)
      : queries_(queries), next_(begin), end_(end), results(kQueries) {}
  absl::StatusOr<bool> Next(size_t lane, SearchQuery* query) override {
    EXPECT_EQ(under_way_[lane], kNone);
    if (next_ == fail_at) return absl::DataLossError("this one cannot be read");
    if (next_ == end_) return false;
    *query = Query(next_);
    under_way_[lane] = next_++;
    return true;
  }
  void Take(size_t lane, const SearchResult& result) override {
    ASSERT_NE(under_way_[lane], kNone);
    EXPECT_TRUE(taken.insert(under_way_[lane]).second);
    results[under_way_[lane]] = result;
    under_way_[lane] = kNone;
  }
  SearchQuery Query(uint32_t i) const {
    SearchQuery query = QueryOf(queries_.row(i), kSchema, i % 3 == 0 ? 3 : 10);
    query.cancelled = cancelled;
    return query;
  }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  const Matrix& queries_;
  uint32_t next_;
  const uint32_t end_;
  std::array<uint32_t, kLanes> under_way_{kNone, kNone};

 public:
  std::vector<SearchResult> results;
  std::set<uint32_t> taken;
  uint32_t fail_at = kNone;
  const std::atomic<bool>* cancelled = nullptr;
};

class SearchManyTest : public ::testing::Test {
 protected:
  SearchManyTest() {
    IndexSpec spec;
    spec.graph = GraphSpec{.dim = 64, .degree = 12, .ef_construction = 60};
    index_ = BuildOrDie(base_, spec);
  }
  static void ExpectSame(const SearchResult& a, const SearchResult& b) {
    ASSERT_EQ(a.hits.size(), b.hits.size());
    for (size_t h = 0; h < a.hits.size(); ++h) {
      EXPECT_EQ(a.hits[h].slot, b.hits[h].slot);
      EXPECT_EQ(a.hits[h].score, b.hits[h].score);
    }
    EXPECT_EQ(a.score_dim, b.score_dim);
    ASSERT_EQ(a.stages.size(), b.stages.size());
    for (size_t s = 0; s < a.stages.size(); ++s) {
      EXPECT_STREQ(a.stages[s].name, b.stages[s].name);
      EXPECT_EQ(a.stages[s].in, b.stages[s].in);
      EXPECT_EQ(a.stages[s].out, b.stages[s].out);
    }
  }

  const Matrix base_ = MakeMatrix(kSchema, 2000, 1);
  const Matrix queries_ = MakeMatrix(kSchema, kQueries, 2);
  std::unique_ptr<IvfIndex> index_;
  SearchScratch scratch_;
};

TEST_F(SearchManyTest, GraphAnswersDoNotDependOnTheOthers) {
  for (const char* text :
       {"graph=64:40,refine=128:20,rescore", "graph=64:400:0.1,rescore", "graph=64:12"}) {
    const Plan plan = *ParsePlan(text);
    Queries all(queries_, 0, kQueries);
    ASSERT_TRUE(index_->SearchMany(plan, &all, &scratch_).ok());
    EXPECT_EQ(all.taken.size(), kQueries);
    for (uint32_t q = 0; q < kQueries; ++q) {
      Queries alone(queries_, q, q + 1);
      ASSERT_TRUE(index_->SearchMany(plan, &alone, &scratch_).ok());
      ExpectSame(all.results[q], alone.results[q]);
      EXPECT_GT(all.results[q].stages[0].micros, 0);
    }
  }
}

TEST_F(SearchManyTest, GraphAnswersAsExactWhereAllRowsAreInThePool) {
  const Plan plan = *ParsePlan("graph=64:2000,rescore");
  Queries all(queries_, 0, kQueries);
  ASSERT_TRUE(index_->SearchMany(plan, &all, &scratch_).ok());
  for (uint32_t q = 0; q < kQueries; ++q) {
    SearchResult exact;
    ASSERT_TRUE(index_->SearchExact(all.Query(q), kSchema.dim, &scratch_, &exact).ok());
    ASSERT_EQ(all.results[q].hits.size(), exact.hits.size());
    for (size_t h = 0; h < exact.hits.size(); ++h) {
      EXPECT_EQ(all.results[q].hits[h].slot, exact.hits[h].slot);
    }
  }
}

TEST_F(SearchManyTest, ListsAnswerAsOneByOne) {
  const Plan plan = *ParsePlan("coarse=64:4,scan=64:40,refine=128:20,rescore");
  Queries all(queries_, 0, kQueries);
  ASSERT_TRUE(index_->SearchMany(plan, &all, &scratch_).ok());
  EXPECT_EQ(all.taken.size(), kQueries);
  for (uint32_t q = 0; q < kQueries; ++q) {
    SearchResult alone;
    ASSERT_TRUE(index_->Search(all.Query(q), plan, &scratch_, &alone).ok());
    ExpectSame(all.results[q], alone);
  }
}

TEST_F(SearchManyTest, NoQueries) {
  for (const char* text : {"graph=64:40", "coarse=64:4,scan=64:40"}) {
    Queries none(queries_, 0, 0);
    EXPECT_TRUE(index_->SearchMany(*ParsePlan(text), &none, &scratch_).ok());
    EXPECT_TRUE(none.taken.empty());
  }
}

TEST_F(SearchManyTest, AnErrorEndsItAndTheScratchStaysGood) {
  for (const char* text : {"graph=64:40", "coarse=64:4,scan=64:40"}) {
    const Plan plan = *ParsePlan(text);
    Queries unread(queries_, 0, kQueries);
    unread.fail_at = 7;
    EXPECT_EQ(index_->SearchMany(plan, &unread, &scratch_).code(), absl::StatusCode::kDataLoss);
    EXPECT_LE(unread.taken.size(), 7u);

    const std::atomic<bool> cancelled{true};
    Queries given_up(queries_, 0, kQueries);
    given_up.cancelled = &cancelled;
    EXPECT_EQ(index_->SearchMany(plan, &given_up, &scratch_).code(), absl::StatusCode::kCancelled);
    EXPECT_TRUE(given_up.taken.empty());

    Queries all(queries_, 0, kQueries);
    ASSERT_TRUE(index_->SearchMany(plan, &all, &scratch_).ok());
    EXPECT_EQ(all.taken.size(), kQueries);
  }
}

TEST_F(SearchManyTest, FailsWithoutAGraph) {
  const std::unique_ptr<IvfIndex> lists = BuildOrDie(base_, {});
  Queries all(queries_, 0, kQueries);
  EXPECT_EQ(lists->SearchMany(*ParsePlan("graph=64:40"), &all, &scratch_).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(all.taken.empty());
}

}  // namespace
}  // namespace nestor
