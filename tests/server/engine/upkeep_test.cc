// What the engine does unasked: what nobody sees any more goes from memory and from the store, and
// an index is built where one is due.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/engine/watched_engine.h"

namespace nestor {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kPoints = 2000;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint32_t kSlowEf = 100;
constexpr uint64_t kTurnovers = 8;  // beside a build
#else
constexpr uint32_t kSlowEf = 400;
constexpr uint64_t kTurnovers = 20;
#endif

class UpkeepTest : public WatchedEngineTest {
 protected:
  UpkeepTest() : WatchedEngineTest(MakeSpec(Metric::kL2, Dtype::kF32)) {
    options_.upkeep.build_from = 0;
  }

  IndexInfo Index() { return *engine_->GetIndex("docs"); }
  CollectionStats Stats() { return *engine_->Stats("docs"); }
};

class TurnoverTest : public UpkeepTest, public ::testing::WithParamInterface<const char*> {};

// Ten turnovers: neither memory nor what a search reads depends on what was written before.
TEST_P(TurnoverTest, LeavesNothingBehind) {
  Start();
  oracle_->Upsert(engine_.get(), 0, kPoints, 1);
  IndexSpec index;
  const std::string kind = GetParam();
  if (kind != "unbuilt") {
    if (kind != "lists") index.graph = GraphSpec{.dim = 32, .degree = 8, .ef_construction = 40};
    index.no_lists = kind == "graph";
    index.lists = index.no_lists ? 0 : 16;
    Build(index);
  }
  const IndexMemory fresh = Index().memory;
  for (uint64_t version = 2; version < 12; ++version) {
    oracle_->Upsert(engine_.get(), 0, kPoints, version);
    ASSERT_TRUE(Soon([&] { return Stats().unpurged_rows == 0; })) << "of the store";
  }
  // Where there is a graph a slot is used again once a write has come after its repair.
  ASSERT_TRUE(Soon([&] {
    oracle_->Upsert(engine_.get(), 0, 1, 12);
    return Index().dead_rows <= kPoints / 10;
  }));
  Check();
  // A write's 2,000 points come on top, which died at once; freed slots are kept for the next.
  const IndexMemory turned = Index().memory;
  EXPECT_LE(turned.later_shells, fresh.later_shells * 2.2);
  EXPECT_LE(turned.exact_vectors, fresh.exact_vectors * 2.2);
  ASSERT_TRUE(Soon([&] { return Index().memory.first_shell <= fresh.first_shell * 1.4; }));
  ASSERT_TRUE(Soon([&] { return Index().memory.sequences <= fresh.sequences * 1.4; }));
  Restart();
  Check();
}
INSTANTIATE_TEST_SUITE_P(All, TurnoverTest, ::testing::Values("unbuilt", "lists", "graph", "both"),
                         [](const auto& info) { return std::string(info.param); });

// A build keeps what it reads, the rows that were there when it began; not what comes and goes
// beside it, however long it takes.
TEST_P(TurnoverTest, BesideABuildLeavesNothingBehind) {
  constexpr uint64_t kPart = 200;  // that is written all the while
  const std::string kind = GetParam();
  IndexSpec slow;  // to build
  slow.graph = GraphSpec{.dim = 32, .degree = 32, .ef_construction = kSlowEf};
  if (kind == "lists") spec_.index.exact_vectors = ExactVectors::kStore;
  Start();
  oracle_->Upsert(engine_.get(), 0, kPoints, 1);
  if (kind != "unbuilt") {
    IndexSpec index = spec_.index;
    if (kind != "lists") index.graph = GraphSpec{.dim = 32, .degree = 8, .ef_construction = 40};
    index.no_lists = kind == "graph";
    index.lists = index.no_lists ? 0 : 16;
    Build(index);
  }
  slow.exact_vectors = spec_.index.exact_vectors;
  uint64_t version = 2, most_dead = 0, turnovers = 0;
  for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
       turnovers < kTurnovers && std::chrono::steady_clock::now() < until;) {
    const std::string id = *engine_->BuildIndex("docs", slow);
    turnovers = 0;
    while (engine_->GetOperation(id)->state <= OperationState::kRunning) {
      oracle_->Upsert(engine_.get(), 0, kPart, version++);
      // What was dead before upkeep came goes as it comes.
      ASSERT_TRUE(Soon([&] {
        return Index().dead_rows <= 5 * kPart ||
               engine_->GetOperation(id)->state > OperationState::kRunning;
      })) << Index().dead_rows;
      if (engine_->GetOperation(id)->state > OperationState::kRunning) break;
      most_dead = std::max(most_dead, Index().dead_rows);
      ++turnovers;
    }
    ASSERT_EQ(engine_->GetOperation(id)->state, OperationState::kSucceeded);
    Check();
  }
  EXPECT_GE(turnovers, kTurnovers) << "the builds were too quick to tell";
  EXPECT_LE(most_dead, 5 * kPart) << "after " << turnovers * kPart << " writes beside a build";
  Restart();
  Check();
}

