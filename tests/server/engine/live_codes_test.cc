// Codes added to and dropped from a live index: beside writes and searches, across restarts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "server/storage/verify.h"
#include "tests/server/engine/engine_testutil.h"

namespace nestor {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr OpqSpec kBuilt{.dim = 16, .bytes = 4, .bits = 4};
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kRounds = 1;
#else
constexpr int kRounds = 3;
#endif
constexpr OpqSpec kAdded{.dim = 32, .bytes = 8, .bits = 4};

class LiveCodesTest : public testing::TestWithParam<ExactVectors> {
 protected:
  LiveCodesTest() : spec_(MakeSpec(Metric::kL2, Dtype::kF32)) {
    spec_.index.exact_vectors = GetParam();
    spec_.index.lists = 8;
    spec_.index.codes = {kBuilt};
    options_.data_dir = dir_.path();
    options_.upkeep.pause = std::chrono::milliseconds(2);
    engine_ = OpenOrDie(options_);
    EXPECT_TRUE(engine_->CreateCollection(spec_).ok());
    oracle_.emplace(engine_->GetCollection("docs")->spec);
  }

  void Restart() {
    engine_.reset();
    engine_ = OpenOrDie(options_);
  }
  void FillAndBuild() {
    oracle_->Upsert(engine_.get(), 0, 1500, 1);
    const Operation built = Await(*engine_, *engine_->BuildIndex("docs"));
    ASSERT_EQ(built.state, OperationState::kSucceeded) << built.error;
  }
  Operation Add(const OpqSpec& code) { return Await(*engine_, *engine_->AddCode("docs", code)); }
  Operation Drop(const OpqSpec& code) { return Await(*engine_, *engine_->DropCode("docs", code)); }
  std::vector<OpqSpec> Codes() const { return engine_->GetIndex("docs")->spec.codes; }
  std::vector<OpqSpec> NextCodes() const { return engine_->GetIndex("docs")->next_spec.codes; }

  absl::StatusOr<SearchReply> Search(const OpqSpec& code, uint32_t limit = 10) const {
    const std::vector<float> query = MakeVector(spec_.schema, 77);
    const absl::StatusOr<SearchView> view = engine_->Pin("docs");
    if (!view.ok()) return view.status();
    SearchRequest request;
    request.query = std::span<const float>(query);
    request.limit = limit;
    request.how = *ParsePlan("coarse=8:100,scan=" + OpqName(code) + ":10000,rescore");
    SearchReply reply;
    const absl::Status status = view->Search(request, nullptr, &reply);
    if (!status.ok()) return status;
    return reply;
  }

