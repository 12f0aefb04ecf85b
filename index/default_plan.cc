// The plan of a search that names none.
#include <algorithm>
#include <cmath>

#include "index/plan.h"

namespace nestor {
namespace {

// Each stage aims at losing about 1 % of the neighbours of rows, which leaves room for queries,
// whose neighbours lie farther: 0.95 in all. Keeps cost little beside probes, so they get twice the
// room (text30k scaled to 200,000 rows: recall 0.947 to 0.957 for 4 % of the QPS).
constexpr size_t kLevel = 4;  // 0.99
constexpr double kKeepRoom = 2;
// Codes are left to plans that name them: on text30k scaled to 200,000 rows the fastest list plans
// with recall 0.90 and 0.95 took 32 and 69 us (median), those by codes 36 and 94, with 3 to 38 %
// more bytes a query. Only at 0.99, which no default aims at, did they read half as much.
constexpr uint32_t kGraphEf = 200;
constexpr float kGraphMargin = 0.12f;
// With fewer links the way to a row may lead around farther than a margin lets it: of 20,000 random
// rows (16 dims, 8 links, limit 1) 3.0 % did not find themselves with the margin, 0.1 % without; of
// clustered ones 0.8 % and 0.1 %. From 16 links on all did.
constexpr uint32_t kLinksForMargin = 16;

uint32_t NestingAtLeast(const VectorSchema& schema, uint32_t wanted) {
  for (uint32_t d : schema.nesting) {
    if (d >= wanted) return d;
  }
  return schema.dim;
}

// From the graph: the adaptive stop finds what a query needs.
Plan GraphPlan(const VectorSchema& schema, const GraphSpec& graph, uint32_t memory_dim,
               uint32_t limit) {
  Plan plan;
  const double more = std::max(1.0, static_cast<double>(kLinksForMargin) / graph.degree);
  const double ef = more * std::max<double>(kGraphEf, 4.0 * limit);
  plan.graph = {.dim = graph.dim,
                .ef = static_cast<uint32_t>(std::min<double>(ef, kMaxEf)),
                .margin = graph.degree >= kLinksForMargin ? kGraphMargin : 0};
  if (graph.dim < memory_dim && memory_dim == schema.dim) {
    const auto keep = static_cast<uint32_t>(std::max(1.2 * limit, limit + 2.0));
    plan.refine.push_back({schema.dim, std::min(keep, plan.graph->ef)});
  }
  plan.rescore = true;
  return plan;
}

}  // namespace

// Checked on text30k, wnh and the sets scaled from them to 200,000 rows (README, "Plans").
Plan DefaultPlan(const VectorSchema& schema, const IndexShape& shape, uint32_t limit) {
  const uint32_t memory_dim = shape.shells.empty() ? schema.dim : shape.shells.back();
  if (shape.graph.has_value()) return GraphPlan(schema, *shape.graph, memory_dim, limit);
  Plan plan;
  // Reach is of 10 neighbours: those of a larger limit lie in more lists and deeper in them.
  const double more = std::max(1.0, limit / 10.0);
  const bool measured = shape.reach.keep[kLevel] != 0;
  const double probes = measured ? shape.reach.probes[kLevel] : 3 * std::sqrt(shape.lists);
  const double keep = measured ? kKeepRoom * shape.reach.keep[kLevel] : 200;
  plan.coarse.dim = shape.coarse_dim != 0 ? shape.coarse_dim : schema.dim;
  plan.coarse.probes = static_cast<uint32_t>(
      std::clamp(std::ceil(probes * std::sqrt(more)), 1.0, static_cast<double>(shape.lists)));
  plan.scan.dim = shape.shells.empty() ? schema.dim : shape.shells.front();
  const auto keep_of = [&](double wanted, double at_least) {
    return static_cast<uint32_t>(
        std::clamp(std::ceil(wanted), at_least * limit, static_cast<double>(kMaxKeep)));
  };
  plan.scan.keep = keep_of(keep * more, 2);
  if (plan.scan.dim < schema.dim) {
    // A middle stage pays when many candidates come out of the scan: its shell is short.
    const uint32_t middle = NestingAtLeast(schema, 2 * plan.scan.dim);
    if (middle < schema.dim && middle <= memory_dim && plan.scan.keep > 4 * limit) {
      plan.refine.push_back({middle, keep_of(plan.scan.keep / 3.0, 2)});
    }
    // What is not in memory is left to rescore, which then gets more.
    if (memory_dim == schema.dim) {
      plan.refine.push_back({schema.dim, keep_of(std::max(1.5 * limit, limit + 5.0), 1.5)});
    }
  }
  plan.rescore = true;
  return plan;
}

}  // namespace nestor
