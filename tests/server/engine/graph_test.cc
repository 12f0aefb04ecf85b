// Collections with a graph: the graph answers as brute force does, beside writes, after repairs,
// restarts and power losses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "rocksdb/env.h"
#include "server/storage/keys.h"
#include "server/storage/store.h"
#include "tests/server/engine/watched_engine.h"
#include "tests/server/fault_file_system.h"

namespace nestor {
namespace {

class GraphEngineTest : public WatchedEngineTest,
                        public ::testing::WithParamInterface<ExactVectors> {
 protected:
  GraphEngineTest() : WatchedEngineTest(MakeSpec(Metric::kCosine, Dtype::kF32)) {
    spec_.index.exact_vectors = GetParam();
  }

  void BuildGraph(bool no_lists) {
    IndexSpec index;
    index.exact_vectors = GetParam();
    index.graph = GraphSpec{.dim = 32, .degree = 8, .ef_construction = 40};
    index.no_lists = no_lists;
    Build(index);
  }

  SearchReply Search(const std::vector<float>& query, const SearchHow& how) {
    SearchReply reply;
    const absl::StatusOr<SearchView> view = engine_->Pin("docs");
    EXPECT_TRUE(view.ok()) << view.status();
    SearchRequest request;
    request.query = std::span<const float>(query);
    request.how = how;
    const absl::Status status = view->Search(request, nullptr, &reply);
    EXPECT_TRUE(status.ok()) << status;
    return reply;
  }
  void AwaitRepairsAbove(int before) {
    ASSERT_TRUE(Soon([&] { return Logged("repaired the graph") > before; }))
        << "a fifth of the rows had died";
  }
  // Closes the engine and changes its store behind its back.
  void ChangeStore(const std::function<void(Batch*)>& change) {
    engine_.reset();
    StoreOptions options;
    options.data_dir = dir_.path();
    const std::unique_ptr<Store> store = *Store::Open(options);
    Batch batch(store.get());
    change(&batch);
    ASSERT_TRUE(store->Write(std::move(batch), /*sync=*/true).ok());
  }
};

TEST_P(GraphEngineTest, HoldsEveryRowThroughWritesAndRestarts) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 1500, 1);
  BuildGraph(/*no_lists=*/false);
  Check();
  EXPECT_TRUE(Search(oracle_->VectorOf(1, 1), UseDefaultPlan{}).stages[0].name ==
              absl::string_view("graph"));
  oracle_->Upsert(engine_.get(), 1400, 300, 2);
  oracle_->Delete(engine_.get(), 100, 50);
  Check();
  Restart();
  EXPECT_EQ(Logged("graph: inserted 0 rows again"), 1) << "shutdown stored what changed";
  Check();
  oracle_->Upsert(engine_.get(), 3000, 100, 3);
  Check();
  oracle_->Delete(engine_.get(), 0, 4000);
  Check();
  Restart();
  Check();
  oracle_->Upsert(engine_.get(), 0, 30, 4);
  Check();
}

TEST_P(GraphEngineTest, AloneItAnswersToo) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 1200, 1);
  BuildGraph(/*no_lists=*/true);
  Check();
  EXPECT_EQ(engine_->GetIndex("docs")->unbuilt, 0u);
  EXPECT_EQ(engine_->GetIndex("docs")->memory.first_shell, 0u) << "the prefix is kept once";
  EXPECT_GT(engine_->GetIndex("docs")->memory.graph, 0u);
  oracle_->Upsert(engine_.get(), 1100, 300, 2);
  Restart();
  Check();
}

TEST_P(GraphEngineTest, BuiltEmptyItTakesRows) {
  Start();
  BuildGraph(/*no_lists=*/true);
  Check();
  oracle_->Upsert(engine_.get(), 0, 400, 1);
  Check();
  Restart();
  Check();
}

TEST_P(GraphEngineTest, DeadNodesAreTakenOutAndUsedAgain) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 2000, 1);
  BuildGraph(/*no_lists=*/false);
  const uint64_t before = engine_->GetIndex("docs")->memory.graph;
  for (int round = 0; round < 4; ++round) {
    const int repairs = Logged("repaired the graph");
    oracle_->Upsert(engine_.get(), 0, 500, 2 + round);
    AwaitRepairsAbove(repairs);
    Check();
  }
  // 2,000 rows were overwritten; without reuse there would be twice the nodes.
  EXPECT_LT(engine_->GetIndex("docs")->memory.graph, before * 17 / 10);
  Restart();
  Check();
}

TEST_P(GraphEngineTest, LostBlocksAreMadeAgain) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 1500, 1);
  BuildGraph(/*no_lists=*/false);
  ChangeStore([](Batch* batch) {
    batch->DeleteRange(Family::kGraphs, GraphBlockKey(1, 1, 3), GraphBlockKey(1, 1, 9));
  });
  engine_ = OpenOrDie(options_);
  EXPECT_EQ(Logged("graph: inserted 384 rows again"), 1) << "six blocks of 64 nodes";
  Check();
  ChangeStore([](Batch* batch) { batch->DeleteRange(Family::kGraphs, UidBegin(1), UidBegin(2)); });
  engine_ = OpenOrDie(options_);
  EXPECT_EQ(Logged("graph: inserted 1500 rows again"), 1);
  Check();
}

TEST_P(GraphEngineTest, DamageIsNamed) {
  Start();
  oracle_->Upsert(engine_.get(), 0, 300, 1);
  BuildGraph(/*no_lists=*/false);
  ChangeStore([](Batch* batch) { batch->Put(Family::kGraphs, GraphBlockKey(1, 1, 2), "short"); });
  const absl::Status status = Engine::Open(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(absl::StrContains(status.message(), "block 2 of the graph has 5 bytes")) << status;
}

TEST_P(GraphEngineTest, PowerLossesLeaveAWholeGraph) {
  auto fs = std::make_shared<FaultFileSystem>();
  const std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(fs);
  options_.env = env.get();
  options_.write_buffer_bytes = 1 << 20;
  Start();
  oracle_->Upsert(engine_.get(), 0, 1200, 1);
  BuildGraph(/*no_lists=*/false);
  for (int cycle = 0; cycle < 5; ++cycle) {
    oracle_->Upsert(engine_.get(), cycle * 150, 200, 2 + cycle);
    oracle_->Delete(engine_.get(), 1000 + cycle * 20, 10);
    fs->CutPower();
    engine_.reset();
    fs->LoseUnsynced();
    engine_ = OpenOrDie(options_);
    Check();
  }
  engine_.reset();  // before its env
}

INSTANTIATE_TEST_SUITE_P(Places, GraphEngineTest,
                         ::testing::Values(ExactVectors::kMemory, ExactVectors::kStore),
                         [](const auto& info) {
                           return info.param == ExactVectors::kMemory ? "memory" : "store";
                         });

}  // namespace
}  // namespace nestor
