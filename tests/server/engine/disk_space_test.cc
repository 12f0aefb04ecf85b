// The disk space of deleted collections.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "tests/server/engine/engine_testutil.h"

namespace nestor {
namespace {

// Of SST and blob files.
uint64_t BytesOnDisk(const std::string& data_dir) {
  uint64_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(data_dir + "/rocksdb")) {
    const std::string kind = file.path().extension();
    std::error_code gone;
    const uint64_t size = file.file_size(gone);
    if (!gone && (kind == ".sst" || kind == ".blob")) bytes += size;
  }
  return bytes;
}

class DiskSpaceTest : public ::testing::Test {
 protected:
  DiskSpaceTest() : keep_(Spec("keep")), drop_(Spec("drop")) {
    options_.data_dir = dir_.path();
    options_.write_buffer_bytes = 4 << 20;
    options_.compact_after = std::chrono::milliseconds(10);
    engine_ = OpenOrDie(options_);
    EXPECT_TRUE(engine_->CreateCollection(keep_.spec()).ok());
    keep_.Upsert(engine_.get(), 0, 500, 1);
    Restart();  // flushes
    before_ = BytesOnDisk(dir_.path());
    // Nearly 16 MB, written twice, with lists, a graph and some blobs; the neighbour's last rows
    // lie in the same files.
    EXPECT_TRUE(engine_->CreateCollection(drop_.spec()).ok());
    drop_.Upsert(engine_.get(), 0, 4000, 1);
    EXPECT_EQ(Await(*engine_, *engine_->BuildIndex("drop")).state, OperationState::kSucceeded);
    drop_.Upsert(engine_.get(), 0, 4000, 2);
    UpsertLarge();
    Restart();
  }

  static CollectionSpec Spec(const std::string& name) {
    CollectionSpec spec = MakeSpec(Metric::kL2, Dtype::kF32);
    spec.name = name;
    spec.schema.dim = 512;
    spec.schema.nesting = {64, 512};
    spec.index.graph = GraphSpec{.dim = 64, .degree = 8, .ef_construction = 32};
    return spec;
  }
  void UpsertLarge() {
    const std::vector<float> vector = MakeVector(drop_.spec().schema, 1);
    for (uint64_t i = 0; i < 20; ++i) {
      const PointInput point{
          10'000 + i, std::span<const float>(vector), {{"name", std::string(20'000, 'x')}}};
      const absl::Status status = engine_->Upsert("drop", {&point, 1}).status();
      ASSERT_TRUE(status.ok()) << status;
    }
  }
  void Restart() {
    engine_.reset();
    engine_ = OpenOrDie(options_);
  }
  void AwaitSpace() {
    const uint64_t limit = before_ + before_ / 2 + 100'000;
    const auto due = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (BytesOnDisk(dir_.path()) > limit) {
      ASSERT_LT(std::chrono::steady_clock::now(), due)
          << BytesOnDisk(dir_.path()) << " bytes, before " << before_;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }

  TempDir dir_;
  EngineOptions options_;
  Oracle keep_;
  Oracle drop_;
  uint64_t before_ = 0;
  std::unique_ptr<Engine> engine_;
};

TEST_F(DiskSpaceTest, DeletedCollectionGivesItsSpaceBack) {
  ASSERT_GT(BytesOnDisk(dir_.path()), before_ + (8 << 20));
  ASSERT_TRUE(engine_->DeleteCollection("drop").ok());
  AwaitSpace();
  keep_.Check(*engine_);
  Restart();
  keep_.Check(*engine_);
}

TEST_F(DiskSpaceTest, NextStartFinishesIt) {
  ASSERT_TRUE(engine_->DeleteCollection("drop").ok());
  Restart();  // breaks it off
  AwaitSpace();
  keep_.Check(*engine_);
}

}  // namespace
}  // namespace nestor
