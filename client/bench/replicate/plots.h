// The charts of the protocol. Settings are chosen on the even queries, what is drawn is of the odd
// ones; curves without a choice are of all. Pure functions.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_PLOTS_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_PLOTS_H_

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "client/bench/plot.h"
#include "client/bench/replicate/grid.h"
#include "client/bench/replicate/trial.h"

namespace nestor {

// File names with their charts.
std::vector<std::pair<std::string, Plot>> PlotsOf(std::span<const Trial> runs, const Grid& grid);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_PLOTS_H_
