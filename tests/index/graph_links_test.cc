// Which links a node gets and exchanges, against the rules by definition.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "index/graph/links.h"
#include "tests/index/filled_nodes.h"

namespace nestor {
namespace {

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
