// One writer, two readers, repairs and checkpoints of the graph in a loop, builds now and then:
// every answer is a state that existed. Runs for NESTOR_STRESS_SECONDS a case (2 by default).
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/server/engine/engine_testutil.h"
#include "tests/server/engine/history.h"

namespace nestor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kPoints = 600;
constexpr uint32_t kPool = 10000;  // more than there are nodes, dead ones included
constexpr int kRepairsPerBuild = 20;

std::chrono::seconds Duration() {
  const char* text = std::getenv("NESTOR_STRESS_SECONDS");
  return std::chrono::seconds(text != nullptr ? std::max(1, std::atoi(text)) : 2);
}

struct Case {
  const char* name;
  Metric metric;
  ExactVectors exact_vectors;
  bool no_lists;
};

class StressTest : public ::testing::TestWithParam<Case> {
 protected:
  StressTest() : spec_(MakeSpec(GetParam().metric, Dtype::kF32)), history_(spec_.schema, kPoints) {
    spec_.durability = Durability::kAsync;  // more writes, so more repairs
    spec_.index.exact_vectors = GetParam().exact_vectors;
    options_.data_dir = dir_.path();
    options_.upkeep = {.pause = std::chrono::milliseconds(1),
                       .store_every = std::chrono::milliseconds(20)};
    options_.log = [this](Severity severity, absl::string_view text) { Hear(severity, text); };
  }

  void Hear(Severity severity, absl::string_view text) {
    EXPECT_EQ(severity, Severity::kInfo) << text;
    MutexLock lock(&mutex_);
    repairs_ += absl::StrContains(text, "repaired the graph") ? 1 : 0;
    stores_ += absl::StrContains(text, "stored the graph") ? 1 : 0;
    if (absl::StrContains(text, "loaded collection")) loaded_ = std::string(text);
    heard_.NotifyAll();
  }

  void BuildIndex() {
    IndexSpec index;
    index.exact_vectors = GetParam().exact_vectors;
    index.no_lists = GetParam().no_lists;
    index.lists = GetParam().no_lists ? 0 : 8;
    index.graph = GraphSpec{.dim = 32, .degree = 8, .ef_construction = 40};
    const Operation built = Await(*engine_, *engine_->BuildIndex("docs", index));
    ASSERT_EQ(built.state, OperationState::kSucceeded) << built.error;
    ++builds_;
  }