  TempDir dir_;
  EngineOptions options_;
  CollectionSpec spec_;
  std::optional<Oracle> oracle_;
  std::unique_ptr<Engine> engine_;
};

TEST_P(LiveCodesTest, AddedItIsThereForGood) {
  FillAndBuild();
  EXPECT_EQ(Search(kAdded).status().code(), absl::StatusCode::kFailedPrecondition);
  const uint64_t generation = engine_->GetIndex("docs")->generation;
  const Operation added = Add(kAdded);
  ASSERT_EQ(added.state, OperationState::kSucceeded) << added.error;
  EXPECT_EQ(added.kind, "add_code");
  const IndexInfo info = *engine_->GetIndex("docs");
  EXPECT_EQ(info.generation, generation) << "the lists are those that were";
  EXPECT_EQ(info.spec.codes, (std::vector{kBuilt, kAdded}));
  EXPECT_EQ(info.next_spec.codes, (std::vector{kBuilt, kAdded}));
  ASSERT_EQ(info.memory.code_parts.size(), 2u);
  EXPECT_GT(info.memory.code_parts[1], 1500u * 8);
  EXPECT_TRUE(info.building_codes.empty());
  oracle_->Check(*engine_);
  oracle_->Upsert(engine_.get(), 1400, 300, 2);
  oracle_->Delete(engine_.get(), 10, 200);
  oracle_->Check(*engine_);
  const auto before = Search(kAdded, 100);
  Restart();
  EXPECT_EQ(Codes(), (std::vector{kBuilt, kAdded}));
  oracle_->Check(*engine_);
  const auto after = Search(kAdded, 100);
  ASSERT_EQ(after->hits.size(), before->hits.size());
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(after->hits[i].id, before->hits[i].id);
  const Operation built = Await(*engine_, *engine_->BuildIndex("docs"));
  ASSERT_EQ(built.state, OperationState::kSucceeded) << built.error;
  EXPECT_EQ(Codes(), (std::vector{kBuilt, kAdded})) << "later builds make it, too";
  oracle_->Check(*engine_);
  engine_.reset();
  EXPECT_THAT(VerifyDataDir({.data_dir = dir_.path()})->damages, IsEmpty());
}

// What was learnt elsewhere is added like another, and stays as it is at restarts and builds.
TEST_P(LiveCodesTest, ImportedItIsKept) {
  FillAndBuild();
  const GivenCode learnt = {(*engine_->ExportCode("docs", kBuilt))->given().quantizer,
                            CodeOrigin::kGivenForResiduals};
  EXPECT_EQ(Await(*engine_, *engine_->ImportCode("docs", learnt)).error.code(),
            absl::StatusCode::kAlreadyExists);
  ASSERT_EQ(Add(kAdded).state, OperationState::kSucceeded);
  for (const CodeOrigin origin : {CodeOrigin::kGivenForResiduals, CodeOrigin::kGivenForRows}) {
    const GivenCode given = {(*engine_->ExportCode("docs", kAdded))->given().quantizer, origin};
    ASSERT_EQ(Drop(kAdded).state, OperationState::kSucceeded);
    EXPECT_EQ(engine_->ExportCode("docs", kAdded).status(),
              absl::NotFoundError("no code opq32x8b4; the index has the code opq16x4b4"));
    const Operation imported = Await(*engine_, *engine_->ImportCode("docs", given));
    ASSERT_EQ(imported.state, OperationState::kSucceeded) << imported.error;
    const auto check = [&] {
      const IndexInfo info = *engine_->GetIndex("docs");
      EXPECT_EQ(info.spec.codes, (std::vector{kBuilt, kAdded}));
      EXPECT_EQ(info.next_spec.codes, (std::vector{kBuilt, kAdded}));
      EXPECT_EQ(info.code_origins, (std::vector{CodeOrigin::kTrained, origin}));
      const std::shared_ptr<const Code> code = *engine_->ExportCode("docs", kAdded);
      EXPECT_EQ(code->of_residuals(), origin == CodeOrigin::kGivenForResiduals);
      EXPECT_EQ(code->quantizer().rotation(), given.quantizer->rotation());
      EXPECT_EQ(code->quantizer().centroids(), given.quantizer->centroids());
      EXPECT_TRUE(Search(kAdded).ok());
      oracle_->Check(*engine_);
    };
    check();
    oracle_->Upsert(engine_.get(), 1400, 300, 2);
    oracle_->Delete(engine_.get(), 10, 200);
    check();
    Restart();
    check();
    const Operation built = Await(*engine_, *engine_->BuildIndex("docs"));
    ASSERT_EQ(built.state, OperationState::kSucceeded) << built.error;
    check();
    Restart();
    check();
  }
  engine_.reset();
  EXPECT_THAT(VerifyDataDir({.data_dir = dir_.path()})->damages, IsEmpty());
}

// Fewer rows than centroids are enough where nothing is trained; an index that never was built is
// not.
TEST_P(LiveCodesTest, ImportedItNeedsNoRows) {
  FillAndBuild();
  constexpr OpqSpec kLarge{.dim = 16, .bytes = 4, .bits = 8};
  ASSERT_EQ(Add(kLarge).state, OperationState::kSucceeded);
  const GivenCode given = {(*engine_->ExportCode("docs", kLarge))->given().quantizer,
                           CodeOrigin::kGivenForRows};
  CollectionSpec few = spec_;
  few.name = "few";
  few.index = IndexSpec();
  ASSERT_TRUE(engine_->CreateCollection(few).ok());
  const auto import = [&] { return Await(*engine_, *engine_->ImportCode("few", given)); };
  EXPECT_EQ(import().error.code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("few")).state, OperationState::kSucceeded);
  const Operation imported = import();
  EXPECT_EQ(imported.state, OperationState::kSucceeded) << imported.error;
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("few")).state, OperationState::kSucceeded);
  EXPECT_EQ(engine_->GetIndex("few")->code_origins, std::vector{CodeOrigin::kGivenForRows});
}

TEST_P(LiveCodesTest, DroppedItIsGone) {
  FillAndBuild();
  ASSERT_EQ(Add(kAdded).state, OperationState::kSucceeded);
  const Operation dropped = Drop(kBuilt);
  ASSERT_EQ(dropped.state, OperationState::kSucceeded) << dropped.error;
  EXPECT_EQ(dropped.kind, "drop_code");
  EXPECT_EQ(Codes(), std::vector{kAdded});
  EXPECT_EQ(NextCodes(), std::vector{kAdded});
  const absl::Status status = Search(kBuilt).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("this index has the code opq32x8b4"));
  oracle_->Upsert(engine_.get(), 1400, 300, 2);
  oracle_->Check(*engine_);
  Restart();
  EXPECT_EQ(Codes(), std::vector{kAdded});
  oracle_->Check(*engine_);
  ASSERT_EQ(Drop(kAdded).state, OperationState::kSucceeded);
  EXPECT_EQ(engine_->GetIndex("docs")->memory.codes, 0u);
  // As often as one likes: what a code held is used again.
  for (int i = 0; i < 6; ++i) {
    const Operation again = Add(i % 2 == 0 ? kAdded : kBuilt);
    ASSERT_EQ(again.state, OperationState::kSucceeded) << again.error;
    oracle_->Check(*engine_);
    ASSERT_EQ(Drop(i % 2 == 0 ? kAdded : kBuilt).state, OperationState::kSucceeded);
  }
  engine_.reset();
  EXPECT_THAT(VerifyDataDir({.data_dir = dir_.path()})->damages, IsEmpty());
}

