// What one graph search keeps: the pool of the best nodes, and which nodes it has met.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <set>
#include <vector>

#include "index/graph/pool.h"

namespace nestor {
namespace {

using testing::ElementsAre;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<uint32_t> NodesOf(const NodePool& pool) {
  std::vector<uint32_t> nodes;
  for (size_t i = 0; i < pool.size(); ++i) nodes.push_back(pool.node(i));
  return nodes;
}

TEST(NodePoolTest, KeepsTheNearestInOrder) {
  NodePool pool;
  pool.Clear(3);
  EXPECT_EQ(pool.Worst(), kInfinity);
  EXPECT_EQ(pool.Kth(1), kInfinity);
  pool.Insert(4, 40, true);
  pool.Insert(1, 10, true);
  EXPECT_EQ(pool.Worst(), kInfinity);
  pool.Insert(3, 30, true);
  EXPECT_THAT(NodesOf(pool), ElementsAre(10, 30, 40));
  EXPECT_EQ(pool.Worst(), 4);
  pool.Insert(2, 20, true);
  EXPECT_THAT(NodesOf(pool), ElementsAre(10, 20, 30));
  EXPECT_EQ(pool.Worst(), 3);
  EXPECT_EQ(pool.Kth(1), 1);
  EXPECT_EQ(pool.Kth(3), 3);
  EXPECT_EQ(pool.Kth(4), kInfinity);
}

TEST(NodePoolTest, EqualDistancesKeepTheOrderOfArrival) {
  NodePool pool;
  pool.Clear(4);
  for (uint32_t node : {7u, 3u, 9u}) pool.Insert(1, node, true);
  pool.Insert(0, 1, true);
  EXPECT_THAT(NodesOf(pool), ElementsAre(1, 7, 3, 9));
}

TEST(NodePoolTest, TakesEachOnceNearestFirstAndWithinTheBound) {
  NodePool pool;
  pool.Clear(4);
  EXPECT_EQ(pool.TakeNext(kInfinity), kNoNode);
  pool.Insert(2, 20, true);
  pool.Insert(4, 40, false);
  EXPECT_EQ(pool.TakeNext(2), kNoNode);  // not nearer than the bound
  EXPECT_EQ(pool.TakeNext(kInfinity), 20u);
  pool.Insert(1, 10, true);  // before what was taken
  pool.Insert(3, 30, true);
  EXPECT_EQ(pool.TakeNext(kInfinity), 10u);
  EXPECT_EQ(pool.TakeNext(kInfinity), 30u);
  EXPECT_EQ(pool.TakeNext(4), kNoNode);
  EXPECT_EQ(pool.TakeNext(4.5f), 40u);  // invisible ones are passed through
  EXPECT_EQ(pool.TakeNext(kInfinity), kNoNode);
  EXPECT_EQ(pool.node(1), 20u);  // without the marks
}

TEST(NodePoolTest, InvisibleNodesComeOnTop) {
  NodePool pool;
  pool.Clear(2);
  pool.Insert(1, 10, false);
  pool.Insert(3, 30, true);
  EXPECT_EQ(pool.Kth(1), 3);
  EXPECT_EQ(pool.Kth(2), kInfinity);
  EXPECT_EQ(pool.Worst(), kInfinity);
  pool.Insert(4, 40, true);
  EXPECT_THAT(NodesOf(pool), ElementsAre(10, 30, 40));
  EXPECT_FALSE(pool.visible(0));
  EXPECT_TRUE(pool.visible(1));
  EXPECT_EQ(pool.Worst(), 4);
  EXPECT_EQ(pool.Kth(2), 4);
  pool.Insert(2, 20, true);
  EXPECT_THAT(NodesOf(pool), ElementsAre(10, 20, 30));
}

// A deleted cluster around the query: nodes that are only passed through never take a result's
// place.
TEST(NodePoolTest, InvisibleNodesDoNotPushVisibleOnesOut) {
  NodePool pool;
  pool.Clear(3);
  for (uint32_t i = 0; i < 100; ++i) {
    const float distance = 1 + static_cast<float>(i * 37 % 100);
    if (distance < pool.Worst()) pool.Insert(distance, i, false);
  }
  EXPECT_EQ(pool.size(), 3u);
  for (uint32_t node : {500u, 400u, 300u, 200u}) {
    const auto distance = static_cast<float>(node);
    ASSERT_LT(distance, pool.Worst()) << node;
    pool.Insert(distance, node, true);
  }
  EXPECT_EQ(pool.Kth(3), 400);
  EXPECT_EQ(pool.size(), 6u);
  std::vector<uint32_t> taken;
  for (uint32_t n = pool.TakeNext(kInfinity); n != kNoNode; n = pool.TakeNext(kInfinity)) {
    taken.push_back(n);
  }
  EXPECT_EQ(taken, NodesOf(pool));
}

// Random offers, each made only where Worst() lets it in, and takes in between.
TEST(NodePoolTest, HoldsTheBestOfRandomOffers) {
  std::mt19937_64 random(7);
  NodePool pool;
  for (int round = 0; round < 300; ++round) {
    const size_t capacity = 1 + random() % 40;
    const uint64_t invisible_of_ten = random() % 11;
    pool.Clear(capacity);
    struct Offer {
      float distance;
      bool visible;
    };
    std::vector<Offer> offers;
    std::set<uint32_t> taken;
    for (uint32_t n = static_cast<uint32_t>(random() % 200); offers.size() < n;) {
      const Offer offer{static_cast<float>(random() % (1u << 24)),
                        random() % 10 >= invisible_of_ten};
      const auto node = static_cast<uint32_t>(offers.size());
      offers.push_back(offer);
      if (offer.distance < pool.Worst()) pool.Insert(offer.distance, node, offer.visible);
      if (random() % 3 != 0) continue;
      // The nearest that was not taken yet, by definition.
      uint32_t expected = kNoNode;
      for (size_t i = 0; i < pool.size() && expected == kNoNode; ++i) {
        if (!taken.contains(pool.node(i))) expected = pool.node(i);
      }
      const uint32_t next = pool.TakeNext(kInfinity);
      ASSERT_EQ(next, expected);
      if (next != kNoNode) taken.insert(next);
    }
    std::vector<float> visible, invisible;
    for (const Offer& offer : offers) {
      (offer.visible ? visible : invisible).push_back(offer.distance);
    }
    std::sort(visible.begin(), visible.end());
    std::sort(invisible.begin(), invisible.end());
    if (visible.size() > capacity) visible.resize(capacity);
    const float worst = visible.size() < capacity ? kInfinity : visible.back();
    std::vector<float> held_visible, held_invisible;
    for (size_t i = 0; i < pool.size(); ++i) {
      ASSERT_LE(pool.distance(i == 0 ? 0 : i - 1), pool.distance(i));
      ASSERT_EQ(pool.distance(i), offers[pool.node(i)].distance);
      ASSERT_EQ(pool.visible(i), offers[pool.node(i)].visible);
      (pool.visible(i) ? held_visible : held_invisible).push_back(pool.distance(i));
    }
    ASSERT_EQ(held_visible, visible);
    for (size_t k = 1; k <= visible.size(); ++k) ASSERT_EQ(pool.Kth(k), visible[k - 1]);
    // Those that can matter: nearer than the last result, and at most as many.
    ASSERT_LE(held_invisible.size(), capacity);
    for (size_t i = 0; i < std::min(invisible.size(), capacity) && invisible[i] < worst; ++i) {
      ASSERT_LT(i, held_invisible.size());
      ASSERT_EQ(held_invisible[i], invisible[i]);
    }
  }
}

// --- VisitedNodes ---

TEST(VisitedNodesTest, ForgetsAtEveryClear) {
  VisitedNodes visited;
  // More rounds than a word can count.
  for (int round = 0; round < 140000; ++round) {
    visited.Clear(50);
    for (uint32_t node = static_cast<uint32_t>(round) % 3; node < 50; node += 3) {
      ASSERT_TRUE(visited.Visit(node)) << round;
      ASSERT_FALSE(visited.Visit(node)) << round;
    }
  }
}

TEST(VisitedNodesTest, GrowsWithTheGraphAtAnyRound) {
  VisitedNodes visited;
  for (uint32_t nodes = 1; nodes < 20000; nodes += 1 + nodes / 50) {
    visited.Clear(nodes);
    ASSERT_TRUE(visited.Visit(nodes - 1)) << nodes;
    ASSERT_EQ(visited.Visit(nodes / 2), nodes > 2) << nodes;
    ASSERT_FALSE(visited.Visit(nodes - 1)) << nodes;
  }
  // Far beyond: not seen, and nothing is written there.
  EXPECT_FALSE(visited.Visit(kMaxNodes - 1));
  visited.Clear(3);  // a smaller graph
  EXPECT_TRUE(visited.Visit(2));
}

}  // namespace
}  // namespace nestor
