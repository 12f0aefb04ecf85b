#include "client/bench/sweep.h"

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <utility>

#include "client/bench/choose.h"

namespace nestor {
namespace {

constexpr uint32_t kMinDim = 32;
// Random pairs of steps that are tried where no single one helps.
constexpr size_t kDoubleSteps = 40;

using Random = std::mt19937_64;

uint32_t OneOf(const std::vector<uint32_t>& values, Random& random) {
  return values[random() % values.size()];
}

// A value of `values` within [low, high], if there is one.
std::optional<uint32_t> OneWithin(const std::vector<uint32_t>& values, uint32_t low, uint32_t high,
                                  Random& random) {
  const auto begin = std::lower_bound(values.begin(), values.end(), low);
  const auto end = std::upper_bound(values.begin(), values.end(), high);
  if (begin >= end) return std::nullopt;
  return begin[static_cast<ptrdiff_t>(random() % static_cast<uint64_t>(end - begin))];
}

Plan RandomPlan(const PlanSpace& space, Random& random) {
  Plan plan;
  plan.coarse = {OneOf(space.coarse_dims, random), OneOf(space.probes, random)};
  plan.scan = {OneOf(space.scan_dims, random), OneOf(space.keeps, random)};
  Plan::Stage last = plan.scan;
  for (uint64_t stages = random() % 3; stages > 0; --stages) {
    // The last refine mostly goes to D, where its order is the final one but for rounding.
    const bool to_end = stages == 1 && random() % 2 == 0;
    const std::optional<uint32_t> dim =
        to_end ? std::optional(space.dim)
               : OneWithin(space.refine_dims, last.dim + 1, space.dim, random);
    const std::optional<uint32_t> keep = OneWithin(space.keeps, 0, last.keep, random);
    if (!dim || *dim <= last.dim || !keep) break;
    last = {*dim, *keep};
    plan.refine.push_back(last);
  }
  plan.rescore = random() % 8 != 0;
  return plan;
}

// The values before and after `value`.
std::vector<uint32_t> Steps(const std::vector<uint32_t>& values, uint32_t value) {
  std::vector<uint32_t> steps;
  const auto at = std::lower_bound(values.begin(), values.end(), value);
  if (at != values.begin()) steps.push_back(*(at - 1));
  const auto after = at != values.end() && *at == value ? at + 1 : at;
  if (after != values.end()) steps.push_back(*after);
  return steps;
}

// Dims rise, keeps do not.
bool InOrder(const Plan& plan) {
  Plan::Stage last = plan.scan;
  for (const Plan::Stage& stage : plan.refine) {
    if (stage.dim <= last.dim || stage.keep > last.keep) return false;
    last = stage;
  }
  return true;
}

// One sweep and what it has measured.
class Sweep {
 public:
  Sweep(const PlanSpace& space, const SweepOptions& options, const MeasurePlan& measure)
      : space_(space), options_(options), measure_(measure), random_(options.seed) {}

  absl::StatusOr<std::vector<Measurement>> Run() {
    for (int i = 0; i < options_.random_plans; ++i) {
      if (auto tried = Try(RandomPlan(space_, random_)); !tried.ok()) return tried.status();
    }
    // The dearest plan of the space bounds what recall there is; without it a high recall may have
    // no plan to start from.
    Plan dearest;
    dearest.coarse = {space_.coarse_dims.back(), space_.probes.back()};
    dearest.scan = {space_.scan_dims.back(), space_.keeps.back()};
    dearest.rescore = true;
    if (auto tried = Try(dearest); !tried.ok()) return tried.status();
    for (double recall : options_.recalls) {
      if (absl::Status s = Climb(recall); !s.ok()) return s;
    }
    return std::move(measured_);
  }

 private:
  // Measures a plan unless it has been; its place in measured_.
  absl::StatusOr<size_t> Try(const Plan& plan) {
    const std::string text = FormatPlan(plan);
    if (const auto at = places_.find(text); at != places_.end()) return at->second;
    absl::StatusOr<Measurement> result = measure_(text);
    if (!result.ok()) return result.status();
    measured_.push_back(*std::move(result));
    if (options_.progress) options_.progress(static_cast<int>(measured_.size()));
    return places_[text] = measured_.size() - 1;
  }