TEST_P(LiveCodesTest, WhatCannotBe) {
  const auto fails = [this](const absl::StatusOr<std::string>& begun, absl::StatusCode code,
                            const char* message) {
    ASSERT_TRUE(begun.ok()) << begun.status();
    const Operation ended = Await(*engine_, *begun);
    EXPECT_EQ(ended.state, OperationState::kFailed);
    EXPECT_EQ(ended.error.code(), code) << ended.error;
    EXPECT_THAT(std::string(ended.error.message()), HasSubstr(message));
  };
  using absl::StatusCode;
  EXPECT_EQ(engine_->AddCode("docs", {.dim = 24, .bytes = 8, .bits = 4}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(engine_->DropCode("docs", {.dim = 32, .bytes = 5, .bits = 4}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(engine_->AddCode("nothing", kAdded).status().code(), StatusCode::kNotFound);
  fails(engine_->AddCode("docs", kAdded), StatusCode::kFailedPrecondition, "never was");
  FillAndBuild();
  fails(engine_->AddCode("docs", kBuilt), StatusCode::kAlreadyExists, "has the code opq16x4b4");
  fails(engine_->DropCode("docs", kAdded), StatusCode::kNotFound,
        "no code opq32x8b4 to drop; the index has the code opq16x4b4");
  for (uint32_t bytes : {1, 2, 4}) {
    ASSERT_EQ(Add({.dim = 32, .bytes = bytes, .bits = 4}).state, OperationState::kSucceeded);
  }
  fails(engine_->AddCode("docs", kAdded), StatusCode::kFailedPrecondition, "at most 4");
  oracle_->Delete(engine_.get(), 20, 1500);
  ASSERT_EQ(Drop(kBuilt).state, OperationState::kSucceeded);
  fails(engine_->AddCode("docs", {.dim = 32, .bytes = 4, .bits = 8}),
        StatusCode::kFailedPrecondition, "training needs at least 256 rows");
  EXPECT_EQ(Codes().size(), 3u);
  EXPECT_TRUE(engine_->GetIndex("docs")->building_codes.empty());
  oracle_->Check(*engine_);
}

TEST_P(LiveCodesTest, CancelledItLeavesNothing) {
  FillAndBuild();
  const std::string id = *engine_->AddCode("docs", kAdded);
  ASSERT_TRUE(engine_->CancelOperation(id).ok());
  EXPECT_EQ(Await(*engine_, id).state, OperationState::kCancelled);
  EXPECT_EQ(Codes(), std::vector{kBuilt});
  EXPECT_EQ(NextCodes(), std::vector{kBuilt});
  EXPECT_TRUE(engine_->GetIndex("docs")->building_codes.empty());
  ASSERT_EQ(Add(kAdded).state, OperationState::kSucceeded);
  oracle_->Check(*engine_);
}

// Writers overwrite and delete, readers search by the code that stays and ask for the one that
// comes and goes.
TEST_P(LiveCodesTest, BesideWritesNoQueryFailsAndNoRowIsLost) {
  FillAndBuild();
  std::atomic<bool> done{false};
  std::atomic<int> failed{0}, told{0}, answered{0};
  const auto read = [&] {
    while (!done.load()) {
      const auto stays = Search(kBuilt, 50);
      if (!stays.ok() || stays->hits.size() != 50) {
        ++failed;
        ADD_FAILURE() << stays.status();
        return;
      }
      const auto comes = Search(kAdded, 50);
      if (comes.ok()) {
        std::set<PointId> ids;
        for (const SearchHit& hit : comes->hits) ids.insert(hit.id);
        if (ids.size() != 50) ++failed;
        ++answered;
      } else if (absl::IsFailedPrecondition(comes.status())) {
        if (absl::StrContains(comes.status().message(), "opq32x8b4, which is being built: "))
          ++told;
      } else {
        ++failed;
        ADD_FAILURE() << comes.status();
      }
    }
  };
  std::thread first(read), second(read);
  std::thread writer([&] {
    for (uint64_t version = 2; !done.load(); ++version) {
      oracle_->Upsert(engine_.get(), version * 37 % 1400, 60, version);
      oracle_->Delete(engine_.get(), version * 53 % 1400, 20);
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    const Operation added = Add(kAdded);
    EXPECT_EQ(added.state, OperationState::kSucceeded) << added.error;
    const int before = answered.load();
    while (answered.load() < before + 5 && failed.load() == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(Drop(kAdded).state, OperationState::kSucceeded);
  }
  EXPECT_EQ(Add(kAdded).state, OperationState::kSucceeded);
  done.store(true);
  first.join();
  second.join();
  writer.join();
  EXPECT_EQ(failed.load(), 0);
  EXPECT_GT(told.load(), 0) << "how far it is";
  // Every row by every code: those that were written while it was added, too.
  oracle_->Check(*engine_);
  Restart();
  oracle_->Check(*engine_);
}

INSTANTIATE_TEST_SUITE_P(All, LiveCodesTest,
                         testing::Values(ExactVectors::kMemory, ExactVectors::kStore),
                         [](const auto& info) {
                           return info.param == ExactVectors::kMemory ? "memory" : "store";
                         });

}  // namespace
}  // namespace nestor
