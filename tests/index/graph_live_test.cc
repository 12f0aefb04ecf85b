// The graph while rows come and go: what each snapshot sees, recall beside a graph that was built
// at once, dead rows, repair, and readers beside a writer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <set>
#include <string>
#include <thread>

#include "index/graph/graph.h"
#include "tests/index/graph_testutil.h"

namespace nestor {
namespace {

// The rows [begin, end) of a matrix.
Matrix Part(const Matrix& matrix, size_t begin, size_t end) {
  const size_t dim = matrix.schema.dim;
  const size_t bytes = dim * DtypeBytes(matrix.schema.dtype);
  Matrix part{.schema = matrix.schema};
  part.values.assign(matrix.row(begin), matrix.row(begin) + (end - begin) * dim);
  part.bytes.assign(matrix.stored(begin), matrix.stored(begin) + (end - begin) * bytes);
  return part;
}

class Searcher {
 public:
  explicit Searcher(const IvfIndex& index) : index_(index) {}
  const std::vector<Hit>& operator()(const SearchQuery& query, const Plan& plan) {
    const absl::Status status = index_.Search(query, plan, &scratch_, &result_);
    EXPECT_TRUE(status.ok()) << status;
    return result_.hits;
  }

 private:
  const IvfIndex& index_;
  SearchScratch scratch_;
  SearchResult result_;
};

TEST(GraphLiveTest, AppendedRowsAreFoundAtTheirSequenceAndNotBefore) {
  for (Metric metric : {Metric::kCosine, Metric::kL2}) {
    const Matrix all = MakeMatrix(SchemaOf(metric), 900, 1);
    const auto index = BuildOrDie(Part(all, 0, 600), GraphOnly());
    Searcher search(*index);
    const Plan plan = GraphPlan(*index, 64);
    for (size_t i = 600; i < 900; ++i) {
      const uint64_t born = i - 598;
      const uint32_t slot = AppendOrDie(index.get(), all, i, i, born);
      // A row is its own nearest.
      EXPECT_EQ(search(QueryOf(all.row(i), all.schema, 10, born), plan)[0].slot, slot);
      for (const Hit& hit : search(QueryOf(all.row(i), all.schema, 10, born - 1), plan)) {
        EXPECT_NE(hit.slot, slot);
      }
    }
    const Matrix queries = MakeMatrix(all.schema, 5, 2);
    for (uint64_t snapshot : {1u, 2u, 101u, 300u, 301u, 100000u}) {
      ExpectExactAnswers(*index, queries, GraphPlan(*index, 900), 10, snapshot);
    }
  }
}

// Upserts and deletes against brute force, which does not know of the graph.
TEST(GraphLiveTest, EverySnapshotSeesItsState) {
  for (Metric metric : kMetrics) {
    const Matrix base = MakeMatrix(SchemaOf(metric, Dtype::kF16), 600, 1);
    const Matrix later = MakeMatrix(base.schema, 300, 5);
    const Matrix queries = MakeMatrix(base.schema, 4, 2);
    for (const IndexSpec& spec :
         {GraphOnly(), IndexSpec{.lists = 20, .graph = GraphSpec{100, 12, 60}}}) {
      const auto index = BuildOrDie(base, spec);
      std::mt19937_64 random(4);
      std::vector<uint32_t> alive;
      for (uint32_t slot = 0; slot < 600; ++slot) alive.push_back(slot);
      uint64_t sequence = 1;
      for (size_t i = 0; i < later.rows(); ++i) {
        ++sequence;
        const size_t victim = random() % alive.size();
        const uint32_t dead = alive[victim];
        if (i % 3 == 0) {
          alive.erase(alive.begin() + static_cast<ptrdiff_t>(victim));
        } else {
          const uint64_t id = std::get<uint64_t>(index->IdAt(dead));  // overwritten
          const auto slot = index->Append(index->Assign(later.stored(i)), PointId(id), 2000 + i,
                                          sequence, later.stored(i));
          ASSERT_TRUE(slot.ok());
          alive[victim] = *slot;
        }
        index->MarkDead(dead, sequence);
      }
      const Plan plan = GraphPlan(*index, 1000);
      for (uint64_t snapshot : {uint64_t{1}, uint64_t{50}, sequence}) {
        ExpectExactAnswers(*index, queries, plan, 100, snapshot);
      }
      // The last state has each id once.
      SearchResult result;
      SearchScratch scratch;
      const SearchQuery query = QueryOf(queries.row(0), base.schema, 1000, sequence);
      ASSERT_TRUE(index->Search(query, plan, &scratch, &result).ok());
      const std::vector<uint64_t> ids = NumericIds(*index, result.hits);
      EXPECT_EQ(ids.size(), 500u);
      EXPECT_EQ(std::set<uint64_t>(ids.begin(), ids.end()).size(), 500u);
    }
  }
}

TEST(GraphLiveTest, SkippedSlotIsLeftOut) {
  const Matrix base = MakeMatrix(SchemaOf(Metric::kCosine), 700, 1);
  const auto index = BuildOrDie(Part(base, 0, 600), GraphOnly());
  for (size_t i = 600; i < 700; ++i) AppendOrDie(index.get(), base, i, i, i);
  index->MarkDead(17, 800);
  Searcher search(*index);
  for (float margin : {0.0f, 0.2f}) {
    const Plan plan = GraphPlan(*index, 64, margin);
    for (uint32_t slot : {0u, 17u, 300u, 599u, 650u, 699u}) {
      SearchQuery query = QueryOf(base.row(index->RowAt(slot)), base.schema, 5, 799);
      EXPECT_EQ(search(query, plan)[0].slot, slot);
      query.skip_slot = slot;
      const std::vector<Hit> hits = search(query, plan);
      EXPECT_EQ(hits.size(), 5u);
      for (const Hit& hit : hits) EXPECT_NE(hit.slot, slot);
    }
  }
}

TEST(GraphLiveTest, GrowsFromNothing) {
  for (Metric metric : kMetrics) {
    const Matrix base = MakeMatrix(SchemaOf(metric), 1000, 1);
    const Matrix queries = QueriesNear(base, 50, 2);
    const auto index = CreateEmpty(base.schema, GraphOnly());
    Searcher search(*index);
    EXPECT_TRUE(search(QueryOf(base.row(0), base.schema, 10), GraphPlan(*index, 100)).empty());
    for (size_t i = 0; i < 1000; ++i) {
      AppendOrDie(index.get(), base, i, i, i + 1);
      const auto seen = static_cast<uint32_t>(i + 1);
      if (seen < 5 || seen % 200 == 0) {
        ExpectExactAnswers(*index, Part(queries, 0, 3), GraphPlan(*index, seen + 10), 10, seen);
      }
    }
    EXPECT_GE(RecallOf(*index, queries, GraphPlan(*index, 64), 10, 1000), 0.95) << Name(metric);
    EXPECT_GE(RecallOf(*index, queries, GraphPlan(*index, 200, 0.25f), 10, 1000), 0.95)
        << Name(metric);
  }
}

TEST(GraphLiveTest, HalfBuiltAndHalfAppendedIsAsGoodAsBuiltAtOnce) {
  for (Metric metric : kMetrics) {
    Matrix base = MakeMatrix(SchemaOf(metric), 1200, 1);
    if (metric == Metric::kDot) ScaleRows(&base, 0.3, 3, 4);
    const Matrix queries = QueriesNear(base, 100, 2);
    const auto whole = BuildOrDie(base, GraphOnly());
    const auto half = BuildOrDie(Part(base, 0, 600), GraphOnly());
    for (size_t i = 600; i < 1200; ++i) AppendOrDie(half.get(), base, i, i, i);
    for (const char* text :
         {"graph=64:20,refine=100:20,rescore", "graph=64:200:0.15,refine=100:30,rescore"}) {
      const Plan plan = *ParsePlan(text);
      const double recall = RecallOf(*whole, queries, plan, 10, 1200);
      EXPECT_GE(RecallOf(*half, queries, plan, 10, 1200), recall - 0.02)
          << Name(metric) << " " << text << " built at once: " << recall;
    }
  }
}

TEST(GraphLiveTest, DeadRowsAreNeverReturnedAndRecallStays) {
  for (Metric metric : kMetrics) {
    const Matrix base = MakeMatrix(SchemaOf(metric), 1000, 1);
    const Matrix queries = QueriesNear(base, 60, 2);
    const auto index = BuildOrDie(base, GraphOnly());
    const Plan plan = GraphPlan(*index, 30);
    const double before = RecallOf(*index, queries, plan, 10, 1);
    std::mt19937_64 random(3);
    std::vector<uint32_t> slots(1000);
    for (uint32_t i = 0; i < 1000; ++i) slots[i] = i;
    std::shuffle(slots.begin(), slots.end(), random);
    for (uint32_t i = 0; i < 300; ++i) index->MarkDead(slots[i], 2 + i);
    const std::set<uint32_t> dead(slots.begin(), slots.begin() + 300);
    Searcher search(*index);
    for (size_t q = 0; q < queries.rows(); ++q) {
      for (float margin : {0.0f, 0.2f}) {
        const auto hits =
            search(QueryOf(queries.row(q), base.schema, 10, 301), GraphPlan(*index, 30, margin));
        EXPECT_EQ(hits.size(), 10u);
        for (const Hit& hit : hits) EXPECT_FALSE(dead.contains(hit.slot));
      }
    }
    EXPECT_GE(RecallOf(*index, queries, plan, 10, 301), before - 0.01) << Name(metric);
    // Who came before them sees what there was.
    EXPECT_EQ(RecallOf(*index, queries, plan, 10, 1), before);
    ExpectExactAnswers(*index, Part(queries, 0, 3), GraphPlan(*index, 1000), 10, 150);
    ExpectExactAnswers(*index, Part(queries, 0, 3), GraphPlan(*index, 700), 10, 301);
  }
}

// All that is near the query has died: more than the pool holds.
TEST(GraphLiveTest, ADeletedClusterDoesNotHideWhatLiesBehind) {
  for (Metric metric : kMetrics) {
    const VectorSchema schema = SchemaOf(metric);
    std::mt19937_64 random(5);
    std::normal_distribution<float> normal;
    std::vector<std::vector<float>> rows;
    for (size_t i = 0; i < 900; ++i) {
      std::vector<float> row(100);
      for (uint32_t d = 0; d < 100; ++d) row[d] = normal(random) * (d < 30 ? 1 : 0.3f);
      if (i < 250) row[0] += 12;  // the cluster
      rows.push_back(row);
    }
    const Matrix base = MatrixOf(schema, rows);
    const auto index = BuildOrDie(base, GraphOnly());
    for (uint32_t i = 0; i < 250; ++i) index->MarkDead(i, 2);
    Searcher search(*index);
    for (float margin : {0.0f, 0.2f}) {
      for (size_t q = 0; q < 250; q += 20) {
        const auto hits =
            search(QueryOf(base.row(q), schema, 10, 2), GraphPlan(*index, 50, margin));
        EXPECT_EQ(hits.size(), 10u) << Name(metric);
        for (const Hit& hit : hits) EXPECT_GE(hit.slot, 250u);
      }
    }
  }
}

// --- Rows that differ from those before in ways that have gone wrong ---

TEST(GraphLiveTest, IdenticalRowsAreReachedHoweverManyCome) {
  for (Metric metric : kMetrics) {
    const Matrix base = MakeMatrix(SchemaOf(metric), 300, 1);
    for (bool built : {true, false}) {
      const auto index =
          built ? BuildOrDie(base, GraphOnly()) : CreateEmpty(base.schema, GraphOnly());
      for (uint64_t i = 0; i < 300; ++i) AppendOrDie(index.get(), base, 7, 1000 + i, 2 + i);
      Searcher search(*index);
      const auto rows = static_cast<uint32_t>(built ? 600 : 300);
      for (size_t q : {7u, 8u}) {
        EXPECT_EQ(
            search(QueryOf(base.row(q), base.schema, rows, 400), GraphPlan(*index, rows)).size(),
            rows)
            << Name(metric) << (built ? " after a build" : " from nothing");
      }
    }
  }
}

// Under DOT rows longer than all that the graph was built with.
TEST(GraphLiveTest, LongerRowsThanEverBeforeAreFound) {
  Matrix base = MakeMatrix(SchemaOf(Metric::kDot), 1600, 1);
  // The second half is up to ten times as long.
  Matrix longer = Part(base, 800, 1600);
  ScaleRows(&longer, 1, 10, 3);
  const Matrix queries = QueriesNear(base, 100, 2);
  const auto index = BuildOrDie(Part(base, 0, 800), GraphOnly());
  for (size_t i = 0; i < 800; ++i) AppendOrDie(index.get(), longer, i, 800 + i, 2 + i);
  for (const char* text :
       {"graph=64:64,refine=100:30,rescore", "graph=64:200:0.25,refine=100:30,rescore"}) {
    EXPECT_GE(RecallOf(*index, queries, *ParsePlan(text), 10, 1000), 0.95) << text;
  }
  ExpectExactAnswers(*index, Part(queries, 0, 5), GraphPlan(*index, 1600), 10, 1000);
}

// Sequences that a node's state has no room for.
TEST(GraphLiveTest, SequencesOfAnySizeWork) {
  const Matrix base = MakeMatrix(SchemaOf(Metric::kL2), 600, 1);
  const Matrix queries = QueriesNear(base, 30, 2);
  for (bool built : {true, false}) {
    const auto index =
        built ? BuildOrDie(Part(base, 0, 300), GraphOnly()) : CreateEmpty(base.schema, GraphOnly());
    constexpr uint64_t kFirst = uint64_t{1} << 40;
    for (size_t i = built ? 300 : 0; i < 600; ++i) {
      AppendOrDie(index.get(), base, i, i, kFirst + i);
    }
    EXPECT_GE(RecallOf(*index, queries, GraphPlan(*index, 64), 10, kFirst + 600), 0.95) << built;
    for (uint64_t snapshot : {kFirst - 1, kFirst + 400, kFirst + 599}) {
      ExpectExactAnswers(*index, queries, GraphPlan(*index, 600), 10, snapshot);
    }
  }
}

// --- Repair ---

TEST(GraphLiveTest, RepairTakesDeadNodesOutAndTheirRecordsAreUsedAgain) {
  for (Metric metric : kMetrics) {
    const Matrix base = MakeMatrix(SchemaOf(metric), 1000, 1);
    const Matrix later = MakeMatrix(base.schema, 300, 9);
    const Matrix queries = QueriesNear(base, 60, 2);
    const auto index = BuildOrDie(base, GraphOnly());
    Graph* graph = index->graph();
    ASSERT_NE(graph, nullptr);
    const Plan plan = GraphPlan(*index, 30);
    const double before = RecallOf(*index, queries, plan, 10, 1);
    for (uint32_t i = 0; i < 300; ++i) index->MarkDead(i * 3, 2 + i);
    EXPECT_NEAR(graph->DeadShare(), 0.3, 1e-6);
    // Somebody may still read snapshot 151, before which 150 rows died.
    graph->SetOldest(151);
    absl::StatusOr<uint64_t> out = graph->Repair(nullptr);
    ASSERT_TRUE(out.ok()) << out.status();
    EXPECT_EQ(*out, 150u);
    for (uint64_t snapshot : {151u, 200u, 301u}) {
      ExpectExactAnswers(*index, Part(queries, 0, 5), GraphPlan(*index, 1000), 10, snapshot);
    }
    graph->SetOldest(301);
    out = graph->Repair(nullptr);
    ASSERT_TRUE(out.ok()) << out.status();
    EXPECT_EQ(*out, 150u);
    EXPECT_EQ(graph->DeadShare(), 0);
    EXPECT_EQ(*graph->Repair(nullptr), 0u);
    EXPECT_GE(RecallOf(*index, queries, plan, 10, 301), before - 0.01) << Name(metric);
    Searcher search(*index);
    EXPECT_EQ(
        search(QueryOf(queries.row(0), base.schema, 1000, 301), GraphPlan(*index, 1000)).size(),
        700u);

    // Once no reader is left that could have met them. Nodes retired at 301 stay until then.
    const uint32_t nodes = graph->nodes().limit();
    graph->SetOldest(302);
    for (size_t i = 0; i < 300; ++i) AppendOrDie(index.get(), later, i, 5000 + i, 302 + i);
    EXPECT_EQ(graph->nodes().limit(), nodes);
    const Plan all = GraphPlan(*index, 1000);
    for (size_t i = 0; i < 300; i += 50) {
      ExpectExactAnswers(*index, Part(later, i, i + 1), all, 20, 302 + i);
    }
    ExpectExactAnswers(*index, Part(queries, 0, 10), all, 10, 700);
    EXPECT_GE(RecallOf(*index, queries, plan, 10, 700), before - 0.02) << Name(metric);
  }
}

TEST(GraphLiveTest, ARepairThatIsStoppedLeavesTheGraphWhole) {
  const Matrix base = MakeMatrix(SchemaOf(Metric::kL2), 1500, 1);
  const Matrix queries = QueriesNear(base, 10, 2);
  const auto index = BuildOrDie(base, GraphOnly());
  for (uint32_t i = 0; i < 500; ++i) index->MarkDead(i, 2);
  index->graph()->SetOldest(2);
  for (int stop = 0; stop < 5; ++stop) {
    int left = stop;
    const auto status = index->graph()->Repair([&left] { return left-- > 0; }).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
    ExpectExactAnswers(*index, queries, GraphPlan(*index, 1000), 20, 2);
  }
  EXPECT_EQ(*index->graph()->Repair(nullptr), 500u);
  ExpectExactAnswers(*index, queries, GraphPlan(*index, 1000), 1000, 2);
}

TEST(GraphLiveTest, EveryRowIsInReachInTheMidstOfARepair) {
  for (Metric metric : kMetrics) {
    const Matrix base = MakeMatrix(SchemaOf(metric), 1500, 1);
    const Matrix query = QueriesNear(base, 1, 2);
    const auto index = BuildOrDie(base, GraphOnly());
    for (uint32_t i = 0; i < 1200; ++i) index->MarkDead(i, 2);
    index->graph()->SetOldest(2);
    const uint64_t mended = index->graph()->mended();
    int looks = 0;
    const auto done = index->graph()->Repair([&] {
      ++looks;
      ExpectExactAnswers(*index, query, GraphPlan(*index, 1500), 1000, 2);
      return !testing::Test::HasFailure();
    });
    EXPECT_EQ(*done, 1200u);
    EXPECT_GT(index->graph()->mended(), mended) << "there were no others";
    EXPECT_GE(looks, 1500 / 64);
    ExpectExactAnswers(*index, query, GraphPlan(*index, 1500), 1000, 2);
  }
}

TEST(GraphLiveTest, EveryRowMayDieAndOthersCome) {
  for (Metric metric : kMetrics) {
    const Matrix base = MakeMatrix(SchemaOf(metric), 300, 1);
    const Matrix later = MakeMatrix(base.schema, 300, 4);
    const Matrix queries = QueriesNear(later, 5, 2);
    for (bool repaired : {true, false}) {
      const auto index = BuildOrDie(base, GraphOnly());
      for (uint32_t i = 0; i < 300; ++i) index->MarkDead(i, 2);
      ExpectExactAnswers(*index, queries, GraphPlan(*index, 600), 10, 1);
      ExpectExactAnswers(*index, queries, GraphPlan(*index, 600), 10, 2);  // nothing
      if (repaired) {
        index->graph()->SetOldest(3);
        EXPECT_EQ(*index->graph()->Repair(nullptr), 300u);
      }
      for (size_t i = 0; i < 300; ++i) {
        AppendOrDie(index.get(), later, i, 400 + i, 3 + i);
        if (i % 60 < 2) {
          ExpectExactAnswers(*index, queries, GraphPlan(*index, 600), 10, 3 + i);
        }
      }
      EXPECT_GE(RecallOf(*index, queries, GraphPlan(*index, 64), 10, 400), 0.95) << repaired;
    }
  }
}

// --- Threads ---

// One writer that appends, overwrites and repairs, two readers: every answer is a state that
// existed at its snapshot.
TEST(GraphLiveTest, ReadersSeeWholeStatesWhileOneWritesAndRepairs) {
  const VectorSchema schema{.dim = 64, .nesting = {8, 64}, .metric = Metric::kCosine};
  const Matrix base = MakeMatrix(schema, 500, 1);
  const Matrix later = MakeMatrix(schema, 700, 3);
  const auto index = BuildOrDie(base, {.graph = GraphSpec{64, 12, 40}, .no_lists = true});
  std::atomic<uint64_t> published{1};
  // The snapshot that each reader holds: what repairs must leave alone.
  std::atomic<uint64_t> held[2] = {1, 1};
  std::atomic<uint64_t> searches[2] = {0, 0};
  std::atomic<uint64_t> taken_out{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      SearchScratch scratch;
      SearchResult result;
      const Plan plans[] = {GraphPlan(*index, 1200), GraphPlan(*index, 40, 0.2f)};
      for (size_t i = static_cast<size_t>(t); !done.load(); i = (i + 2) % later.rows()) {
        // Held first, then looked at again: a repair that came between sees it.
        uint64_t snapshot = published.load();
        for (;;) {
          held[t].store(snapshot);
          const uint64_t again = published.load();
          if (again == snapshot) break;
          snapshot = again;
        }
        const SearchQuery query = QueryOf(later.row(i), schema, 20, snapshot);
        const bool all = i % 3 == 0;
        const absl::Status status = index->Search(query, plans[all ? 0 : 1], &scratch, &result);
        ASSERT_TRUE(status.ok()) << status;
        ASSERT_EQ(result.hits.size(), 20u);
        std::set<uint64_t> ids;
        for (const Hit& hit : result.hits) {
          ASSERT_LE(index->BornAt(hit.slot), snapshot);
          ASSERT_GT(index->DeadAt(hit.slot), snapshot);
          ASSERT_TRUE(ids.insert(std::get<uint64_t>(index->IdAt(hit.slot))).second);
        }
        // Row i of `later` is written at sequence i + 2 and stays: from then on it is its own
        // nearest.
        if (all && snapshot >= i + 2) {
          ASSERT_EQ(std::get<uint64_t>(index->IdAt(result.hits[0].slot)), 10000 + i);
        }
        searches[t].fetch_add(1);
      }
    });
  }
  std::thread repairs([&] {
    while (!done.load()) {
      // Before readers take a later one, they publish the one they hold.
      const uint64_t newest = published.load();
      index->graph()->SetOldest(std::min({newest, held[0].load(), held[1].load()}));
      const absl::StatusOr<uint64_t> count = index->graph()->Repair(nullptr);
      ASSERT_TRUE(count.ok()) << count.status();
      taken_out.fetch_add(*count);
      std::this_thread::yield();
    }
  });
  for (uint64_t i = 0; i < later.rows(); ++i) {
    const uint64_t sequence = i + 2;
    AppendOrDie(index.get(), later, i, 10000 + i, sequence);
    if (i < 450) index->MarkDead(static_cast<uint32_t>(i), sequence);
    published.store(sequence);
    if (i % 5 != 0) continue;
    // So that all of them are at it all the time.
    const uint64_t seen[2] = {searches[0].load(), searches[1].load()};
    while (!HasFailure() && (searches[0].load() == seen[0] || searches[1].load() == seen[1])) {
      std::this_thread::yield();
    }
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  repairs.join();
  EXPECT_GT(taken_out.load(), 0u);
}

}  // namespace
}  // namespace nestor
