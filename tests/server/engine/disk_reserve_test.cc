#include "server/engine/disk_reserve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <vector>

#include "tests/server/engine/engine_fixture.h"

namespace nestor {
namespace {

constexpr uint64_t kMiB = 1 << 20;

TEST(DiskReserveTest, AdmitsWhatLeavesTheReserve) {
  uint64_t free = 100 * kMiB;
  DiskReserve disk(64 * kMiB, [&] { return free; });
  EXPECT_THAT(disk.Admit("it", 40 * kMiB),
              Fails(absl::StatusCode::kResourceExhausted,
                    "it takes 41943040 bytes on disk; 104857600 are free, of which 67108864"));
  EXPECT_TRUE(disk.Admit("it", 36 * kMiB).ok());
  EXPECT_FALSE(disk.Admit("it", ~uint64_t{0}).ok());
  free = 63 * kMiB;
  EXPECT_FALSE(disk.Admit("it", 1).ok());
  free = 65 * kMiB;
  EXPECT_TRUE(disk.Admit("it", 1).ok()) << "goes on by itself";
}

TEST(DiskReserveTest, LooksAgainAfterAWhile) {
  uint64_t free = 100 * kMiB;
  DiskReserve disk(64 * kMiB, [&] { return free; });
  ASSERT_TRUE(disk.Admit("it", kMiB).ok());
  free = 0;
  uint64_t admitted = 0;
  while (admitted < 100 && disk.Admit("it", kMiB).ok()) ++admitted;
  EXPECT_LE(admitted, 4u);
}

TEST(DiskReserveTest, Defaults) {
  TempDir dir;
  EXPECT_GT(DiskReserve::Free(dir.path()), 0u);
  EXPECT_GT(DiskReserve::Default(dir.path()), 0u);
  EXPECT_EQ(DiskReserve::Default(dir.path() + "/not/there/yet"), DiskReserve::Default(dir.path()));
  EXPECT_LE(DiskReserve::Default(dir.path()), uint64_t{1} << 30);
  DiskReserve none(0, [] { return 0; });
  EXPECT_TRUE(none.Admit("it", ~uint64_t{0}).ok());
}

TEST(DiskReserveTest, UpsertsAndBuildsAreRefusedReadsAndDeletesGoOn) {
  TempDir dir;
  EngineOptions options;
  options.data_dir = dir.path();
  const CollectionSpec spec = MakeSpec(Metric::kL2, Dtype::kF32);
  const std::vector<float> vector = MakeVector(spec.schema, 1);
  const PointInput point{uint64_t{1}, std::span<const float>(vector), {}};
  {
    const std::unique_ptr<Engine> engine = OpenOrDie(options);
    ASSERT_TRUE(engine->CreateCollection(spec).ok());
    ASSERT_TRUE(engine->Upsert("docs", {&point, 1}).ok());
  }
  options.disk_reserve_bytes = uint64_t{1} << 62;
  const std::unique_ptr<Engine> engine = OpenOrDie(options);
  EXPECT_THAT(engine->Upsert("docs", {&point, 1}).status(),
              Fails(absl::StatusCode::kResourceExhausted, "--disk-reserve"));
  EXPECT_THAT(engine->BuildIndex("docs").status(),
              Fails(absl::StatusCode::kResourceExhausted, "building the index of docs"));
  const PointId one = uint64_t{1};
  EXPECT_TRUE(engine->Get("docs", {&one, 1}, {.vector = true}).ok());
  EXPECT_EQ(engine->Delete("docs", {&one, 1})->deleted, 1u);
  EXPECT_TRUE(engine->DeleteCollection("docs").ok());
}

}  // namespace
}  // namespace nestor