  // --- Writer ---
  void Upsert(std::vector<uint64_t> points) {
    const uint64_t number = ++last_number_;
    history_.Note(++last_seq_, points, number);
    std::vector<std::vector<float>> vectors;
    std::vector<PointInput> inputs;
    for (const uint64_t point : points) vectors.push_back(history_.VectorOf(point, number));
    for (size_t i = 0; i < points.size(); ++i) {
      inputs.push_back({points[i],
                        std::span<const float>(vectors[i]),
                        {{"version", static_cast<int64_t>(number)}}});
    }
    const absl::StatusOr<UpsertResult> result = engine_->Upsert("docs", inputs);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->seq, last_seq_);
    ++writes_;
  }
  void Delete(const std::vector<uint64_t>& points) {
    history_.Note(++last_seq_, points, 0);
    const std::vector<PointId> ids(points.begin(), points.end());
    const absl::StatusOr<DeleteResult> result = engine_->Delete("docs", ids);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->deleted, points.size());
    ASSERT_EQ(result->seq, last_seq_);
    ++writes_;
  }
  void Write(std::mt19937_64* random) {
    const bool erase = (*random)() % 6 == 0;
    const History::State now = history_.At(last_seq_);
    std::vector<uint64_t> points;
    for (size_t n = 1 + (*random)() % 20; n > 0; --n) {
      const uint64_t point = (*random)() % kPoints;
      if (erase && now[point].number == 0) continue;  // what is not there takes no sequence
      if (std::find(points.begin(), points.end(), point) == points.end()) points.push_back(point);
    }
    if (points.empty()) return;
    if (erase) {
      Delete(points);
    } else {
      Upsert(std::move(points));
    }
  }

  // --- Readers ---
  static Plan GraphPlan(uint32_t ef, float margin) {
    Plan plan;
    plan.graph = {.dim = 32, .ef = ef, .margin = margin};
    plan.rescore = true;
    return plan;
  }
  static Plan AllLists() {
    Plan plan;
    plan.coarse = {8, kMaxProbes};
    plan.scan = {16, kMaxLimit};
    plan.rescore = true;
    return plan;
  }
  // A search of one snapshot against the state that it is of. `complete`: all points are there.
  SearchReply Check(const SearchView& view, const History::State& state, const SearchHow& how,
                    uint32_t limit, bool complete, uint64_t query_number, SearchScratch* scratch) {
    const std::vector<float> query = history_.VectorOf(kPoints, query_number);
    SearchRequest request;
    request.query = std::span<const float>(query);
    request.limit = limit;
    request.how = how;
    request.output.attributes = limit < kMaxLimit;
    SearchReply reply;
    const absl::Status status = view.Search(request, scratch, &reply);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(reply.seq, view.seq());
    EXPECT_EQ(history_.Fault(state, query, reply.hits), "") << "of sequence " << view.seq();
    if (complete) {
      EXPECT_EQ(reply.hits.size(), std::min<uint64_t>(limit, History::Count(state)));
    }
    for (const SearchHit& hit : reply.hits) {
      if (!request.output.attributes || HasFailure()) break;
      const auto number = static_cast<int64_t>(state[std::get<uint64_t>(hit.id)].number);
      EXPECT_EQ(hit.attributes, (Attributes{{"version", number}}));
    }
    ++answers_;
    return reply;
  }
  void CheckGet(std::mt19937_64* random) {
    std::vector<PointId> ids;
    for (int i = 0; i < 10; ++i) ids.emplace_back((*random)() % kPoints);
    const absl::StatusOr<GetResult> got = engine_->Get("docs", ids, {.attributes = true});
    ASSERT_TRUE(got.ok()) << got.status();
    const History::State state = history_.At(got->seq);
    for (const PointId& id : got->missing) ASSERT_EQ(state[std::get<uint64_t>(id)].number, 0u);
    for (const Point& point : got->found) {
      const History::Version& version = state[std::get<uint64_t>(point.id)];
      ASSERT_EQ(point.seq, version.seq);
      ASSERT_EQ(point.attributes, (Attributes{{"version", static_cast<int64_t>(version.number)}}));
    }
    ++answers_;
  }
  void Read(uint64_t reader) {
    std::mt19937_64 random(reader);
    SearchScratch scratch;
    for (uint64_t turn = 0; !done_.load() && !HasFailure(); ++turn) {
      {
        absl::StatusOr<SearchView> view = engine_->Pin("docs");
        ASSERT_TRUE(view.ok()) << view.status();
        const History::State state = history_.At(view->seq());
        const uint64_t query = reader * 1'000'000 + turn;
        Check(*view, state, ExactSearch{}, kMaxLimit, true, query, &scratch);
        Check(*view, state, GraphPlan(40, 0.12f), 10, true, query, &scratch);
        Check(*view, state, UseDefaultPlan{}, 10, true, query, &scratch);
        if (!GetParam().no_lists) {
          Check(*view, state, AllLists(), kMaxLimit, true, query, &scratch);
        }
        // While links change, a search may pass a row by; never more than a few.
        const SearchReply all =
            Check(*view, state, GraphPlan(kPool, 0), kMaxLimit, false, query, &scratch);
        wanted_ += History::Count(state);
        found_ += all.hits.size();
      }
      CheckGet(&random);
    }
  }

  // What an operator's tools ask for, meanwhile.
  void CheckIndex() {
    const absl::StatusOr<IndexInfo> index = engine_->GetIndex("docs");
    ASSERT_TRUE(index.ok()) << index.status();
    ASSERT_GE(index->memory.graph, 300u * (32 + 16 + 8 * 4)) << "there are never fewer points";
    ASSERT_EQ(engine_->Stats().collections.size(), 1u);
  }

  TempDir dir_;
  EngineOptions options_;
  CollectionSpec spec_;
  History history_;
  std::atomic<bool> done_{false};
  std::atomic<uint64_t> writes_{0}, answers_{0}, wanted_{0}, found_{0};
  uint64_t builds_ = 0;
  uint64_t last_seq_ = 0;     // of the writer
  uint64_t last_number_ = 0;  // of the writer
  Mutex mutex_;
  CondVar heard_;
  int repairs_ ABSL_GUARDED_BY(mutex_) = 0;
  int stores_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string loaded_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Engine> engine_;  // last: its threads log
};

