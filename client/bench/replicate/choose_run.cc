#include "client/bench/replicate/choose_run.h"

#include <algorithm>

namespace nestor {
namespace {

double OnEven(const Trial& run, Measure measure) { return run.scores.Mean(measure, Half::kEven); }

}  // namespace

double MultiplyAdds(const Trial& run) { return run.multiply_adds; }
double MedianLatency(const Trial& run) { return run.p50_ms; }
double CodeBytes(const Trial& run) { return run.code_bytes; }

Chosen Where(std::span<const Trial> runs, const std::function<bool(const Trial&)>& wanted) {
  Chosen found;
  for (const Trial& run : runs) {
    if (wanted(run)) found.push_back(&run);
  }
  return found;
}

const Trial* Best(const Chosen& runs, Measure measure, Cost cost, double budget) {
  const Trial* best = nullptr;
  for (const Trial* run : runs) {
    if (cost(*run) > budget) continue;
    if (best != nullptr) {
      const double more = OnEven(*run, measure) - OnEven(*best, measure);
      if (more < 0 || (more == 0 && cost(*run) >= cost(*best))) continue;
    }
    best = run;
  }
  return best;
}

const Trial* Cheapest(const Chosen& runs, Measure measure, double value, Cost cost) {
  const Trial* cheapest = nullptr;
  for (const Trial* run : runs) {
    if (OnEven(*run, measure) < value) continue;
    if (cheapest == nullptr || cost(*run) < cost(*cheapest)) cheapest = run;
  }
  return cheapest;
}

Chosen FrontierOf(const Chosen& runs, Measure measure, Cost cost) {
  Chosen order = runs;
  std::stable_sort(order.begin(), order.end(),
                   [cost](const Trial* a, const Trial* b) { return cost(*a) < cost(*b); });
  Chosen frontier;
  for (const Trial* run : order) {
    if (frontier.empty() || OnEven(*run, measure) > OnEven(*frontier.back(), measure)) {
      frontier.push_back(run);
    }
  }
  return frontier;
}

}  // namespace nestor
