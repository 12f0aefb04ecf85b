// Points: written, refused, read, listed.
#include <limits>
#include <string>
#include <vector>

#include "tests/server/engine/engine_fixture.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;

using PointsTest = EngineTest;

TEST_F(PointsTest, BadWritesChangeNothing) {
  oracle_.Upsert(engine_.get(), 0, 10, 1);
  const uint64_t seq = *engine_->Sequence("docs");
  const std::vector<float> good = oracle_.VectorOf(1, 2);
  const auto upsert = [&](PointInput bad) {
    const std::vector<PointInput> points = {{uint64_t{3}, std::span<const float>(good), {}}, bad};
    return engine_->Upsert("docs", points).status();
  };
  std::vector<float> vector = good;
  const auto span = [&] { return std::span<const float>(vector); };
  EXPECT_THAT(upsert({uint64_t{3}, span(), {}}), Fails(kInvalid, "twice"));
  EXPECT_THAT(upsert({std::string("x"), span(), {}}), Fails(kInvalid, "numbers"));
  EXPECT_THAT(upsert({uint64_t{4}, span().first(31), {}}), Fails(kInvalid, "31"));
  EXPECT_THAT(upsert({uint64_t{4}, PackedVector{Dtype::kF32, "abc"}, {}}), Fails(kInvalid, "128"));
  EXPECT_THAT(upsert({uint64_t{4}, PackedVector{Dtype::kI8, std::string(32, 'a')}, {}}),
              Fails(kInvalid, "i8"));
  EXPECT_THAT(upsert({uint64_t{4}, span(), {{"none", true}}}), Fails(kInvalid, "none"));
  EXPECT_THAT(upsert({uint64_t{4}, span(), {{"name", true}}}), Fails(kInvalid, "string"));
  vector[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(upsert({uint64_t{4}, span(), {}}), Fails(kInvalid, "point 1"));
  vector[5] = 1e30f;
  EXPECT_THAT(upsert({uint64_t{4}, span(), {}}), Fails(kInvalid, "id 4"));
  EXPECT_THAT(engine_->Upsert("docs", {}).status(), Fails(kInvalid, "0 points"));
  EXPECT_THAT(engine_->Upsert("docs", std::vector<PointInput>(10001)).status(),
              Fails(kInvalid, "10001"));
  EXPECT_THAT(engine_->Upsert("none", {}).status(), Fails(kNotFound, "none"));
  const PointId str = std::string("x");
  EXPECT_THAT(engine_->Delete("docs", {&str, 1}).status(), Fails(kInvalid, "numbers"));
  EXPECT_THAT(engine_->Get("docs", {&str, 1}, {}).status(), Fails(kInvalid, "numbers"));
  EXPECT_EQ(*engine_->Sequence("docs"), seq);
  oracle_.Check(*engine_);
}

TEST_F(PointsTest, DeleteIsIdempotent) {
  oracle_.Upsert(engine_.get(), 0, 10, 1);
  const std::vector<PointId> ids = {uint64_t{3}, uint64_t{99}, uint64_t{3}};
  absl::StatusOr<DeleteResult> result = engine_->Delete("docs", ids);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->deleted, 1u);
  EXPECT_EQ(result->seq, 2u);
  result = engine_->Delete("docs", ids);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->deleted, 0u);
  EXPECT_EQ(result->seq, 2u) << "an entry that changes nothing takes no sequence";
}

TEST_F(PointsTest, GetReturnsFoundAndMissing) {
  oracle_.Upsert(engine_.get(), 0, 3, 1);
  const std::vector<PointId> ids = {uint64_t{2}, uint64_t{7}, uint64_t{0}, uint64_t{2}};
  absl::StatusOr<GetResult> result = engine_->Get("docs", ids, {});
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->found.size(), 3u);
  EXPECT_EQ(result->found[0].id, PointId(uint64_t{2}));
  EXPECT_EQ(result->found[1].id, PointId(uint64_t{0}));
  EXPECT_EQ(result->found[2].id, PointId(uint64_t{2}));
  EXPECT_THAT(result->missing, ElementsAre(PointId(uint64_t{7})));
  EXPECT_EQ(result->found[0].seq, 1u);
  EXPECT_TRUE(result->found[0].vector.empty());
  EXPECT_TRUE(result->found[0].attributes.empty());
  result = engine_->Get("docs", ids, {.attributes = false, .vector = true});
  EXPECT_EQ(result->found[0].vector.size(), 128u);
  EXPECT_TRUE(result->found[0].attributes.empty());
}

TEST_F(PointsTest, ListPages) {
  oracle_.Upsert(engine_.get(), 0, 700, 1);
  ListRequest request;
  request.limit = 700;
  EXPECT_FALSE(engine_->List("docs", request)->more);
  request.limit = 699;
  absl::StatusOr<ListResult> page = engine_->List("docs", request);
  EXPECT_EQ(page->points.size(), 699u);
  EXPECT_TRUE(page->more);
  request.after = page->points.back().id;
  page = engine_->List("docs", request);
  EXPECT_EQ(page->points.size(), 1u);
  EXPECT_FALSE(page->more);
  request.after.reset();
  request.output.vector = true;
  request.max_bytes = 10 * (128 + 8);
  page = engine_->List("docs", request);
  EXPECT_EQ(page->points.size(), 10u);
  EXPECT_TRUE(page->more);
  request.max_bytes = 1;
  EXPECT_EQ(engine_->List("docs", request)->points.size(), 1u);
  request.limit = 0;
  EXPECT_THAT(engine_->List("docs", request).status(), Fails(kInvalid, "limit is 0"));
  request.limit = 10001;
  EXPECT_THAT(engine_->List("docs", request).status(), Fails(kInvalid, "10001"));
}

}  // namespace
}  // namespace nestor