  absl::Status Climb(double recall) {
    const std::optional<size_t> start = Fastest(measured_, recall, &Measurement::steady_qps);
    if (!start) return absl::OkStatus();
    size_t best = *start;
    absl::StatusOr<Plan> plan = ParsePlan(measured_[best].setting);
    if (!plan.ok()) return plan.status();
    const size_t end = measured_.size() + static_cast<size_t>(options_.climb_plans);
    // Moves to `next` if that is better.
    const auto step = [&](const Plan& next) -> absl::StatusOr<bool> {
      const absl::StatusOr<size_t> place = Try(next);
      if (!place.ok()) return place.status();
      const Measurement& m = measured_[*place];
      if (m.recall < recall || m.steady_qps <= measured_[best].steady_qps) return false;
      best = *place;
      plan = next;
      return true;
    };
    std::vector<Plan> neighbours = Neighbours(space_, *plan);
    size_t failures = 0;  // since the last step
    for (size_t i = 0; measured_.size() < end; ++i) {
      absl::StatusOr<bool> moved = false;
      if (failures < neighbours.size()) {
        moved = step(neighbours[i % neighbours.size()]);
      } else if (failures < neighbours.size() + kDoubleSteps) {
        const std::vector<Plan> further =
            Neighbours(space_, neighbours[random_() % neighbours.size()]);
        moved = step(further[random_() % further.size()]);
      } else {
        break;
      }
      if (!moved.ok()) return moved.status();
      failures = *moved ? 0 : failures + 1;
      if (!*moved) continue;
      neighbours = Neighbours(space_, *plan);
      --i;  // the same move again, as far as the lists are alike
    }
    return absl::OkStatus();
  }

  const PlanSpace& space_;
  const SweepOptions& options_;
  const MeasurePlan& measure_;
  Random random_;
  std::vector<Measurement> measured_;
  std::map<std::string, size_t> places_;  // of plans in measured_
};

}  // namespace

PlanSpace PlanSpaceOf(const std::vector<uint32_t>& nesting, const std::vector<uint32_t>& shells,
                      uint32_t lists, uint32_t k) {
  PlanSpace space{.dim = nesting.back()};
  const uint32_t second_shell = shells[std::min<size_t>(1, shells.size() - 1)];
  for (uint32_t d : nesting) {
    if (d < kMinDim && d != space.dim) continue;
    space.coarse_dims.push_back(d);
    if (d <= second_shell) space.scan_dims.push_back(d);
    space.refine_dims.push_back(d);
  }
  for (uint32_t p : {1,  2,  3,  4,  6,   8,   10,  12,  14,  16,  20,  24,  28,  32,  40,  48,
                     56, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 320, 384, 512, 768, 1024}) {
    if (p <= lists) space.probes.push_back(p);
  }
  for (uint32_t tenths :
       {10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 160, 200, 240, 320, 400}) {
    const uint32_t keep = std::min((k * tenths + 9) / 10, kMaxKeep);
    if (space.keeps.empty() || keep > space.keeps.back()) space.keeps.push_back(keep);
  }
  return space;
}

std::vector<Plan> Neighbours(const PlanSpace& space, const Plan& plan) {
  std::vector<Plan> result;
  const auto add = [&](const auto& change) {
    Plan next = plan;
    change(next);
    if (InOrder(next) && next != plan) result.push_back(std::move(next));
  };
  for (uint32_t dim : Steps(space.coarse_dims, plan.coarse.dim))
    add([&](Plan& p) { p.coarse.dim = dim; });
  for (uint32_t probes : Steps(space.probes, plan.coarse.probes))
    add([&](Plan& p) { p.coarse.probes = probes; });
  for (uint32_t dim : Steps(space.scan_dims, plan.scan.dim))
    add([&](Plan& p) { p.scan.dim = dim; });
  for (uint32_t keep : Steps(space.keeps, plan.scan.keep))
    add([&](Plan& p) { p.scan.keep = keep; });
  for (size_t i = 0; i < plan.refine.size(); ++i) {
    for (uint32_t dim : Steps(space.refine_dims, plan.refine[i].dim))
      add([&](Plan& p) { p.refine[i].dim = dim; });
    for (uint32_t keep : Steps(space.keeps, plan.refine[i].keep))
      add([&](Plan& p) { p.refine[i].keep = keep; });
    add([&](Plan& p) { p.refine.erase(p.refine.begin() + static_cast<ptrdiff_t>(i)); });
  }
  if (plan.refine.size() < 2) {
    // A new stage in front or behind: the next dim after the stage before, and a keep between its
    // neighbours'.
    for (size_t i = 0; i <= plan.refine.size(); ++i) {
      const Plan::Stage before = i == 0 ? plan.scan : plan.refine[i - 1];
      const uint32_t least = i < plan.refine.size() ? plan.refine[i].keep : space.keeps.front();
      const auto keep =
          std::lower_bound(space.keeps.begin(), space.keeps.end(), (before.keep + least) / 2);
      for (uint32_t dim : space.refine_dims) {
        add([&](Plan& p) {
          p.refine.insert(p.refine.begin() + static_cast<ptrdiff_t>(i),
                          {dim, keep == space.keeps.end() ? before.keep : *keep});
        });
      }
    }
  }
  add([](Plan& p) { p.rescore = !p.rescore; });
  return result;
}

absl::StatusOr<std::vector<Measurement>> SweepPlans(const PlanSpace& space,
                                                    const SweepOptions& options,
                                                    const MeasurePlan& measure) {
  return Sweep(space, options, measure).Run();
}

}  // namespace nestor
