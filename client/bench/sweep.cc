#include "client/bench/sweep.h"

#include <map>
#include <random>
#include <set>
#include <utility>

#include "client/bench/choose.h"

namespace nestor {
namespace {

// Random pairs of steps that are tried where no single one helps.
constexpr size_t kDoubleSteps = 40;
// Passes of a plan, the first included, before a climb believes that nothing near it is faster.
constexpr int kBelievedPasses = 3;

// One sweep and what it has measured.
class Sweep {
 public:
  Sweep(const PlanSpace& space, const SweepOptions& options, const MeasurePlan& measure)
      : space_(space), options_(options), measure_(measure), random_(options.seed) {}

  absl::StatusOr<std::vector<Measurement>> Run() {
    for (const Plan& start : options_.starts) {
      if (auto tried = Try(start); !tried.ok()) return tried.status();
    }
    for (int i = 0; i < options_.random_plans; ++i) {
      const Plan plan = RandomPlan(space_, options_.source, random_);
      if (auto tried = Try(plan); !tried.ok()) return tried.status();
    }
    // The dearest plan of the space bounds what recall there is; without it a high recall may have
    // no plan to start from.
    const Plan dearest = DearestPlan(space_, options_.source);
    if (auto tried = Try(dearest); !tried.ok()) return tried.status();
    for (double recall : options_.recalls) {
      for (size_t start : Starts(recall)) {
        if (absl::Status s = Climb(start, recall); !s.ok()) return s;
      }
    }
    return std::move(measured_);
  }

 private:
  absl::StatusOr<Measurement> Measure(const std::string& text) {
    absl::StatusOr<Measurement> result = measure_(text);
    ++passes_;
    if (options_.progress) options_.progress(passes_);
    return result;
  }

  // Measures a plan unless it has been; its place in measured_.
  absl::StatusOr<size_t> Try(const Plan& plan) {
    const std::string text = FormatPlan(plan);
    if (const auto at = places_.find(text); at != places_.end()) return at->second;
    absl::StatusOr<Measurement> result = Measure(text);
    if (!result.ok()) return result.status();
    measured_.push_back(*std::move(result));
    measured_.back().passes = 1;
    return places_[text] = measured_.size() - 1;
  }

  // One more pass of a plan, taken into its mean.
  absl::Status Again(size_t place) {
    const absl::StatusOr<Measurement> result = Measure(measured_[place].setting);
    if (!result.ok()) return result.status();
    Measurement& m = measured_[place];
    m.steady_qps += (result->steady_qps - m.steady_qps) / ++m.passes;
    return absl::OkStatus();
  }

  // Where a climb stands.
  struct Stand {
    size_t place = 0;
    std::vector<Plan> neighbours;
    size_t failures = 0;  // since the last step
  };

  absl::StatusOr<Stand> StandAt(size_t place) const {
    const absl::StatusOr<Plan> plan = ParsePlan(measured_[place].setting);
    if (!plan.ok()) return plan.status();
    return Stand{place, Neighbours(space_, *plan)};
  }

  // Of the plan and its neighbours that reach the recall.
  size_t FastestAround(const Stand& stand, double recall) const {
    size_t best = stand.place;
    for (const Plan& plan : stand.neighbours) {
      const auto at = places_.find(FormatPlan(plan));
      if (at == places_.end() || measured_[at->second].recall < recall) continue;
      if (measured_[at->second].steady_qps > measured_[best].steady_qps) best = at->second;
    }
    return best;
  }

  // Tries the next plan around; moves there if it is better.
  absl::Status Step(size_t turn, double recall, Stand* stand) {
    Plan next;
    const bool single = stand->failures < stand->neighbours.size();
    if (single) {
      next = stand->neighbours[turn % stand->neighbours.size()];
    } else {
      const std::vector<Plan> further =
          Neighbours(space_, stand->neighbours[random_() % stand->neighbours.size()]);
      next = further[random_() % further.size()];
    }
    const absl::StatusOr<size_t> place = Try(next);
    if (!place.ok()) return place.status();
    const Measurement& m = measured_[*place];
    if (m.recall < recall || m.steady_qps <= measured_[stand->place].steady_qps) {
      ++stand->failures;
      return absl::OkStatus();
    }
    absl::StatusOr<Stand> moved = StandAt(*place);
    if (!moved.ok()) return moved.status();
    *stand = *std::move(moved);
    return absl::OkStatus();
  }

  // The fastest plan of each shape, fastest first.
  std::vector<size_t> Starts(double recall) const {
    std::vector<size_t> starts;
    std::set<std::pair<size_t, bool>> shapes;  // refine stages, rescore
    const auto order = FastestFew(measured_, recall, measured_.size(), &Measurement::steady_qps);
    for (size_t place : order) {
      if (starts.size() >= static_cast<size_t>(options_.climbs)) break;
      const absl::StatusOr<Plan> plan = ParsePlan(measured_[place].setting);
      if (plan.ok() && shapes.emplace(plan->refine.size(), plan->rescore).second)
        starts.push_back(place);
    }
    return starts;
  }

  absl::Status Climb(size_t start, double recall) {
    absl::StatusOr<Stand> stand = StandAt(start);
    if (!stand.ok()) return stand.status();
    const int end = passes_ + options_.climb_plans;
    for (size_t turn = 0; passes_ < end; ++turn) {
      const size_t place = stand->place;
      if (stand->failures == stand->neighbours.size() &&
          measured_[place].passes < kBelievedPasses) {
        if (absl::Status s = Again(place); !s.ok()) return s;
        const size_t better = FastestAround(*stand, recall);
        if (better == place) continue;
        stand = StandAt(better);
        if (!stand.ok()) return stand.status();
        continue;
      }
      if (stand->failures >= stand->neighbours.size() + kDoubleSteps) break;
      if (absl::Status s = Step(turn, recall, &*stand); !s.ok()) return s;
      // After a move the same again, as far as the lists of neighbours are alike.
      if (stand->place != place) --turn;
    }
    return absl::OkStatus();
  }

  const PlanSpace& space_;
  const SweepOptions& options_;
  const MeasurePlan& measure_;
  std::mt19937_64 random_;
  std::vector<Measurement> measured_;
  std::map<std::string, size_t> places_;  // of plans in measured_
  int passes_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Measurement>> SweepPlans(const PlanSpace& space,
                                                    const SweepOptions& options,
                                                    const MeasurePlan& measure) {
  return Sweep(space, options, measure).Run();
}

}  // namespace nestor
