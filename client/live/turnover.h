// What ten turnovers leave of an index: every row written again, in the order of a clustering, with
// the upkeep that the server does beside it.
#ifndef NESTOR_CLIENT_LIVE_TURNOVER_H_
#define NESTOR_CLIENT_LIVE_TURNOVER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "index/schema.h"

namespace nestor {

// Prints recall@10, memory, bytes and multiply-adds of a query and QPS, of lists, a graph and both,
// beside those of the index as it was built, under the same plan. `base` and `queries` are f32, row
// by row; `order` names each row of `base` once.
absl::Status MeasureTurnovers(Metric metric, uint32_t dim, const std::vector<float>& base,
                              const std::vector<float>& queries, std::span<const uint32_t> order);

}  // namespace nestor

#endif  // NESTOR_CLIENT_LIVE_TURNOVER_H_
