// The records of nodes, and distances between them by definition.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "index/graph/nodes.h"
#include "index/graph/space.h"
#include "index/shells.h"
#include "tests/index/filled_nodes.h"

namespace nestor {
namespace {

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

// --- GraphSpace ---

// |p.x - the coded product| at most: each coordinate is off by half a step on either side.
double ProductError(const float* p, double p_step, const float* x, double x_step, size_t dim) {
  double error = 1e-6;
  for (size_t d = 0; d < dim; ++d) {
    error += std::fabs(p[d]) * x_step / 2 + std::fabs(x[d]) * p_step / 2 + p_step * x_step / 4;
    error += std::fabs(p[d] * x[d]) * 1e-6;
  }
  return error;
}

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

}  // namespace
}  // namespace nestor
