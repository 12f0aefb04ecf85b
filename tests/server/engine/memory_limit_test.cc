#include "server/engine/memory_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/engine/engine_fixture.h"

namespace nestor {
namespace {

constexpr uint64_t kMiB = 1 << 20;

TEST(MemoryLimitTest, AdmitsUpToTheLimit) {
  const uint64_t resident = MemoryLimit::Resident();
  ASSERT_GT(resident, 0u);
  uint64_t reusable = 0;
  MemoryLimit limit(resident + 64 * kMiB, [&] { return reusable; });
  EXPECT_TRUE(limit.Admit("it", kMiB).ok());
  EXPECT_TRUE(limit.Admit("it", 32 * kMiB).ok());
  EXPECT_THAT(limit.Admit("it", 128 * kMiB),
              Fails(absl::StatusCode::kResourceExhausted, "it takes 134217728 bytes; the server"));
  EXPECT_TRUE(limit.Admit("it", kMiB).ok()) << "a small one still fits";
  reusable = 80 * kMiB;
  EXPECT_EQ(limit.Admit("it", 128 * kMiB).ok(), resident >= 64 * kMiB)
      << "where all of it is reusable the limit alone counts";
  EXPECT_FALSE(limit.Admit("it", ~uint64_t{0}).ok());
}

TEST(MemoryLimitTest, SmallOnesAddUp) {
  // What is resident grows with what is admitted.
  std::vector<std::string> taken;
  MemoryLimit limit(MemoryLimit::Resident() + 64 * kMiB, [] { return 0; });
  for (int i = 0; i < 10000 && limit.Admit("it", 64 << 10).ok(); ++i) {
    taken.emplace_back(64 << 10, 'x');
  }
  EXPECT_GE(taken.size(), 32 * 16u);
  EXPECT_LT(taken.size(), 10000u);
  EXPECT_LE(MemoryLimit::Resident(), limit.limit() + 16 * kMiB);
}

TEST(MemoryLimitTest, NoLimitAdmitsAll) {
  MemoryLimit limit(0, [] { return 0; });
  EXPECT_TRUE(limit.Admit("it", ~uint64_t{0}).ok());
  EXPECT_GT(MemoryLimit::Default(), 100 * kMiB);
}

// Lists of the caller's take what they take, however few points there are.
TEST(MemoryLimitTest, ABuildOfManyListsIsRefused) {
  TempDir dir;
  EngineOptions options;
  options.data_dir = dir.path();
  options.memory_limit_bytes = MemoryLimit::Resident() + 96 * kMiB;
  const std::unique_ptr<Engine> engine = OpenOrDie(options);
  CollectionSpec spec = MakeSpec(Metric::kL2, Dtype::kF32);
  spec.schema.dim = 4096;
  spec.schema.nesting = {4096};
  spec.attributes.push_back({"cell", AttributeType::kInt64});
  ASSERT_TRUE(engine->CreateCollection(spec).ok());
  IndexSpec many;
  many.list_attribute = "cell";
  many.lists = 65536;
  EXPECT_THAT(engine->BuildIndex("docs", many).status(),
              Fails(absl::StatusCode::kResourceExhausted, "building the index of docs takes "));
  EXPECT_EQ(engine->GetIndex("docs")->next_spec, IndexSpec());
  many.lists = 100;
  EXPECT_EQ(Await(*engine, *engine->BuildIndex("docs", many)).error, absl::OkStatus());
}

TEST(MemoryLimitTest, WritesAreRefusedReadsAndDeletesGoOn) {
  TempDir dir;
  EngineOptions options;
  options.data_dir = dir.path();
  options.upkeep.pause = std::chrono::milliseconds(5);
  options.memory_limit_bytes = MemoryLimit::Resident() + 96 * kMiB;
  const std::unique_ptr<Engine> engine = OpenOrDie(options);
  CollectionSpec spec = MakeSpec(Metric::kL2, Dtype::kF32);
  spec.schema.dim = 4096;
  spec.schema.nesting = {4096};
  ASSERT_TRUE(engine->CreateCollection(spec).ok());
  const std::vector<float> vector = MakeVector(spec.schema, 1);
  const auto upsert = [&](uint64_t id) {
    const PointInput point{id, std::span<const float>(vector), {}};
    return engine->Upsert("docs", {&point, 1});
  };
  uint64_t id = 0;
  absl::StatusOr<UpsertResult> result = upsert(id);
  while (result.ok() && id < 100'000) result = upsert(++id);
  ASSERT_THAT(result.status(), Fails(absl::StatusCode::kResourceExhausted, "--memory-limit"));
  EXPECT_GT(id, 100u);
  EXPECT_EQ(*engine->Count("docs"), id);
  EXPECT_LE(MemoryLimit::Resident(), options.memory_limit_bytes + 32 * kMiB);
  EXPECT_THAT(engine->BuildIndex("docs").status(),
              Fails(absl::StatusCode::kResourceExhausted, "building the index of docs"));
  const PointId one = uint64_t{1};
  EXPECT_TRUE(engine->Get("docs", {&one, 1}, {.vector = true}).ok());

  std::vector<PointId> ids;
  for (uint64_t i = 0; i < id && ids.size() < 10'000; ++i) ids.emplace_back(i);
  ASSERT_TRUE(engine->Delete("docs", ids).ok());
  // Once upkeep has been there, their room is free.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!(result = upsert(id)).ok() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(result.ok()) << result.status();
}

}  // namespace
}  // namespace nestor
