// Batches of token matrices whose FDEs are too many to be kept: the writer makes them again. What
// comes out is what batches of a few points make.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/engine/engine_fixture.h"

namespace nestor {
namespace {

constexpr uint64_t kPoints = 1300;

CollectionSpec SpecOf(const std::string& name, uint32_t k_sim, std::span<const uint32_t> prefixes) {
  CollectionSpec spec = MakeMultiSpec(Metric::kDot, Dtype::kF32);
  spec.name = name;
  spec.multi->fde = {.dim = 8, .repetitions = 32, .k_sim = k_sim, .d_proj = 8};
  spec.schema = *FdeSchema(spec.multi->fde, prefixes);
  return spec;
}

// FDEs of 32,768 dims: 170 MB of floats of all points.
CollectionSpec LargeSpec(const std::string& name) {
  const uint32_t prefixes[] = {1, 32};
  return SpecOf(name, 7, prefixes);
}

// .. of 2^20 dims, the most, in as few steps as can be.
CollectionSpec HugeSpec(const std::string& name) {
  std::vector<uint32_t> prefixes;
  for (uint32_t repetitions = 2; repetitions <= 32; repetitions += 2) {
    prefixes.push_back(repetitions);
  }
  return SpecOf(name, 12, prefixes);
}

class LargeBatchTest : public ::testing::Test {
 protected:
  LargeBatchTest() : oracle_(LargeSpec("whole")) {
    options_.data_dir = dir_.path();
    options_.upkeep.pause = std::chrono::hours(1);
    engine_ = OpenOrDie(options_);
    for (const char* name : {"whole", "parts"}) {
      EXPECT_TRUE(engine_->CreateCollection(LargeSpec(name)).ok());
    }
  }

  // `count` points in batches of `batch`; the sequence of the last.
  uint64_t Upsert(const std::string& name, uint64_t count, uint64_t batch, uint64_t version) {
    uint64_t seq = 0;
    for (uint64_t first = 0; first < count; first += batch) {
      std::vector<std::vector<float>> tokens;
      for (uint64_t i = first; i < std::min(first + batch, count); ++i) {
        tokens.push_back(oracle_.VectorOf(i, version));
      }
      std::vector<PointInput> points;
      for (size_t i = 0; i < tokens.size(); ++i) {
        points.push_back({PointId(first + i), oracle_.InputOf(tokens[i]), {}});
      }
      const absl::StatusOr<UpsertResult> written = engine_->Upsert(name, points);
      EXPECT_TRUE(written.ok()) << written.status();
      if (!written.ok()) return 0;
      EXPECT_EQ(written->upserted, points.size());
      seq = written->seq;
    }
    return seq;
  }

  std::vector<SearchHit> Search(const std::string& name, const SearchHow& how) {
    const std::vector<float> tokens = oracle_.VectorOf(3, 77);
    const SearchRequest request{
        .query = TokenQuery{.tokens = tokens}, .limit = kPoints, .how = how};
    SearchReply reply;
    const absl::Status status = engine_->Pin(name)->Search(request, nullptr, &reply);
    EXPECT_TRUE(status.ok()) << status;
    return reply.hits;
  }
  // By FDEs, by the codes of tokens and by the tokens.
  void ExpectEqual() {
    for (const SearchHow& how :
         {SearchHow(*ParsePlan(absl::StrCat("coarse=1024:100,scan=1024:", kPoints))),
          SearchHow(*ParsePlan(absl::StrCat("coarse=1024:100,scan=32768:", kPoints))),
          SearchHow(*ParsePlan(
              absl::StrCat("coarse=1024:100,scan=1024:", kPoints, ",maxsim=8:", kPoints))),
          SearchHow(ExactSearch{})}) {
      const std::vector<SearchHit> whole = Search("whole", how), parts = Search("parts", how);
      ASSERT_EQ(whole.size(), kPoints);
      ASSERT_EQ(parts.size(), kPoints);
      for (size_t i = 0; i < whole.size(); ++i) {
        ASSERT_EQ(whole[i].id, parts[i].id) << i;
        ASSERT_EQ(whole[i].score, parts[i].score) << i;
      }
    }
  }