TEST_F(UpkeepTest, DeletedPointsGoFromTheStoreWithoutAnotherWrite) {
  Start();
  oracle_->Upsert(engine_.get(), 0, kPoints, 1);
  {
    // A view keeps what it shows.
    const absl::StatusOr<SearchView> view = engine_->Pin("docs");
    ASSERT_TRUE(view.ok());
    oracle_->Delete(engine_.get(), 0, kPoints);
    std::this_thread::sleep_for(milliseconds(50));
    EXPECT_EQ(Stats().unpurged_rows, kPoints);
    EXPECT_EQ(Index().dead_rows, kPoints);
    SearchReply reply;
    SearchRequest request;
    const std::vector<float> query = oracle_->VectorOf(7, 1);
    request.query = std::span<const float>(query);
    request.limit = 1;
    request.output.attributes = true;
    ASSERT_TRUE(view->Search(request, nullptr, &reply).ok());
    ASSERT_EQ(reply.hits.size(), 1u);
    EXPECT_EQ(reply.hits[0].id, PointId(uint64_t{7}));
    EXPECT_EQ(reply.hits[0].attributes, oracle_->AttributesOf(7, 1));
  }
  EXPECT_TRUE(Soon([&] { return Stats().unpurged_rows == 0; }));
  EXPECT_TRUE(Soon([&] { return Index().dead_rows == 0; }));
  Check();
}

class DueBuildTest : public UpkeepTest {
 protected:
  DueBuildTest() {
    options_.upkeep.build_from = 1500;
    options_.upkeep.build_when_idle = milliseconds(20);
    options_.upkeep.build_pause = milliseconds(50);
  }
};

TEST_F(DueBuildTest, WhatWasNeverBuiltIs) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 1499, 1);
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(Index().generation, 0u);
  oracle_->Upsert(engine_.get(), 1499, 1, 1);
  ASSERT_TRUE(Soon([&] { return Index().generation == 1; }));
  EXPECT_GT(Index().lists, 1u);
  EXPECT_TRUE(Logged("1500 points were never indexed"));
  EXPECT_EQ(engine_->ListOperations().size(), 1u);
  Check();
}

TEST_F(DueBuildTest, WhatGrewFourfoldIsBuiltAnew) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 1000, 1);
  Build(IndexSpec{});
  oracle_->Upsert(engine_.get(), 1000, 2999, 1);
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(Index().generation, 1u);
  oracle_->Upsert(engine_.get(), 3999, 1, 1);
  ASSERT_TRUE(Soon([&] { return Index().generation == 2; }));
  EXPECT_TRUE(Logged("4000 points, 1000 at the last build"));
  Check();
}

TEST_F(DueBuildTest, WhatIsMostlyRoomOfDeletedPointsIsBuiltAnew) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 4000, 1);
  Build(IndexSpec{});
  // The first, or the second where upkeep was quicker.
  const IndexInfo built = Index();
  oracle_->Delete(engine_.get(), 0, 3000);
  ASSERT_TRUE(Soon([&] { return Index().generation == built.generation + 1; }));
  EXPECT_TRUE(Logged("room for 4000 points, 3000 of them deleted"));
  EXPECT_LT(Index().memory.exact_vectors, built.memory.exact_vectors / 2);
  Check();
}

TEST_F(DueBuildTest, WaitsForTheEndOfALoadButNotForever) {
  options_.upkeep.build_when_idle = std::chrono::hours(1);
  options_.upkeep.build_after = milliseconds(200);
  Start();
  const auto start = std::chrono::steady_clock::now();
  oracle_->Upsert(engine_.get(), 0, 2000, 1);
  ASSERT_TRUE(Soon([&] { return Index().generation == 1; }));
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(200));
}

TEST_F(DueBuildTest, GivesWayToABuildThatIsAskedFor) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 2000, 1);
  ASSERT_TRUE(Soon([&] { return !engine_->ListOperations().empty(); }));
  // Whether or not the other has ended.
  IndexSpec index;
  index.lists = 7;
  Build(index);
  EXPECT_EQ(Index().lists, 7u);
  for (const Operation& operation : engine_->ListOperations()) {
    EXPECT_TRUE(operation.state == OperationState::kSucceeded ||
                operation.state == OperationState::kCancelled);
  }
  Check();
}

}  // namespace
}  // namespace nestor
