// Power losses and disk errors, by a file system that drops whatever was not synced.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "rocksdb/env.h"
#include "tests/server/engine/engine_testutil.h"
#include "tests/server/fault_file_system.h"

namespace nestor {
namespace {

class DurabilityTest : public ::testing::Test {
 protected:
  DurabilityTest()
      : fs_(std::make_shared<FaultFileSystem>()),
        env_(rocksdb::NewCompositeEnv(fs_)),
        spec_(MakeSpec(Metric::kL2, Dtype::kF32)) {
    options_.data_dir = dir_.path();
    options_.env = env_.get();
    options_.write_buffer_bytes = 1 << 20;  // several flushes and logs
  }

  void LosePower(std::unique_ptr<Engine>* engine) {
    fs_->CutPower();
    engine->reset();
    const FaultFileSystem::Lost lost = fs_->LoseUnsynced();
    lost_bytes_ += lost.bytes;
    lost_files_ += lost.files;
    *engine = OpenOrDie(options_);
  }

  TempDir dir_;
  std::shared_ptr<FaultFileSystem> fs_;
  std::unique_ptr<rocksdb::Env> env_;
  EngineOptions options_;
  CollectionSpec spec_;
  uint64_t lost_bytes_ = 0;
  uint64_t lost_files_ = 0;
};

TEST_F(DurabilityTest, SyncLosesNoAcknowledgedWrite) {
  std::unique_ptr<Engine> engine = OpenOrDie(options_);
  ASSERT_TRUE(engine->CreateCollection(spec_).ok());
  Oracle oracle(spec_);
  uint64_t version = 1;
  oracle.Upsert(engine.get(), 0, 1500, version++);
  LosePower(&engine);
  oracle.Check(*engine);
  ASSERT_EQ(Await(*engine, *engine->BuildIndex("docs")).state, OperationState::kSucceeded);
  for (int cycle = 0; cycle < 5; ++cycle) {
    oracle.Upsert(engine.get(), cycle * 100, 300, version++);
    oracle.Delete(engine.get(), 1000 + cycle * 50, 30);
    oracle.Upsert(engine.get(), 2000 + cycle * 100, 200, version++);
    LosePower(&engine);
    oracle.Check(*engine);
    EXPECT_EQ(engine->GetIndex("docs")->generation, cycle + 1u) << "a build that had ended is kept";
    ASSERT_EQ(Await(*engine, *engine->BuildIndex("docs")).state, OperationState::kSucceeded);
  }
  LosePower(&engine);
  oracle.Check(*engine);
}

// The power goes while writers write: what was acknowledged is there, the rest whole or not at all.
TEST_F(DurabilityTest, PowerLossAmidWrites) {
  constexpr uint64_t kWriters = 4;
  constexpr uint64_t kBatch = 20;
  std::unique_ptr<Engine> engine = OpenOrDie(options_);
  ASSERT_TRUE(engine->CreateCollection(spec_).ok());
  const Oracle maker(spec_);
  std::vector<int64_t> acknowledged(kWriters, 0);  // version of the writer's last batch
  for (int cycle = 0; cycle < 6; ++cycle) {
    std::atomic<int> batches{0};
    std::vector<int64_t> tried = acknowledged;
    std::vector<std::thread> writers;
    for (uint64_t writer = 0; writer < kWriters; ++writer) {
      writers.emplace_back([&, writer] {
        while (true) {
          const int64_t version = ++tried[writer];
          std::vector<std::vector<float>> vectors;
          std::vector<PointInput> points;
          for (uint64_t i = 0; i < kBatch; ++i) {
            vectors.push_back(maker.VectorOf(writer * kBatch + i, version));
          }
          for (uint64_t i = 0; i < kBatch; ++i) {
            points.push_back(
                {writer * kBatch + i, std::span<const float>(vectors[i]), {{"version", version}}});
          }
          if (!engine->Upsert("docs", points).ok()) return;
          acknowledged[writer] = version;
          ++batches;
        }
      });
    }
    if (cycle % 2 == 1) engine->BuildIndex("docs").status().IgnoreError();
    while (batches.load() < 40 + cycle * 7)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    fs_->CutPower();
    for (std::thread& writer : writers) writer.join();
    LosePower(&engine);

    for (uint64_t writer = 0; writer < kWriters; ++writer) {
      std::vector<PointId> ids;
      for (uint64_t i = 0; i < kBatch; ++i) ids.push_back(writer * kBatch + i);
      const absl::StatusOr<GetResult> got =
          engine->Get("docs", ids, {.attributes = true, .vector = true});
      ASSERT_TRUE(got.ok()) << got.status();
      ASSERT_EQ(got->found.size(), kBatch);
      const int64_t version = std::get<int64_t>(got->found[0].attributes[0].value);
      EXPECT_GE(version, acknowledged[writer]) << "an acknowledged write is lost";
      EXPECT_LE(version, tried[writer]);
      for (uint64_t i = 0; i < kBatch; ++i) {
        EXPECT_EQ(got->found[i].attributes, (Attributes{{"version", version}})) << "half a batch";
        const std::vector<float> vector = maker.VectorOf(writer * kBatch + i, version);
        EXPECT_EQ(got->found[i].vector,
                  std::string(reinterpret_cast<const char*>(vector.data()), 4 * vector.size()));
      }
      acknowledged[writer] = version;
    }
    EXPECT_EQ(*engine->Count("docs"), kWriters * kBatch);
  }
}

// ASYNC acknowledges before the sync: a power loss at once shows that this file system takes what
// is not synced (else the tests above would prove nothing), and the state falls back to one that
// was.
TEST_F(DurabilityTest, AsyncMayLoseASuffix) {
  spec_.durability = Durability::kAsync;
  std::unique_ptr<Engine> engine = OpenOrDie(options_);
  ASSERT_TRUE(engine->CreateCollection(spec_).ok());
  const Oracle maker(spec_);
  uint64_t acknowledged = 0;
  for (uint64_t i = 0; i < 50; ++i) {
    const std::vector<float> vector = maker.VectorOf(i, 1);
    const PointInput point{i, std::span<const float>(vector), {}};
    ASSERT_TRUE(engine->Upsert("docs", {&point, 1}).ok());
    ++acknowledged;
  }
  LosePower(&engine);
  EXPECT_GT(lost_bytes_, 0u) << "everything was synced: raise the number of writes";
  const uint64_t kept = *engine->Count("docs");
  EXPECT_LE(kept, acknowledged);
  absl::StatusOr<ListResult> page = engine->List("docs", {.limit = 1000});
  ASSERT_TRUE(page.ok()) << page.status();
  for (uint64_t i = 0; i < kept; ++i) EXPECT_EQ(page->points[i].id, PointId(i)) << "a hole";
}

TEST_F(DurabilityTest, FailedBatchChangesNothing) {
  std::unique_ptr<Engine> engine = OpenOrDie(options_);
  ASSERT_TRUE(engine->CreateCollection(spec_).ok());
  Oracle oracle(spec_);
  oracle.Upsert(engine.get(), 0, 100, 1);
  uint64_t seq = *engine->Sequence("docs");
  const std::vector<float> vector = oracle.VectorOf(5, 2);
  const PointInput point{uint64_t{5}, std::span<const float>(vector), {}};
  const PointId overwritten = uint64_t{5};
  const PointId other = uint64_t{6};

  for (const bool sync : {false, true}) {
    if (sync) {
      fs_->FailLogSyncs(true);
    } else {
      fs_->FailLogAppends(true);
    }
    EXPECT_EQ(engine->Upsert("docs", {&point, 1}).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(engine->Delete("docs", {&other, 1}).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_FALSE(engine->CreateCollection(MakeSpec(Metric::kDot, Dtype::kF16)).ok());
    CollectionSpec second = spec_;
    second.name = "second";
    EXPECT_EQ(engine->CreateCollection(second).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(engine->GetCollection("second").status().code(), absl::StatusCode::kNotFound);
    EXPECT_FALSE(engine->Health().ok()) << "the server must say that it takes no writes";
    EXPECT_EQ(*engine->Sequence("docs"), seq);
    oracle.Check(*engine);  // reads go on

    fs_->FailLogAppends(false);
    fs_->FailLogSyncs(false);
    engine.reset();
    engine = OpenOrDie(options_);
    // The batch whose sync failed may be there or not; never half.
    const absl::StatusOr<GetResult> got =
        engine->Get("docs", {&overwritten, 1}, {.attributes = true});
    ASSERT_TRUE(got.ok());
    if (!got->found.empty() && got->found[0].attributes.empty()) {
      oracle.Upsert(engine.get(), 5, 1, 1);
    }
    if (!engine->Get("docs", {&other, 1}, {})->missing.empty()) {
      oracle.Upsert(engine.get(), 6, 1, 1);
    }
    engine->DeleteCollection("second").IgnoreError();
    oracle.Check(*engine);
    oracle.Upsert(engine.get(), 100, 10, 3);
    oracle.Check(*engine);
    ASSERT_GE(*engine->Sequence("docs"), seq);
    seq = *engine->Sequence("docs");
  }
}

}  // namespace
}  // namespace nestor
