// Looks for good plans of one source: given and random ones over the whole space first, then, for
// each recall wanted, climbs from the fastest plans of different shapes that reach it: to a
// neighbour that is faster and reaches it too, and, where no neighbour is, to one two random steps
// away. A plan at which the climb stands still is measured again, lest a lucky pass end it.
// Deterministic but for what `measure` measures.
#ifndef NESTOR_CLIENT_BENCH_SWEEP_H_
#define NESTOR_CLIENT_BENCH_SWEEP_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/measure.h"
#include "client/bench/plan_space.h"
#include "index/plan.h"

namespace nestor {

struct SweepOptions {
  Source source = Source::kLists;
  std::vector<Plan> starts;  // of that source, measured first
  int random_plans = 200;
  int climbs = 1;         // for each recall; plans of one shape have the same kinds of stages
  int climb_plans = 150;  // measured at most in each climb
  std::vector<double> recalls;
  uint64_t seed = 1;
  // Told after each plan; the number of those measured so far.
  std::function<void(int measured)> progress;
};

using MeasurePlan = std::function<absl::StatusOr<Measurement>(const std::string& plan)>;

// Every plan that was measured, each once; steady_qps is the mean of its passes.
absl::StatusOr<std::vector<Measurement>> SweepPlans(const PlanSpace& space,
                                                    const SweepOptions& options,
                                                    const MeasurePlan& measure);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_SWEEP_H_
