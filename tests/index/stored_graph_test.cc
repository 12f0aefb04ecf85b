#include "index/graph/stored_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "index/graph/nodes.h"

namespace nestor {
namespace {

constexpr uint32_t kDegree = 4;

std::string BlockOf(uint64_t first_row, uint32_t nodes) {
  std::string bytes;
  for (uint32_t i = 0; i < nodes; ++i) {
    const std::vector<uint32_t> links = {i + 1, i + 2};
    AppendNode(first_row + i, links, kDegree, &bytes);
  }
  return bytes;
}

class StoredGraphTest : public testing::Test {
 protected:
  StoredGraphTest() { graph_.head.spec = {.dim = 64, .degree = kDegree, .ef_construction = 10}; }
  StoredGraph graph_;
};

TEST_F(StoredGraphTest, BlocksCountFromTheirNumberAndLostOnesAreEmpty) {
  ASSERT_TRUE(graph_.Add(0, BlockOf(100, StoredGraph::kBlockNodes)).ok());
  ASSERT_TRUE(graph_.Add(3, BlockOf(500, 2)).ok());
  ASSERT_EQ(graph_.rows.size(), 3 * StoredGraph::kBlockNodes + 2);
  EXPECT_EQ(graph_.rows[5], 105u);
  EXPECT_EQ(graph_.rows[StoredGraph::kBlockNodes], StoredGraph::kNoRow);
  EXPECT_EQ(graph_.rows.back(), 501u);
  const size_t last = (graph_.rows.size() - 1) * kDegree;
  EXPECT_EQ(graph_.links[last], 2u);
  EXPECT_EQ(graph_.links[last + 2], kNoNode);
}

TEST_F(StoredGraphTest, ADamagedNumberMakesNoRoom) {
  ASSERT_TRUE(graph_.Add(0, BlockOf(0, 1)).ok());
  for (const uint32_t number : {5000u, 1u << 23, kMaxNodes / StoredGraph::kBlockNodes, ~0u}) {
    EXPECT_EQ(graph_.Add(number, BlockOf(0, 1)).code(), absl::StatusCode::kDataLoss) << number;
  }
  EXPECT_EQ(graph_.rows.size(), 1u);
}

TEST_F(StoredGraphTest, BytesThatAreNoBlock) {
  std::string bytes = BlockOf(0, 2);
  bytes.pop_back();
  EXPECT_EQ(graph_.Add(0, bytes).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(graph_.Add(0, "").code(), absl::StatusCode::kDataLoss);
  const std::string long_one = BlockOf(0, StoredGraph::kBlockNodes + 1);
  EXPECT_EQ(graph_.Add(0, long_one).code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(graph_.rows.empty());
}

}  // namespace
}  // namespace nestor
