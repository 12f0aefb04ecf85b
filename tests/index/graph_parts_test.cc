// The parts of a graph, each against a plain model of it: the pool of a search, its visited set,
// records, distances, entries, the choice of links.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "index/graph/entries.h"
#include "index/graph/links.h"
#include "index/graph/nodes.h"
#include "index/graph/pool.h"
#include "index/graph/space.h"
#include "index/shells.h"
#include "tests/index/index_testutil.h"

namespace nestor {
namespace {

using testing::ElementsAre;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kL2};

// --- NodePool ---

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
  // More rounds than a byte can count.
  for (int round = 0; round < 700; ++round) {
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

// --- NodeStore ---

TEST(NodeStoreTest, RecordsAreWholeLinesThatNeverMove) {
  for (const auto& [dim, degree] : std::vector<std::pair<uint32_t, uint32_t>>{
           {384, 28}, {64, 4}, {100, 28}, {1, 4}, {784, 128}}) {
    NodeStore nodes(dim, degree);
    EXPECT_EQ(nodes.limit(), 0u);
    ASSERT_TRUE(nodes.Grow(3, /*bulk=*/true));
    EXPECT_EQ(nodes.record_bytes() % 64, 0u);
    EXPECT_GE(nodes.record_bytes(), dim + sizeof(NodeTail) + degree * sizeof(uint32_t));
    EXPECT_LT(nodes.record_bytes(), dim + 15 + sizeof(NodeTail) + degree * sizeof(uint32_t) + 64);
    int8_t* const first = nodes.codes(0);
    std::memset(first, 5, nodes.code_bytes());
    nodes.tail(0).slot = 77;
    nodes.links(0)[degree - 1] = 2;
    // Across the end of a block.
    const uint32_t more = NodeStore::kBlockNodes + 10;
    for (uint32_t n = 0; n < 5; ++n) ASSERT_TRUE(nodes.Grow(1, /*bulk=*/false));
    ASSERT_TRUE(nodes.Grow(more, /*bulk=*/false));
    EXPECT_EQ(nodes.limit(), 8 + more);
    EXPECT_EQ(nodes.codes(0), first);
    EXPECT_EQ(nodes.codes(0)[dim - 1], 5);
    EXPECT_EQ(nodes.tail(0).slot, 77u);
    EXPECT_EQ(nodes.links(0)[degree - 1], 2u);
    EXPECT_EQ(&nodes.TailOf(first), &nodes.tail(0));
    for (uint32_t node : {1u, 7u, NodeStore::kBlockNodes - 1, NodeStore::kBlockNodes, 7 + more}) {
      EXPECT_EQ(reinterpret_cast<uintptr_t>(nodes.codes(node)) % 64, 0u);
      for (uint32_t i = 0; i < degree; ++i) EXPECT_EQ(nodes.links(node)[i], kNoNode);
    }
    EXPECT_FALSE(nodes.Grow(kMaxNodes, /*bulk=*/false));
    EXPECT_EQ(nodes.limit(), 8 + more);
  }
}

// --- Nodes with vectors, for what follows ---

struct FilledNodes {
  FilledNodes(Metric metric, uint32_t dim, size_t rows, uint32_t degree = 8)
      : matrix(MakeMatrix({.dim = dim, .nesting = {dim}, .metric = metric}, rows, 3)),
        nodes(dim, degree),
        space{.metric = metric} {
    EXPECT_TRUE(nodes.Grow(static_cast<uint32_t>(rows), /*bulk=*/true));
    for (size_t i = 0; i < rows; ++i) {
      squares.push_back(NaiveScore(Metric::kDot, matrix.row(i), matrix.row(i), dim));
    }
    space.largest_norm =
        rows == 0 ? 1 : std::sqrt(*std::max_element(squares.begin(), squares.end()));
    for (uint32_t i = 0; i < rows; ++i) {
      std::memset(nodes.codes(i), 0, nodes.code_bytes());
      scales.push_back(QuantizeInt8(matrix.row(i), dim, nodes.codes(i)));
      space.SetTail(scales[i], squares[i], &nodes.tail(i));
    }
  }

  // The coded vector.
  std::vector<double> Coded(uint32_t node) const {
    std::vector<double> x;
    for (uint32_t d = 0; d < nodes.dim(); ++d) {
      x.push_back(nodes.codes(node)[d] * static_cast<double>(scales[node]));
    }
    return x;
  }
  int32_t Sum(const int8_t* a, uint32_t node) const {
    int32_t sum = 0;
    for (uint32_t d = 0; d < nodes.dim(); ++d) sum += a[d] * nodes.codes(node)[d];
    return sum;
  }
  // By the definition in space.h, in float.
  float Between(uint32_t a, uint32_t b) const {
    return space.FromNode(nodes, a).Distance(Sum(nodes.codes(a), b), nodes.tail(b).scale,
                                             nodes.tail(b).norm);
  }

  Matrix matrix;
  NodeStore nodes;
  GraphSpace space;
  std::vector<double> squares;
  std::vector<float> scales;
};

// |p.x - the coded product| at most: each coordinate is off by half a step on either side.
double ProductError(const float* p, double p_step, const float* x, double x_step, size_t dim) {
  double error = 1e-6;
  for (size_t d = 0; d < dim; ++d) {
    error += std::fabs(p[d]) * x_step / 2 + std::fabs(x[d]) * p_step / 2 + p_step * x_step / 4;
    error += std::fabs(p[d] * x[d]) * 1e-6;
  }
  return error;
}

// --- GraphSpace ---

TEST(GraphSpaceTest, DistancesFromAQueryOrderAsTheMetricDoes) {
  for (Metric metric : kMetrics) {
    for (uint32_t dim : {64u, 100u}) {
      const FilledNodes filled(metric, dim, 200);
      const Matrix queries = MakeMatrix(filled.matrix.schema, 5, 8);
      for (size_t i = 0; i < queries.rows(); ++i) {
        const float* q = queries.row(i);
        std::vector<int8_t> codes(dim);
        const float scale = QuantizeInt8(q, dim, codes.data());
        const double qq = NaiveScore(Metric::kDot, q, q, dim);
        const GraphPoint point = filled.space.FromQuery(codes.data(), scale, qq);
        for (uint32_t node = 0; node < 200; ++node) {
          const float* x = filled.matrix.row(node);
          const NodeTail& tail = filled.nodes.tail(node);
          const float distance =
              point.Distance(filled.Sum(codes.data(), node), tail.scale, tail.norm);
          const double xx = filled.squares[node];
          const double qx = NaiveScore(Metric::kDot, q, x, dim);
          const double error = ProductError(q, scale, x, filled.scales[node], dim);
          const double m = filled.space.largest_norm;
          const double expected = metric == Metric::kL2       ? qq + xx - 2 * qx
                                  : metric == Metric::kCosine ? 2 - 2 * qx / std::sqrt(qq * xx)
                                                              : 2 - 2 * qx / (std::sqrt(qq) * m);
          const double unit = metric == Metric::kL2       ? 1
                              : metric == Metric::kCosine ? std::sqrt(qq * xx)
                                                          : std::sqrt(qq) * m;
          ASSERT_NEAR(distance, expected, 2 * error / unit + 1e-5 * (1 + qq + xx));
          // What later shells add to: the product of the codes, for which the plain one stands.
          EXPECT_NEAR(filled.space.Product(point, qq, tail, distance), qx,
                      error + 1e-5 * (1 + qq + xx));
        }
      }
    }
  }
}

TEST(GraphSpaceTest, DistancesBetweenNodesAreEuclidean) {
  for (Metric metric : kMetrics) {
    const FilledNodes filled(metric, 100, 100);
    for (uint32_t a = 0; a < 100; ++a) {
      for (uint32_t b = 0; b < 100; ++b) {
        const float* x = filled.matrix.row(a);
        const float* y = filled.matrix.row(b);
        const double xx = filled.squares[a];
        const double yy = filled.squares[b];
        const double xy = NaiveScore(Metric::kDot, x, y, 100);
        const double error = ProductError(x, filled.scales[a], y, filled.scales[b], 100);
        const double mm = filled.space.largest_norm * filled.space.largest_norm;
        double expected = xx + yy - 2 * xy, unit = 1;
        if (metric == Metric::kCosine) {
          unit = std::sqrt(xx * yy);
          expected = 2 - 2 * xy / unit;
        } else if (metric == Metric::kDot) {
          // Of the vectors extended to the length of the largest: |(x, e) - (y, f)|^2 / M^2.
          unit = mm;
          const double e = std::sqrt(std::max(0.0, mm - xx));
          const double f = std::sqrt(std::max(0.0, mm - yy));
          expected = (xx + yy - 2 * xy + (e - f) * (e - f)) / mm;
        }
        ASSERT_NEAR(filled.Between(a, b), expected, 2 * error / unit + 1e-5 * (1 + xx + yy));
        ASSERT_EQ(filled.Between(a, b), filled.Between(b, a));
      }
    }
  }
}

TEST(GraphSpaceTest, ZeroPrefixesHaveADistance) {
  for (Metric metric : kMetrics) {
    FilledNodes filled(metric, 64, 10);
    std::memset(filled.nodes.codes(3), 0, 64);
    filled.space.SetTail(0, 0, &filled.nodes.tail(3));
    const std::vector<int8_t> zero(64);
    const GraphPoint nothing = filled.space.FromQuery(zero.data(), 0, 0);
    for (uint32_t node = 0; node < 10; ++node) {
      const NodeTail& tail = filled.nodes.tail(node);
      EXPECT_TRUE(std::isfinite(filled.Between(3, node))) << Name(metric);
      EXPECT_TRUE(std::isfinite(filled.Between(node, 3))) << Name(metric);
      const float distance = nothing.Distance(0, tail.scale, tail.norm);
      EXPECT_TRUE(std::isfinite(distance)) << Name(metric);
      EXPECT_EQ(filled.space.Product(nothing, 0, tail, distance), 0) << Name(metric);
    }
    // Under COSINE what is left of the key divides by the norm.
    if (metric == Metric::kCosine) {
      EXPECT_GT(filled.nodes.tail(3).norm, 0);
    }
  }
}

// --- EntryTable ---

TEST(EntryTableTest, NearestAgreesWithBruteForce) {
  for (Metric metric : kMetrics) {
    for (uint32_t dim : {8u, 50u, 64u, 128u}) {
      const FilledNodes filled(metric, dim, 300);
      EntryTable table(filled.nodes, metric, 90);
      EXPECT_EQ(table.capacity() % kBlockRows, 0u);
      EXPECT_GE(table.capacity(), 90u);
      EXPECT_EQ(table.count(), 0u);
      EntryScratch scratch;
      const Matrix queries = MakeMatrix(filled.matrix.schema, 5, 8);
      const uint32_t prefix = std::min(dim, 64u);
      for (uint32_t i = 0; i < 90; ++i) {
        const uint32_t node = i * 7 % 300;
        table.Add(node);
        ASSERT_EQ(table.node(i), node);
        ASSERT_EQ(table.count(), i + 1);
        if (i % 13 != 0 && i != 89) continue;
        const float* q = queries.row(i % 5);
        std::vector<int8_t> codes(filled.nodes.code_bytes());
        const float scale = QuantizeInt8(q, dim, codes.data());
        const GraphPoint point =
            filled.space.FromQuery(codes.data(), scale, NaiveScore(Metric::kDot, q, q, dim));
        // Larger is better, on the codes of the first dims.
        const auto key = [&](uint32_t n) {
          const std::vector<double> x = filled.Coded(n);
          double qx = 0, xx = 0;
          for (uint32_t d = 0; d < prefix; ++d) {
            qx += codes[d] * static_cast<double>(scale) * x[d];
            xx += x[d] * x[d];
          }
          return metric == Metric::kL2       ? qx - xx / 2
                 : metric == Metric::kCosine ? qx / std::sqrt(xx)
                                             : qx;
        };
        for (uint32_t n : {1u, 4u, 17u, 60u, 90u, 1000u}) {
          const auto nearest = table.Nearest(point, n, &scratch);
          const std::set<uint32_t> got(nearest.begin(), nearest.end());
          ASSERT_EQ(got.size(), nearest.size());
          ASSERT_EQ(got.size(), std::min(n, table.count()));
          double worst_in = kInfinity, best_out = -kInfinity;
          for (uint32_t e = 0; e < table.count(); ++e) {
            const double k = key(table.node(e));
            if (got.contains(table.node(e))) {
              worst_in = std::min(worst_in, k);
            } else {
              best_out = std::max(best_out, k);
            }
          }
          EXPECT_GE(worst_in, best_out - 1e-5 * (1 + std::fabs(best_out)))
              << Name(metric) << " dim " << dim << " n " << n << " of " << table.count();
        }
      }
      EXPECT_GT(table.bytes(), 90u * prefix);
      EXPECT_EQ(table.dims(), prefix);
    }
  }
}

TEST(EntryTableTest, EqualEntriesFillTheNumber) {
  const FilledNodes filled(Metric::kL2, 64, 1);
  EntryTable table(filled.nodes, Metric::kL2, 64);
  for (int i = 0; i < 64; ++i) table.Add(0);
  EXPECT_TRUE(table.full());
  EntryScratch scratch;
  EXPECT_EQ(table.Nearest(filled.space.FromNode(filled.nodes, 0), 5, &scratch).size(), 5u);
}

// A reader scans whole blocks; what lies behind the count may be written meanwhile.
TEST(EntryTableTest, OneAddsWhileAnotherSearches) {
  const FilledNodes filled(Metric::kL2, 64, 1000);
  EntryTable table(filled.nodes, Metric::kL2, 1000);
  table.Add(0);
  std::atomic<bool> started{false};
  std::atomic<bool> done{false};
  std::thread reader([&] {
    EntryScratch scratch;
    const GraphPoint point = filled.space.FromNode(filled.nodes, 1);
    while (!done.load()) {
      const uint32_t before = table.count();
      const auto nearest = table.Nearest(point, 4, &scratch);
      ASSERT_GE(nearest.size(), std::min(4u, before));
      ASSERT_LE(nearest.size(), 4u);
      for (uint32_t node : nearest) ASSERT_LT(node, 1000u);
      started = true;
    }
  });
  while (!started.load()) std::this_thread::yield();
  for (uint32_t node = 1; node < 1000; ++node) table.Add(node);
  done = true;
  reader.join();
  EntryScratch scratch;
  // The nearest of all is the point itself.
  EXPECT_EQ(table.Nearest(filled.space.FromNode(filled.nodes, 1), 1, &scratch)[0], 1u);
}

// --- LinkChooser ---

// Algorithm 4 of HNSW with DiskANN's alpha, one candidate after the other.
std::vector<uint32_t> NaiveChoice(const FilledNodes& filled, const std::vector<Neighbour>& from,
                                  uint32_t degree, uint32_t fill) {
  std::vector<uint32_t> chosen, pruned;
  for (const Neighbour& candidate : from) {
    if (chosen.size() == degree) break;
    const bool led_to = std::any_of(chosen.begin(), chosen.end(), [&](uint32_t node) {
      return kPruneAlpha * filled.Between(node, candidate.node) < candidate.distance;
    });
    (led_to ? pruned : chosen).push_back(candidate.node);
  }
  for (size_t i = 0; i < pruned.size() && chosen.size() < fill; ++i) chosen.push_back(pruned[i]);
  return chosen;
}

std::vector<Neighbour> NeighboursOf(const FilledNodes& filled, uint32_t node, size_t n) {
  std::vector<Neighbour> all;
  for (uint32_t other = 0; other < filled.nodes.limit(); ++other) {
    if (other != node) all.push_back({filled.Between(node, other), other});
  }
  std::sort(all.begin(), all.end(),
            [](const Neighbour& a, const Neighbour& b) { return a.distance < b.distance; });
  all.resize(std::min(n, all.size()));
  return all;
}

TEST(LinkChooserTest, DistancesAreThoseOfTheSpace) {
  for (Metric metric : kMetrics) {
    const FilledNodes filled(metric, 100, 300);
    LinkChooser chooser(filled.nodes, filled.space);
    std::vector<uint32_t> nodes(300);
    for (uint32_t i = 0; i < 300; ++i) nodes[i] = 299 - i;
    const auto distances = chooser.Distances(filled.space.FromNode(filled.nodes, 17), nodes);
    ASSERT_EQ(distances.size(), 300u);
    for (size_t i = 0; i < 300; ++i) ASSERT_EQ(distances[i], filled.Between(17, nodes[i]));
  }
}

TEST(LinkChooserTest, ChoosesAsTheNaiveHeuristicDoes) {
  for (Metric metric : kMetrics) {
    const FilledNodes filled(metric, 64, 300);
    LinkChooser chooser(filled.nodes, filled.space);
    std::vector<uint32_t> chosen;
    size_t pruned_somewhere = 0;
    for (uint32_t node = 0; node < 300; node += 7) {
      for (size_t n : {0u, 1u, 5u, 60u, 299u}) {
        const std::vector<Neighbour> candidates = NeighboursOf(filled, node, n);
        for (const auto& [degree, fill] : std::vector<std::pair<uint32_t, uint32_t>>{
                 {28, 14}, {4, 2}, {28, 0}, {28, 28}, {128, 64}}) {
          chooser.Choose(candidates, degree, fill, &chosen);
          ASSERT_EQ(chosen, NaiveChoice(filled, candidates, degree, fill))
              << Name(metric) << " node " << node << " of " << n << " candidates";
          ASSERT_GE(chosen.size(), std::min<size_t>(fill, n));
          ASSERT_LE(chosen.size(), degree);
          pruned_somewhere += chosen.size() < std::min<size_t>(n, degree) ? 1 : 0;
        }
      }
    }
    EXPECT_GT(pruned_somewhere, 50u);
  }
}

// What a node with full links does about a new neighbour, from the definition in links.h.
bool NaiveExchange(const FilledNodes& filled, uint32_t node, Neighbour added,
                   const std::set<uint32_t>& fixed, bool must, std::vector<uint32_t>* links) {
  std::vector<uint32_t> kept;
  uint32_t farthest = kNoNode;  // of those that may go
  for (uint32_t link : *links) {
    const float own = filled.Between(node, link);
    const float to_added = filled.Between(added.node, link);
    if (!must && own <= added.distance && kPruneAlpha * to_added < added.distance) return false;
    const bool led_to = own > added.distance && kPruneAlpha * to_added < own;
    if (!led_to || fixed.contains(link)) kept.push_back(link);
    if (fixed.contains(link)) continue;
    if (farthest == kNoNode || own > filled.Between(node, farthest)) farthest = link;
  }
  if (kept.size() == links->size()) {
    if (farthest == kNoNode) return false;
    if (!must && filled.Between(node, farthest) <= added.distance) return false;
    kept.erase(std::find(kept.begin(), kept.end(), farthest));
  }
  kept.push_back(added.node);
  *links = kept;
  return true;
}

TEST(LinkChooserTest, ExchangesAsTheNaiveRuleDoes) {
  for (Metric metric : kMetrics) {
    const FilledNodes filled(metric, 64, 300);
    LinkChooser chooser(filled.nodes, filled.space);
    std::mt19937_64 random(5);
    size_t changed = 0, shrunk = 0, refused = 0, none_may_go = 0;
    for (uint32_t node = 0; node < 300; ++node) {
      std::vector<uint32_t> links;
      const size_t degree = random() % 2 == 0 ? 4 : 28;
      const std::vector<Neighbour> near = NeighboursOf(filled, node, 100);
      while (links.size() < degree) {
        const uint32_t link = near[random() % near.size()].node;
        if (std::find(links.begin(), links.end(), link) == links.end()) links.push_back(link);
      }
      for (int i = 0; i < 10; ++i) {
        const Neighbour added = near[random() % near.size()];
        if (std::find(links.begin(), links.end(), added.node) != links.end()) continue;
        // None, some or all of the links stay whatever happens.
        std::set<uint32_t> fixed;
        const uint64_t share = random() % 5;
        for (uint32_t link : links) {
          if (share == 4 || (share > 1 && random() % 2 == 0)) fixed.insert(link);
        }
        const bool must = random() % 4 == 0;
        std::vector<uint32_t> expected = links;
        std::vector<uint32_t> got = links;
        const bool exchanged = NaiveExchange(filled, node, added, fixed, must, &expected);
        const auto is_fixed = [&](uint32_t link) { return fixed.contains(link); };
        ASSERT_EQ(chooser.Exchange(node, added, is_fixed, must, &got), exchanged) << Name(metric);
        ASSERT_LE(got.size(), degree);
        shrunk += got.size() < degree ? 1 : 0;
        changed += exchanged ? 1 : 0;
        refused += exchanged ? 0 : 1;
        none_may_go += must && !exchanged ? 1 : 0;
        std::sort(got.begin(), got.end());
        std::sort(expected.begin(), expected.end());
        ASSERT_EQ(got, expected) << Name(metric);
      }
    }
    // Each way was taken.
    EXPECT_GT(changed, 100u);
    EXPECT_GT(shrunk, 20u);
    EXPECT_GT(refused, 100u);
    EXPECT_GT(none_may_go, 20u);
  }
}

}  // namespace
}  // namespace nestor