TEST_P(StressTest, EveryAnswerIsAStateThatExisted) {
  engine_ = OpenOrDie(options_);
  ASSERT_TRUE(engine_->CreateCollection(spec_).ok());
  std::vector<uint64_t> all(kPoints);
  for (uint64_t i = 0; i < kPoints; ++i) all[i] = i;
  Upsert(all);
  BuildIndex();

  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    std::mt19937_64 random(7);
    while (!done_.load() && !HasFailure()) Write(&random);
  });
  for (uint64_t reader = 1; reader <= 2; ++reader) {
    threads.emplace_back([&, reader] { Read(reader); });
  }
  const Clock::time_point end = Clock::now() + Duration();
  const Clock::time_point last = end + std::chrono::seconds(60);  // for a repair and a checkpoint
  int repairs = 0, stores = 0, build_at = kRepairsPerBuild;
  while (!HasFailure()) {
    {
      MutexLock lock(&mutex_);
      heard_.WaitUntil(&mutex_, std::min(Clock::now() + std::chrono::milliseconds(100), last));
      repairs = repairs_;
      stores = stores_;
    }
    if (Clock::now() >= end && ((repairs > 0 && stores > 0) || Clock::now() >= last)) break;
    CheckIndex();
    if (repairs < build_at) continue;
    BuildIndex();
    build_at = repairs + kRepairsPerBuild;
  }
  done_ = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(repairs, 0);
  EXPECT_GT(stores, 0);
  const double found =
      static_cast<double>(found_) / std::max<double>(1, static_cast<double>(wanted_));
  // 0.998 to 0.9999 on an idle machine. A thread that is stopped in the midst of a repair, as on a
  // busy one, leaves its neighbourhood half linked for as long: 0.995 was seen.
  EXPECT_GE(found, 0.99);
  std::cout << absl::StreamFormat(
      "%s: %d answers of 2 readers, %d writes, %d repairs, %d checkpoints, %d builds; whole-graph "
      "searches beside them found %.5f of the rows\n",
      GetParam().name, answers_.load(), writes_.load(), repairs, stores, builds_, found);

  // Everything was stored at the end, and nothing is missing.
  engine_.reset();
  engine_ = OpenOrDie(options_);
  {
    MutexLock lock(&mutex_);
    EXPECT_TRUE(absl::StrContains(loaded_, "graph: inserted 0 rows again")) << loaded_;
  }
  const absl::StatusOr<SearchView> view = engine_->Pin("docs");
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->seq(), last_seq_);
  const History::State state = history_.At(last_seq_);
  for (const SearchHow& how : {SearchHow(ExactSearch{}), SearchHow(GraphPlan(kPool, 0))}) {
    Check(*view, state, how, kMaxLimit, true, 1, nullptr);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sources, StressTest,
    ::testing::Values(Case{"lists_and_graph", Metric::kL2, ExactVectors::kMemory, false},
                      Case{"graph_alone", Metric::kDot, ExactVectors::kStore, true}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace nestor