  TempDir dir_;
  EngineOptions options_;
  Oracle oracle_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(LargeBatchTest, IsOneStepAndMakesTheSamePoints) {
  EXPECT_EQ(Upsert("whole", kPoints, kPoints, 1), 1u) << "one sequence";
  EXPECT_EQ(Upsert("parts", kPoints, 100, 1), 13u);
  EXPECT_EQ(*engine_->Count("whole"), kPoints);
  ExpectEqual();
  EXPECT_EQ(Upsert("whole", kPoints, kPoints, 2), 2u) << "all replaced";
  EXPECT_EQ(Upsert("parts", kPoints, 100, 2), 26u);
  EXPECT_EQ(*engine_->Count("whole"), kPoints);
  ExpectEqual();
  engine_.reset();
  engine_ = OpenOrDie(options_);
  ExpectEqual();
}

// More than memory should hold of one: 400 MiB of floats, of FDEs as large as they can be.
TEST_F(LargeBatchTest, MayMakeAnyNumberOfFdes) {
  constexpr uint64_t kFew = 100;
  ASSERT_TRUE(engine_->CreateCollection(HugeSpec("huge")).ok());
  EXPECT_EQ(Upsert("huge", kFew, kFew, 1), 1u) << "one sequence";
  EXPECT_EQ(Upsert("parts", kFew, kFew, 1), 1u);
  EXPECT_EQ(*engine_->Count("huge"), kFew);
  const std::vector<SearchHit> huge = Search("huge", ExactSearch{});
  const std::vector<SearchHit> parts = Search("parts", ExactSearch{});
  ASSERT_EQ(huge.size(), kFew);
  ASSERT_EQ(parts.size(), kFew);
  for (size_t i = 0; i < kFew; ++i) {
    EXPECT_EQ(huge[i].id, parts[i].id) << i;
    EXPECT_EQ(huge[i].score, parts[i].score) << i;
  }
  // The FDEs are the points' own: each finds its point.
  for (uint64_t i : {0, 50, 99}) {
    const std::vector<float> tokens = oracle_.VectorOf(i, 1);
    const SearchRequest request{.query = TokenQuery{.tokens = tokens},
                                .limit = 1,
                                .how = *ParsePlan("coarse=65536:1,scan=1048576:1")};
    SearchReply reply;
    ASSERT_TRUE(engine_->Pin("huge")->Search(request, nullptr, &reply).ok());
    EXPECT_EQ(reply.hits[0].id, PointId(i));
  }
}

// A build that ends between the making of a batch and its writing has lists that the batch does not
// know, or other encodings.
TEST_F(LargeBatchTest, BesideBuilds) {
  Upsert("parts", kPoints, 100, 1);
  Upsert("whole", kPoints, kPoints, 1);
  IndexSpec index;
  index.lists = 8;
  index.graph = {.dim = 64, .degree = 8, .ef_construction = 20};
  for (int round = 0; round < 2; ++round) {
    const absl::StatusOr<std::string> build = engine_->BuildIndex("whole", index);
    ASSERT_TRUE(build.ok()) << build.status();
    // The build goes through all that comes beside it, too: with no bound it would not end where it
    // is slower than the writer.
    constexpr int kBatches = 3;
    int batches = 0;
    do {
      Upsert("whole", kPoints, kPoints, 1);
    } while (++batches < kBatches && !IsFinal(engine_->GetOperation(*build)->state));
    EXPECT_EQ(Await(*engine_, *build).state, OperationState::kSucceeded);
    EXPECT_EQ(*engine_->Count("whole"), kPoints);
    ExpectEqual();
  }
  FdeSpec other = LargeSpec("").multi->fde;
  other.seed = 9;
  const uint32_t prefixes[] = {1, 32};
  const Reencoding reencoding{.fde = other, .schema = *FdeSchema(other, prefixes), .index = {}};
  for (const char* name : {"parts", "whole"}) {
    const absl::StatusOr<std::string> build = engine_->Reencode(name, reencoding);
    ASSERT_TRUE(build.ok()) << build.status();
    if (name == std::string("whole")) Upsert("whole", kPoints, kPoints, 1);
    EXPECT_EQ(Await(*engine_, *build).state, OperationState::kSucceeded);
  }
  ExpectEqual();
  engine_.reset();
  engine_ = OpenOrDie(options_);
  ExpectEqual();
}

}  // namespace
}  // namespace nestor
