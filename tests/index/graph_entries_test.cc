// Where searches enter a graph: the nearest of a table of nodes.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <set>
#include <thread>
#include <vector>

#include "index/graph/entries.h"
#include "index/shells.h"
#include "tests/index/filled_nodes.h"

namespace nestor {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

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

}  // namespace
}  // namespace nestor
