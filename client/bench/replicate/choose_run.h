// Which of many runs to take: chosen on the even queries, so that they can be reported on the odd
// ones. Pure functions; the pointers are into the runs given.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_CHOOSE_RUN_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_CHOOSE_RUN_H_

#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "client/bench/replicate/trial.h"

namespace nestor {

using Chosen = std::vector<const Trial*>;
using Cost = double (*)(const Trial& run);

double MultiplyAdds(const Trial& run);
double MedianLatency(const Trial& run);
double CodeBytes(const Trial& run);

Chosen Where(std::span<const Trial> runs, const std::function<bool(const Trial&)>& wanted);

// The one that does best on the even queries at no more than `budget`; of equals the cheaper one.
// Null where there is none.
const Trial* Best(const Chosen& runs, Measure measure, Cost cost,
                  double budget = std::numeric_limits<double>::infinity());

// The cheapest one with at least `value` on the even queries, or null.
const Trial* Cheapest(const Chosen& runs, Measure measure, double value, Cost cost);

// Those that do better on the even queries than all cheaper ones, by ascending cost.
Chosen FrontierOf(const Chosen& runs, Measure measure, Cost cost);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_CHOOSE_RUN_H_
