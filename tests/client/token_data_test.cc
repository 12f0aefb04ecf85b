#include "client/bench/multi/token_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/bench/multi/candidates_needed.h"
#include "client/files/write_vectors.h"
#include "index/half.h"
#include "tests/client/scratch_files.h"

namespace nestor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class TokenDataTest : public testing::Test {
 protected:
  // 12 documents of 1 and 2 tokens by turns, 2 queries of 2 tokens.
  TokenDataTest() {
    std::vector<int8_t> tokens(18 * 2);
    for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int8_t>(i);
    base_ = files_.WriteBin("base.tokens.i8bin", 18, 2, tokens);
    std::vector<uint64_t> offsets = {0};
    for (int i = 0; i < 12; ++i) offsets.push_back(offsets.back() + 1 + i % 2);
    WriteOffsets("base", offsets);
    std::vector<uint16_t> query;
    for (int i = 0; i < 8; ++i) query.push_back(FloatToHalf(static_cast<float>(i) / 4));
    files_.WriteBin("query.tokens.f16bin", 4, 2, query);
    WriteOffsets("query", {0, 2, 4});
    files_.Write("scale.txt", "0.5\n");
    std::vector<int32_t> truth;
    for (int i = 0; i < 2 * 12; ++i) truth.push_back(i % 12);
    files_.WriteBin("query.gt_chamfer.ids.ibin", 2, 12, truth);
  }

  void WriteOffsets(const std::string& side, const std::vector<uint64_t>& offsets) {
    files_.WriteBin(side + ".off.u64bin", static_cast<uint32_t>(offsets.size()), 1, offsets);
  }
  absl::StatusOr<TokenData> Read(size_t queries = 9) const {
    return ReadTokenData(base_.substr(0, base_.rfind('/')), queries);
  }
  std::string Refused() const {
    const auto data = Read();
    EXPECT_FALSE(data.ok());
    return std::string(data.status().message());
  }

  ScratchFiles files_;
  std::string base_;
};

TEST_F(TokenDataTest, ReadsMatrices) {
  const auto data = Read();
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->documents.size(), 12u);
  EXPECT_THAT(data->documents[0], ElementsAre(0, 0.5f));
  EXPECT_THAT(data->documents[3], ElementsAre(4, 4.5f, 5, 5.5f));
  EXPECT_EQ(data->queries.size(), 2u);
  EXPECT_THAT(data->queries[1], ElementsAre(1, 1.25f, 1.5f, 1.75f));
  EXPECT_THAT(data->NeighboursOf(1), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  const auto one = Read(1);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->queries.size(), 1u);
  EXPECT_EQ(one->documents.size(), 12u);
}

TEST_F(TokenDataTest, RefusesFilesThatDoNotFit) {
  WriteOffsets("query", {0, 2, 2});
  EXPECT_THAT(Refused(), HasSubstr("offset 2 is 2 after 2"));
  WriteOffsets("query", {0, 2, 5});
  EXPECT_THAT(Refused(), HasSubstr("offset 2 is 5 after 2, of 4 tokens"));
  WriteOffsets("query", {1, 2, 4});
  EXPECT_THAT(Refused(), HasSubstr("offset 0 is 1"));
  WriteOffsets("query", {0, 2, 4});
  files_.WriteBin("query.gt_chamfer.ids.ibin", 2, 10, std::vector<int32_t>(20, 12));
  EXPECT_THAT(Refused(), HasSubstr("query 0 has neighbour 12 of 12 documents"));
  files_.WriteBin("query.gt_chamfer.ids.ibin", 2, 9, std::vector<int32_t>(18, 1));
  EXPECT_THAT(Refused(), HasSubstr("9 neighbours of 2 queries"));
  files_.Write("scale.txt", "none");
  EXPECT_THAT(Refused(), HasSubstr("scale.txt holds no number"));
}

TEST(NeighbourRanksTest, CountsCandidates) {
  NeighbourRanks ranks;
  const std::vector<float> scores = {5, 1, 4, 3, 4};
  ranks.Add(scores, std::vector<uint32_t>{0, 3});  // ranks 1 and 4
  ranks.Add(scores, std::vector<uint32_t>{2, 1});  // 3, as document 4 is as good, and 5
  EXPECT_EQ(ranks.RecallAt(1), 0.25);
  EXPECT_EQ(ranks.RecallAt(2), 0.25);
  EXPECT_EQ(ranks.RecallAt(4), 0.75);
  EXPECT_EQ(ranks.RecallAt(5), 1);
  EXPECT_EQ(ranks.Needed(0.25), 1u);
  EXPECT_EQ(ranks.Needed(0.5), 3u);
  EXPECT_EQ(ranks.Needed(0.51), 4u);
  EXPECT_EQ(ranks.Needed(1), 5u);
}

}  // namespace
}  // namespace nestor
