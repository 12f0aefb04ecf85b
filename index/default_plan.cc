// The plan of a search that names none.
#include <algorithm>
#include <cmath>

#include "index/plan.h"

namespace nestor {
namespace {

uint32_t NestingAtLeast(const VectorSchema& schema, uint32_t wanted) {
  for (uint32_t d : schema.nesting) {
    if (d >= wanted) return d;
  }
  return schema.dim;
}

}  // namespace

// Chosen on text30k, wnh and the sets scaled from them to 200,000 rows (README, "Plans").
Plan DefaultPlan(const VectorSchema& schema, const IndexShape& shape, uint32_t limit) {
  Plan plan;
  const uint64_t rows = std::max<uint64_t>(shape.rows, 1);
  const auto keep_of = [&](uint64_t wanted) {
    return static_cast<uint32_t>(std::min<uint64_t>(std::max<uint64_t>(wanted, limit), kMaxKeep));
  };
  plan.coarse.dim = shape.coarse_dim != 0 ? shape.coarse_dim : schema.dim;
  // Lists grow like sqrt(rows); the share of them that holds the neighbours shrinks.
  plan.coarse.probes =
      shape.lists == 1
          ? 1
          : std::min<uint32_t>(shape.lists,
                               static_cast<uint32_t>(std::ceil(2 * std::sqrt(shape.lists))));
  plan.scan.dim = shape.shells.empty() ? NestingAtLeast(schema, 128) : shape.shells.front();
  // The neighbours of out-of-distribution queries lie deep in the prefix's order.
  plan.scan.keep = keep_of(std::max<uint64_t>(20 * uint64_t{limit}, 200));
  const uint32_t middle = NestingAtLeast(schema, 2 * plan.scan.dim);
  if (middle < schema.dim)
    plan.refine.push_back({middle, keep_of(std::max<uint64_t>(6 * uint64_t{limit}, 60))});
  plan.refine.push_back({schema.dim, keep_of(std::max<uint64_t>(2 * uint64_t{limit}, 20))});
  plan.rescore = true;
  (void)rows;
  return plan;
}

}  // namespace nestor
