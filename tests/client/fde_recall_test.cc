// How well encodings find MaxSim's neighbours among real tokens: a sample of documents in
// tests/data/mv. The bounds leave some room below what was measured there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "client/bench/multi/ranking.h"
#include "index/train.h"

namespace nestor {
namespace {

class FdeRecallTest : public testing::Test {
 protected:
  FdeRecallTest() : data_(*ReadTokenData(NESTOR_SOURCE_DIR "/tests/data/mv", 100)) {
    BoundFaissThreads(1);  // and so the BLAS's
  }

  std::vector<NeighbourRanks> Rank(const FdeSpec& spec, std::span<const uint32_t> prefixes) {
    auto ranks = RankByFdes(data_, spec, prefixes, false);
    EXPECT_TRUE(ranks.ok()) << ranks.status();
    return *std::move(ranks);
  }

  const TokenData data_;
};

// The recall of a prefix grows with its repetitions, and hardly depends on what was drawn.
TEST_F(FdeRecallTest, GrowsWithRepetitions) {
  std::vector<std::vector<double>> of_seeds;
  for (const uint64_t seed : {1, 2, 3, 4, 5}) {
    const FdeSpec spec{
        .dim = data_.documents.dim, .repetitions = 40, .k_sim = 3, .d_proj = 8, .seed = seed};
    const uint32_t dims = spec.repetition_dims();
    const uint32_t prefixes[] = {5 * dims, 10 * dims, 20 * dims, 40 * dims};
    std::vector<double>& recalls = of_seeds.emplace_back();
    for (const NeighbourRanks& ranks : Rank(spec, prefixes)) recalls.push_back(ranks.RecallAt(10));
    for (size_t i = 1; i < recalls.size(); ++i) EXPECT_GT(recalls[i], recalls[i - 1] - 0.02);
  }
  for (size_t i = 0; i < 4; ++i) {
    double mean = 0, square = 0;
    for (const auto& recalls : of_seeds) mean += recalls[i] / 5;
    for (const auto& recalls : of_seeds) square += (recalls[i] - mean) * (recalls[i] - mean) / 4;
    EXPECT_LE(std::sqrt(square), 0.02) << i;
  }
}

// Fewer candidates than what does without encodings needs.
TEST_F(FdeRecallTest, NeedsFewerCandidates) {
  const FdeSpec spec{.dim = data_.documents.dim, .repetitions = 640, .k_sim = 1, .d_proj = 8};
  const uint32_t prefixes[] = {1280, 10240};
  const std::vector<NeighbourRanks> ranks = Rank(spec, prefixes);
  const NeighbourRanks tokens = RankByTokens(data_, data_.queries.size());
  const absl::StatusOr<NeighbourRanks> means = RankByMeans(data_);
  ASSERT_TRUE(means.ok()) << means.status();
  for (const double recall : {0.8, 0.9}) {
    SCOPED_TRACE(recall);
    // Measured: 11 and 16, 14 and 21, 27 and 38, 12 and 17.
    const size_t needed = ranks[1].Needed(recall);
    EXPECT_LE(2 * needed, tokens.Needed(recall));
    EXPECT_LT(needed, ranks[0].Needed(recall));
    EXPECT_LE(needed, means->Needed(recall));
  }
  EXPECT_LT(ranks[1].Needed(0.95), means->Needed(0.95));
}

}  // namespace
}  // namespace nestor
