// The power goes at a random file operation of the mixed load, also while the engine opens or
// closes, and takes what was not synced: no acknowledged change is lost, no batch is there in part,
// answers are right and nothing is left behind.
//
// NESTOR_POWER_CYCLES: how many losses; else 12, fewer under sanitizers.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rocksdb/env.h"
#include "server/storage/verify.h"
#include "tests/server/engine/engine_testutil.h"
#include "tests/server/fault_file_system.h"
#include "tests/server/mixed_state.h"
#include "tests/server/orphans.h"

namespace nestor {
namespace {

constexpr int kManyBuilds = 500;  // more than any run lives to see
constexpr int64_t kMaxOperations = 1500;
constexpr int64_t kMaxOperationsOfClose = 60;
constexpr int64_t kStepsOfFirstOpen = 5;

uint64_t Cycles() {
  if (const char* text = std::getenv("NESTOR_POWER_CYCLES"); text != nullptr) {
    return std::strtoull(text, nullptr, 10);
  }
#if defined(__SANITIZE_ADDRESS__)
  return 5;
#else
  return 12;
#endif
}

// Cuts the power as a given change of the disk is about to be made.
class CountingFileSystem : public FaultFileSystem {
 public:
  using Context = rocksdb::IODebugContext;
  using Options = rocksdb::IOOptions;
  using IOStatus = rocksdb::IOStatus;

  // Counts from here; < 0: never.
  void CutAfter(int64_t operations) { left_.store(operations); }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           Context* context) override {
    Count();
    std::unique_ptr<rocksdb::FSWritableFile> target;
    IOStatus status = FaultFileSystem::NewWritableFile(name, options, &target, context);
    if (status.ok()) *file = std::make_unique<File>(this, std::move(target));
    return status;
  }
  IOStatus DeleteFile(const std::string& name, const Options& options, Context* context) override {
    Count();
    return FaultFileSystem::DeleteFile(name, options, context);
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const Options& options,
                      Context* context) override {
    Count();
    return FaultFileSystem::RenameFile(from, to, options, context);
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const Options& options,
                    Context* context) override {
    Count();
    return FaultFileSystem::LinkFile(from, to, options, context);
  }

 private:
  class File : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(CountingFileSystem* fs, std::unique_ptr<rocksdb::FSWritableFile> target)
        : FSWritableFileOwnerWrapper(std::move(target)), fs_(fs) {}

    IOStatus Append(const rocksdb::Slice& data, const Options& options, Context* context) override {
      fs_->Count();
      return FSWritableFileOwnerWrapper::Append(data, options, context);
    }
    IOStatus Append(const rocksdb::Slice& data, const Options& options,
                    const rocksdb::DataVerificationInfo&, Context* context) override {
      return Append(data, options, context);
    }
    IOStatus Sync(const Options& options, Context* context) override {
      fs_->Count();
      return FSWritableFileOwnerWrapper::Sync(options, context);
    }
    IOStatus Fsync(const Options& options, Context* context) override {
      fs_->Count();
      return FSWritableFileOwnerWrapper::Fsync(options, context);
    }

   private:
    CountingFileSystem* const fs_;
  };

  void Count() {
    if (left_.load() >= 0 && left_.fetch_sub(1) == 0) CutPower();
  }

  std::atomic<int64_t> left_{-1};
};

class PowerLossTest : public ::testing::Test {
 protected:
  PowerLossTest()
      : fs_(std::make_shared<CountingFileSystem>()), env_(rocksdb::NewCompositeEnv(fs_)) {}

  EngineOptions Options(bool busy) const {
    EngineOptions options;
    options.data_dir = dir_.path();
    options.env = env_.get();
    options.write_buffer_bytes = size_t{1} << 20;  // flushes and compactions
    if (busy) options.upkeep = LoadUpkeep();
    return options;
  }

