// What an engine finds at its start: another one, an unknown format, damage, what a crash left;
// and what it says once it is closed.
#include <atomic>

#include "absl/strings/str_cat.h"
#include "server/storage/keys.h"
#include "server/storage/records.h"
#include "tests/server/engine/engine_fixture.h"

namespace nestor {
namespace {

using RestartTest = EngineTest;

TEST_F(RestartTest, SecondEngineOnTheDirectoryIsRefused) {
  EXPECT_THAT(Engine::Open(options_).status(),
              Fails(absl::StatusCode::kFailedPrecondition, "another server"));
}

TEST_F(RestartTest, UnknownFormatIsRefused) {
  ChangeStore([](Store*, Batch* batch) {
    batch->Put(Family::kMeta, FormatKey(), EncodeFormatVersion(kFormatVersion + 1));
  });
  EXPECT_THAT(Engine::Open(options_).status(),
              Fails(absl::StatusCode::kFailedPrecondition,
                    absl::StrCat("format version ", kFormatVersion + 1)));
}

TEST_F(RestartTest, ClosedEngineAnswersUnavailable) {
  ASSERT_TRUE(engine_->Close().ok());
  ASSERT_TRUE(engine_->Close().ok());
  const auto unavailable = absl::StatusCode::kUnavailable;
  EXPECT_THAT(engine_->Count("docs").status(), Fails(unavailable, "shutting down"));
  EXPECT_THAT(engine_->CreateCollection(spec_).status(), Fails(unavailable, "shutting down"));
  EXPECT_THAT(engine_->DeleteCollection("docs"), Fails(unavailable, "shutting down"));
  EXPECT_THAT(engine_->BuildIndex("docs").status(), Fails(unavailable, "shutting down"));
  EXPECT_EQ(engine_->Stats().collections.size(), 0u);
}

TEST_F(RestartTest, StoppedWhileItLoadsItLosesNothing) {
  constexpr uint64_t kPoints = 10'000;  // more than are read between two looks
  oracle_.Upsert(engine_.get(), 0, kPoints, 1);
  engine_.reset();
  for (int looks = 0; looks < 2; ++looks) {
    engine_ = *Engine::OpenUnloaded(options_);
    std::atomic<int> left{looks};
    EXPECT_THAT(engine_->LoadCollections([&] { return left.fetch_sub(1) > 0; }),
                Fails(absl::StatusCode::kCancelled, "\"docs\": loading was stopped"));
    EXPECT_THAT(engine_->Count("docs").status(), Fails(absl::StatusCode::kUnavailable, "docs"));
    EXPECT_TRUE(engine_->Close().ok());
    engine_.reset();
  }
  engine_ = OpenOrDie(options_);
  oracle_.Check(*engine_);
}

TEST_F(RestartTest, DamagedPointIsReported) {
  oracle_.Upsert(engine_.get(), 0, 10, 1);
  ChangeStore([](Store*, Batch* batch) { batch->Put(Family::kPoints, PointKey(1, 3), "garbage"); });
  EXPECT_THAT(Engine::Open(options_).status(), Fails(absl::StatusCode::kDataLoss, "row 3"));
  ChangeStore([](Store*, Batch* batch) { batch->Delete(Family::kPoints, PointKey(1, 3)); });
  EXPECT_THAT(Engine::Open(options_).status(),
              Fails(absl::StatusCode::kDataLoss, "row 3 is missing"));
  engine_.reset();
}

TEST_F(RestartTest, CollectionsWithoutTheirCounterAreReported) {
  ChangeStore([](Store*, Batch* batch) { batch->Delete(Family::kMeta, NextUidKey()); });
  EXPECT_THAT(Engine::Open(options_).status(), Fails(absl::StatusCode::kDataLoss, "uid 1"));
}

TEST_F(RestartTest, RestartRemovesWhatACrashLeft) {
  oracle_.Upsert(engine_.get(), 0, 1200, 1);
  IndexSpec index;
  index.lists = 4;
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs", index)).state, OperationState::kSucceeded);
  oracle_.Upsert(engine_.get(), 0, 100, 2);
  ChangeStore([](Store* store, Batch* batch) {
    // A generation that never became current, postings of rows that are gone, a row that no id
    // names, and a live row whose posting is missing.
    batch->Put(Family::kPostings, PostingKey(1, 2, 0, 5), "");
    batch->Put(Family::kModels, ModelKey(1, 2), "half a model");
    batch->Put(Family::kPostings, PostingKey(1, 1, 0, 100000), "");
    batch->Put(Family::kPoints, PointKey(1, 100000), "nobody's");
    Scan scan = store->NewScan(Family::kPostings, GenerationBegin(1, 1), GenerationBegin(1, 2));
    batch->Delete(Family::kPostings, scan.key());
  });
  engine_ = OpenOrDie(options_);
  oracle_.Check(*engine_);
  EXPECT_EQ(engine_->GetIndex("docs")->lists, 4u);
  ChangeStore([](Store* store, Batch*) {
    const auto count = [&](Family family) {
      size_t keys = 0;
      for (Scan scan = store->NewScan(family, UidBegin(1), UidBegin(2)); scan.Valid();
           scan.Next()) {
        ++keys;
      }
      return keys;
    };
    EXPECT_EQ(count(Family::kIds), 1200u);
    EXPECT_EQ(count(Family::kPoints), 1200u);
    EXPECT_EQ(count(Family::kPostings), 1200u);
    EXPECT_EQ(count(Family::kModels), 1u);
  });
}

}  // namespace
}  // namespace nestor
