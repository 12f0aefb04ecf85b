// One data set, Nestor and the engines beside it: sweeps all of them on the even queries, Nestor's
// lists, codes and graph apart, chooses for each recall the fastest setting, and reports those on
// the odd ones, engines alternating (semantics 25).
#ifndef NESTOR_CLIENT_BENCH_COMPARE_H_
#define NESTOR_CLIENT_BENCH_COMPARE_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/engine.h"
#include "client/bench/measure.h"
#include "client/bench/sweep.h"

namespace nestor {

struct CompareOptions {
  uint32_t k = 10;
  int threads = 1;
  std::vector<std::string> plans;  // of Nestor, measured on all queries; none: it sweeps
  std::vector<double> recalls = {0.90, 0.95, 0.99};
  int random_plans = 200;
  int climb_plans = 150;
  int passes = 5;           // of what is reported
  uint32_t min_runs = 750;  // of a pass, see PassOptions
  // What goes on and the fraction of it that is done.
  std::function<void(const std::string& phase, double fraction)> progress;
};

// The settings that reach a recall on the even queries, measured on the odd ones.
struct AtRecall {
  double recall = 0;
  // Those that reach it: of Nestor one for each source that was swept, then one an engine.
  std::vector<Measurement> fastest;

  // Null where it does not reach the recall. Without a source: of any, as a baseline has one place.
  const Measurement* Find(const std::string& engine, std::optional<Source> source) const;
};

struct Comparison {
  std::vector<AtRecall> at_recalls;  // empty where plans were given and nothing is beside Nestor
  std::vector<Source> sources;       // of Nestor that were swept; none where plans were given
  std::optional<Measurement> default_plan;  // Nestor without a plan, on the odd queries
  // On the even queries, by ascending recall: of Nestor's sweeps, source by source (measured again,
  // as a sweep's single passes are noisy) and of the baselines' (single passes).
  std::vector<Measurement> frontier, baseline_frontiers;
  std::vector<Measurement> plans;  // those that were given
};

// `engines[0]` is Nestor. `grader`: of the set that they answer. `space` holds the plans that a
// sweep may try.
absl::StatusOr<Comparison> Compare(const Grader& grader, const std::vector<Engine*>& engines,
                                   const PlanSpace& space, const CompareOptions& options);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_COMPARE_H_