  // Until the power goes, in the load or while the engine opens; or, `at_close`, when it closes.
  void Lose(uint64_t run, int64_t operations, bool at_close) {
    if (!at_close) fs_->CutAfter(operations);
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(Options(/*busy=*/true));
    if (!engine.ok()) {
      ASSERT_FALSE(at_close) << engine.status();
      ASSERT_EQ(engine.status().code(), absl::StatusCode::kUnavailable) << engine.status();
    } else {
      MixedLoad load(engine->get(), run, [this](const LoadNote& note) { state_.Take(note); });
      const absl::Status status = load.Run(at_close ? 1 : kManyBuilds);
      const auto expected = at_close ? absl::StatusCode::kOk : absl::StatusCode::kUnavailable;
      ASSERT_EQ(status.code(), expected) << status;
      if (at_close) fs_->CutAfter(operations);
      (*engine)->Close().IgnoreError();
      engine->reset();
    }
    // Where closing took fewer operations.
    fs_->CutPower();
    fs_->CutAfter(-1);
    const FaultFileSystem::Lost lost = fs_->LoseUnsynced();
    lost_bytes_ += lost.bytes;
    lost_files_ += lost.files;
  }

  void Verify() {
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(Options(/*busy=*/false));
    ASSERT_TRUE(engine.ok()) << engine.status();
    state_.Settle(**engine);
    state_.Check(**engine);
    ASSERT_TRUE((*engine)->Close().ok());
    for (const std::string& orphan : FindOrphans(dir_.path())) ADD_FAILURE() << orphan;
    const absl::StatusOr<VerifyReport> report = VerifyDataDir({.data_dir = dir_.path()});
    ASSERT_TRUE(report.ok()) << report.status();
    for (const std::string& damage : report->damages) ADD_FAILURE() << damage;
  }

  TempDir dir_;
  const std::shared_ptr<CountingFileSystem> fs_;
  const std::unique_ptr<rocksdb::Env> env_;
  MixedState state_;
  uint64_t lost_bytes_ = 0;
  uint64_t lost_files_ = 0;
};

// A directory whose making was cut off anywhere opens, and takes points.
TEST_F(PowerLossTest, AtTheFirstOpen) {
  uint64_t cuts = 0;
  for (int64_t operations = 0;; operations += kStepsOfFirstOpen) {
    SCOPED_TRACE(absl::StrCat("power cut after ", operations, " operations"));
    const TempDir dir;
    EngineOptions options = Options(/*busy=*/false);
    options.data_dir = dir / "data";
    fs_->CutAfter(operations);
    absl::StatusOr<std::unique_ptr<Engine>> cut = Engine::Open(options);
    const bool whole = cut.ok();
    fs_->CutPower();
    if (whole) cut->reset();
    fs_->CutAfter(-1);
    fs_->LoseUnsynced();
    const std::unique_ptr<Engine> engine = OpenOrDie(options);
    CollectionSpec spec = MakeSpec(Metric::kL2, Dtype::kF32);
    ASSERT_TRUE(engine->CreateCollection(spec).ok());
    Oracle oracle(engine->GetCollection(spec.name)->spec);
    oracle.Upsert(engine.get(), 0, 10, 1);
    oracle.Check(*engine);
    if (HasFailure() || whole) break;
    ++cuts;
  }
  EXPECT_GT(cuts, 3u) << "the open made few changes: this shows little";
}

TEST_F(PowerLossTest, TakesNothingAcknowledgedAndLeavesNothing) {
  std::mt19937 random(5);
  for (uint64_t cycle = 0; cycle < Cycles(); ++cycle) {
    SCOPED_TRACE(absl::StrCat("cycle ", cycle));
    const bool at_close = cycle % 5 == 4;
    const int64_t operations =
        static_cast<int64_t>(random()) % (at_close ? kMaxOperationsOfClose : kMaxOperations);
    Lose(cycle + 1, operations, at_close);
    if (HasFatalFailure()) return;
    Verify();
    if (HasFailure()) return;
    std::printf(
        "%2lu: %ld operations%s; %lu changes acknowledged, %lu points; %lu bytes and %lu "
        "files lost\n",
        cycle, operations, at_close ? " of Close" : "", state_.acknowledged(), state_.points(),
        lost_bytes_, lost_files_);
    std::fflush(stdout);
  }
  EXPECT_GT(lost_bytes_ + lost_files_, 0u) << "everything was synced: this shows nothing";
  EXPECT_GT(state_.points(), 500u) << "too little was written to show anything";
}

}  // namespace
}  // namespace nestor
