// The memory limit of a collection.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/engine/engine_fixture.h"
#include "tests/server/engine/watched_engine.h"

namespace nestor {
namespace {

constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;
constexpr uint64_t kLimit = 1 << 20;
// What is admitted is an estimate: lists grow by an eighth at a time.
constexpr uint64_t kSlack = kLimit / 20;

CollectionSpec Limited(IdKind id_kind) {
  CollectionSpec spec = MakeSpec(Metric::kL2, Dtype::kF32, id_kind);
  spec.schema.dim = 512;
  spec.schema.nesting = {64, 512};
  spec.memory_limit_bytes = kLimit;
  return spec;
}

class CollectionMemoryTest : public WatchedEngineTest {
 protected:
  explicit CollectionMemoryTest(IdKind id_kind = IdKind::kNum)
      : WatchedEngineTest(Limited(id_kind)) {
    options_.upkeep.build_from = 0;
    Start();
  }

  absl::Status Upsert(uint64_t first, uint64_t count) {
    std::vector<std::vector<float>> vectors;
    std::vector<PointInput> points;
    for (uint64_t i = first; i < first + count; ++i) {
      vectors.push_back(MakeVector(spec_.schema, i));
    }
    for (uint64_t i = 0; i < count; ++i) {
      points.push_back({MakeId(spec_.id_kind, first + i), std::span<const float>(vectors[i]), {}});
    }
    return engine_->Upsert("docs", points).status();
  }
  // Points that went in before one was refused.
  uint64_t Fill() {
    uint64_t count = 0;
    absl::Status status = Upsert(count, 1);
    while (status.ok() && count < 10'000) status = Upsert(++count, 1);
    EXPECT_THAT(status, Fails(kExhausted, "the batch takes "));
    EXPECT_THAT(status, Fails(kExhausted, absl::StrCat("may use ", Limit(), " (memory_limit")));
    return count;
  }
  void SetLimit(uint64_t bytes) {
    CollectionUpdate update;
    update.memory_limit_bytes = bytes;
    const absl::Status status = engine_->UpdateCollection("docs", update).status();
    ASSERT_TRUE(status.ok()) << status;
  }
  uint64_t Limit() { return engine_->GetCollection("docs")->spec.memory_limit_bytes; }
  uint64_t Used() {
    const IndexInfo info = *engine_->GetIndex("docs");
    return info.memory.Total() + info.id_map_bytes;
  }
};

class StringIdsTest : public CollectionMemoryTest {
 protected:
  StringIdsTest() : CollectionMemoryTest(IdKind::kStr) {}
};

TEST_F(CollectionMemoryTest, WritesAreRefusedReadsAndDeletesGoOn) {
  const uint64_t count = Fill();
  EXPECT_LE(Used(), kLimit + kSlack);
  EXPECT_GE(Used(), kLimit - kSlack);
  EXPECT_EQ(*engine_->Count("docs"), count);
  EXPECT_THAT(Upsert(0, 1), Fails(kExhausted, "the batch")) << "an overwrite takes room, too";
  const PointId one = uint64_t{1};
  EXPECT_TRUE(engine_->Get("docs", {&one, 1}, {.vector = true}).ok());
  ASSERT_TRUE(engine_->Delete("docs", {&one, 1}).ok());
  EXPECT_EQ(*engine_->Count("docs"), count - 1);
}

TEST_F(CollectionMemoryTest, RoomOfDeletedPointsIsFree) {
  const uint64_t count = Fill();
  std::vector<PointId> ids;
  for (uint64_t i = 0; i < count / 2; ++i) ids.emplace_back(i);
  ASSERT_TRUE(engine_->Delete("docs", ids).ok());
  // Once upkeep has been there, in one batch and one by one.
  ASSERT_TRUE(Soon([&] { return Upsert(0, count / 4).ok(); }));
  uint64_t more = 0;
  const auto upsert_one = [&] { return Upsert(count + more, 1).ok(); };
  // Now and then refused: a list that was rewritten is there twice until its readers are gone.
  for (; more < count / 5; ++more) ASSERT_TRUE(Soon(upsert_one)) << more;
  while (more < count && upsert_one()) ++more;
  EXPECT_LE(more, count / 3);
  EXPECT_TRUE(Soon([&] { return Used() <= kLimit + kSlack; })) << Used();
}

TEST_F(CollectionMemoryTest, ALimitComesAndGoes) {
  const uint64_t count = Fill();
  SetLimit(2 * kLimit);
  ASSERT_TRUE(Upsert(count, 1).ok());
  const uint64_t used = Used();
  SetLimit(used / 2);
  EXPECT_THAT(Upsert(count + 1, 1), Fails(kExhausted, "the batch"));
  EXPECT_EQ(*engine_->Count("docs"), count + 1) << "what is there stays";
  Restart();
  EXPECT_EQ(Limit(), used / 2);
  EXPECT_EQ(*engine_->Count("docs"), count + 1);
  EXPECT_THAT(Upsert(count + 1, 1), Fails(kExhausted, "the batch"));
  SetLimit(0);
  EXPECT_TRUE(Upsert(count + 1, 100).ok());
  Restart();
  EXPECT_EQ(Limit(), 0u);
  EXPECT_TRUE(Upsert(count + 101, 100).ok());
}

TEST_F(CollectionMemoryTest, BuildsAndCodesAreRefusedBeforehand) {
  SetLimit(0);
  ASSERT_TRUE(Upsert(0, 2000).ok());
  Build({.lists = 20, .exact_vectors = ExactVectors::kStore});
  const uint64_t used = Used();
  SetLimit(used + used / 5);
  // As it is built, it fits.
  Build({.lists = 20, .exact_vectors = ExactVectors::kStore});
  EXPECT_THAT(engine_->BuildIndex("docs", IndexSpec{.lists = 20}).status(),
              Fails(kExhausted, "building the index of docs takes "));
  EXPECT_EQ(engine_->GetIndex("docs")->next_spec.exact_vectors, ExactVectors::kStore);
  // Its rotation alone takes 1 MB.
  EXPECT_THAT(engine_->AddCode("docs", {512, 64, 4}).status(),
              Fails(kExhausted, "adding the code opq512x64b4 to docs takes "));
  const Operation added = Await(*engine_, *engine_->AddCode("docs", {64, 8, 4}));
  EXPECT_EQ(added.state, OperationState::kSucceeded) << added.error;
}

TEST_F(CollectionMemoryTest, RefusesALimitOver63Bits) {
  CollectionUpdate update;
  update.memory_limit_bytes = uint64_t{1} << 63;
  EXPECT_THAT(
      engine_->UpdateCollection("docs", update).status(),
      Fails(kInvalid, "memory_limit_bytes is 9223372036854775808, limit 92233720368547758"));
  EXPECT_EQ(Limit(), kLimit);
  CollectionSpec spec = spec_;
  spec.name = "more";
  spec.memory_limit_bytes = ~uint64_t{0};
  EXPECT_THAT(engine_->CreateCollection(spec).status(), Fails(kInvalid, "memory_limit_bytes"));
}

// What others have under way counts, too.
TEST_F(CollectionMemoryTest, HoldsForManyWriters) {
  std::vector<std::thread> writers;
  std::atomic<uint64_t> written{0};
  for (uint64_t w = 0; w < 4; ++w) {
    writers.emplace_back([this, w, &written] {
      for (uint64_t i = 0; i < 400 && Upsert(1000 * w + 10 * i, 10).ok(); ++i) written += 10;
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_GT(written, 0u);
  EXPECT_LT(written, 4000u);
  EXPECT_LE(Used(), kLimit + kSlack);
}

TEST_F(StringIdsTest, CountTheirCharacters) {
  const uint64_t count = Fill();
  EXPECT_GT(count, 100u);
  EXPECT_LE(Used(), kLimit + kSlack);
}

}  // namespace
}  // namespace nestor
