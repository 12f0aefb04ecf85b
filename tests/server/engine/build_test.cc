// Index builds as operations: beside writes, cancelled, interrupted by a restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "server/storage/keys.h"
#include "server/storage/records.h"
#include "server/storage/store.h"
#include "tests/server/engine/engine_testutil.h"

namespace nestor {
namespace {

using ::testing::HasSubstr;

class BuildTest : public ::testing::Test {
 protected:
  BuildTest() : spec_(MakeSpec(Metric::kCosine, Dtype::kF32)), oracle_(spec_) {
    options_.data_dir = dir_.path();
    engine_ = OpenOrDie(options_);
    EXPECT_TRUE(engine_->CreateCollection(spec_).ok());
  }

  TempDir dir_;
  EngineOptions options_;
  CollectionSpec spec_;
  Oracle oracle_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(BuildTest, WritesGoOnBesideABuild) {
  for (const ExactVectors exact : {ExactVectors::kMemory, ExactVectors::kStore}) {
    IndexSpec index;
    index.lists = 32;
    index.exact_vectors = exact;
    oracle_.Upsert(engine_.get(), 0, 4000, 1);
    const std::string id = *engine_->BuildIndex("docs", index);
    // At least these; then for as long as the build takes.
    uint64_t version = 2;
    for (int round = 0; round < 5 || !IsFinal(engine_->GetOperation(id)->state); ++round) {
      const uint64_t first = (round * 37) % 3900;
      oracle_.Upsert(engine_.get(), first, 30, version++);
      oracle_.Delete(engine_.get(), (round * 53) % 3900, 10);
      oracle_.Upsert(engine_.get(), 5000 + (round * 17) % 1000, 20, version++);
    }
    const Operation operation = Await(*engine_, id);
    ASSERT_EQ(operation.state, OperationState::kSucceeded) << operation.error;
    oracle_.Check(*engine_);
    oracle_.Upsert(engine_.get(), 100, 30, version++);
    oracle_.Check(*engine_);
    EXPECT_EQ(engine_->GetIndex("docs")->lists, 32u);
    EXPECT_EQ(engine_->GetIndex("docs")->spec.exact_vectors, exact);
    engine_.reset();
    engine_ = OpenOrDie(options_);
    oracle_.Check(*engine_);
    EXPECT_EQ(engine_->GetIndex("docs")->lists, 32u);
  }
}

// Short shells in memory, the rest in the store: answers, writes and a restart are as ever.
TEST_F(BuildTest, TiersKeepShortShellsInMemory) {
  oracle_.Upsert(engine_.get(), 0, 4000, 1);
  IndexSpec index;
  index.lists = 32;
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs", index)).state, OperationState::kSucceeded);
  const IndexInfo whole = *engine_->GetIndex("docs");
  EXPECT_EQ(whole.store_vector_bytes, 0u);
  index.exact_vectors = ExactVectors::kStore;
  index.memory_dim = spec_.schema.nesting.front();
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs", index)).state, OperationState::kSucceeded);
  for (uint64_t version = 2; version < 4; ++version) {
    const IndexInfo tiered = *engine_->GetIndex("docs");
    EXPECT_EQ(tiered.spec.memory_dim, spec_.schema.nesting.front());
    EXPECT_EQ(tiered.memory.later_shells, 0u);
    EXPECT_LT(tiered.memory.Total(), whole.memory.Total() / 2);
    EXPECT_EQ(tiered.store_vector_bytes, tiered.rows * spec_.schema.dim * sizeof(float));
    oracle_.Check(*engine_);
    oracle_.Upsert(engine_.get(), 100, 30, version);
    oracle_.Upsert(engine_.get(), 5000, 30, version);
    oracle_.Delete(engine_.get(), 200, 10);
    oracle_.Check(*engine_);
    engine_.reset();
    engine_ = OpenOrDie(options_);
  }
}

TEST_F(BuildTest, OnlyOneBuildAtATime) {
  oracle_.Upsert(engine_.get(), 0, 5000, 1);
  const std::string id = *engine_->BuildIndex("docs");
  const absl::Status second = engine_->BuildIndex("docs").status();
  if (!IsFinal(engine_->GetOperation(id)->state)) {
    EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(second.message()), HasSubstr(id));
  }
  const Operation done = Await(*engine_, id);
  EXPECT_EQ(done.state, OperationState::kSucceeded);
  EXPECT_EQ(done.kind, "build_index");
  EXPECT_EQ(done.collection, "docs");
  EXPECT_GE(done.started_micros, done.created_micros);
  EXPECT_GE(done.ended_micros, done.started_micros);
  EXPECT_EQ(engine_->CancelOperation(id).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(engine_->CancelOperation("op-999").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(engine_->GetOperation("nonsense").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(engine_->BuildIndex("none").status().code(), absl::StatusCode::kNotFound);
  IndexSpec bad;
  bad.coarse_dim = 5;
  EXPECT_EQ(engine_->BuildIndex("docs", bad).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(BuildTest, CancelledBuildChangesNothing) {
  // The first collection's build keeps the builder busy, so that the second is pending when it is
  // cancelled.
  oracle_.Upsert(engine_.get(), 0, 5000, 1);
  CollectionSpec other = spec_;
  other.name = "other";
  ASSERT_TRUE(engine_->CreateCollection(other).ok());
  const std::string running = *engine_->BuildIndex("docs");
  const std::string pending = *engine_->BuildIndex("other");
  ASSERT_TRUE(engine_->CancelOperation(pending).ok());
  engine_->CancelOperation(running).IgnoreError();
  const Operation first = Await(*engine_, running);
  const Operation second = Await(*engine_, pending);
  EXPECT_EQ(second.state, OperationState::kCancelled);
  EXPECT_EQ(second.error.code(), absl::StatusCode::kCancelled);
  // The running one may have been past its last look at the flag.
  const uint32_t generation = engine_->GetIndex("docs")->generation;
  EXPECT_EQ(generation, first.state == OperationState::kSucceeded ? 1u : 0u);
  EXPECT_EQ(engine_->GetIndex("other")->generation, 0u);
  oracle_.Check(*engine_);

  // A build after a cancelled one works, and survives a restart.
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs")).state, OperationState::kSucceeded);
  engine_.reset();
  engine_ = OpenOrDie(options_);
  oracle_.Check(*engine_);
  EXPECT_EQ(engine_->GetOperation(pending)->state, OperationState::kCancelled);
}

TEST_F(BuildTest, SmallCollectionsBecomeOneList) {
  const Operation empty = Await(*engine_, *engine_->BuildIndex("docs"));
  EXPECT_EQ(empty.state, OperationState::kSucceeded) << empty.error;
  oracle_.Upsert(engine_.get(), 0, 999, 1);
  EXPECT_EQ(engine_->GetIndex("docs")->unbuilt, 0u);
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs")).state, OperationState::kSucceeded);
  IndexInfo info = *engine_->GetIndex("docs");
  EXPECT_EQ(info.lists, 1u);
  EXPECT_EQ(info.generation, 2u);
  EXPECT_EQ(info.unbuilt, 0u);
  oracle_.Upsert(engine_.get(), 999, 1, 1);
  EXPECT_EQ(engine_->GetIndex("docs")->unbuilt, 1000u) << "it has outgrown its build";
  oracle_.Check(*engine_);
}

TEST_F(BuildTest, InterruptedOperationIsAbortedAfterARestart) {
  oracle_.Upsert(engine_.get(), 0, 5000, 1);
  engine_.reset();
  {
    StoreOptions store_options;
    store_options.data_dir = dir_.path();
    const std::unique_ptr<Store> store = *Store::Open(store_options);
    Batch batch(store.get());
    OperationRecord record;
    record.kind = "build_index";
    record.collection = "docs";
    record.collection_uid = 1;
    record.state = static_cast<uint8_t>(OperationState::kRunning);
    batch.Put(Family::kMeta, OperationKey(41), EncodeOperation(record));
    ASSERT_TRUE(store->Write(std::move(batch), true).ok());
  }
  for (int restart = 0; restart < 2; ++restart) {
    engine_ = OpenOrDie(options_);
    const Operation operation = *engine_->GetOperation("op-41");
    EXPECT_EQ(operation.state, OperationState::kAborted);
    EXPECT_EQ(operation.error.code(), absl::StatusCode::kAborted);
    EXPECT_THAT(std::string(operation.error.message()), HasSubstr("restart"));
    EXPECT_EQ(engine_->GetIndex("docs")->build_operation, "");
    engine_.reset();
  }
  engine_ = OpenOrDie(options_);
  const std::string next = *engine_->BuildIndex("docs");
  EXPECT_EQ(next, "op-42") << "numbers go on";
  EXPECT_EQ(engine_->ListOperations().front().id, next) << "newest first";
  EXPECT_EQ(Await(*engine_, next).state, OperationState::kSucceeded);
}

TEST_F(BuildTest, CloseInterruptsABuild) {
  oracle_.Upsert(engine_.get(), 0, 8000, 1);
  const std::string id = *engine_->BuildIndex("docs");
  engine_.reset();
  engine_ = OpenOrDie(options_);
  const OperationState state = engine_->GetOperation(id)->state;
  EXPECT_TRUE(state == OperationState::kAborted || state == OperationState::kSucceeded);
  EXPECT_EQ(engine_->GetIndex("docs")->generation, state == OperationState::kSucceeded ? 1u : 0u);
  oracle_.Check(*engine_);
}

TEST_F(BuildTest, DeletingTheCollectionEndsItsBuild) {
  oracle_.Upsert(engine_.get(), 0, 8000, 1);
  const std::string id = *engine_->BuildIndex("docs");
  ASSERT_TRUE(engine_->DeleteCollection("docs").ok());
  const Operation operation = Await(*engine_, id);
  EXPECT_TRUE(operation.state == OperationState::kCancelled ||
              operation.state == OperationState::kSucceeded)
      << operation.error;
  engine_.reset();
  engine_ = OpenOrDie(options_);
  EXPECT_TRUE(engine_->ListCollections().empty());
}

}  // namespace
}  // namespace nestor
