#include "client/bench/compare.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/bench/baseline_engine.h"
#include "client/bench/choose.h"

namespace nestor {
namespace {

// A sweep's single passes are noisy: so many of an engine's fastest settings for each recall, and
// those of Nestor's frontier from a recall on, are measured again, so many times.
constexpr size_t kNestorFinalists = 6;
constexpr size_t kBaselineFinalists = 2;
constexpr double kLeastFrontierRecall = 0.8;
constexpr int kFinalistPasses = 3;
// A baseline's thorough settings are slow; past this recall they serve no target.
constexpr double kEnoughRecall = 0.998;

class Comparing {
 public:
  Comparing(const Dataset& set, const std::vector<Engine*>& engines, const CompareOptions& options)
      : set_(set), engines_(engines), options_(options) {}

  absl::StatusOr<Comparison> Run(const PlanSpace& space) {
    Comparison result;
    // Touches every page of index and vectors, which no reported pass should have to.
    if (auto warm = Passes({{engines_[0], "default"}}, Half::kAll, 1); !warm.ok()) {
      return warm.status();
    }
    if (!options_.plans.empty()) {
      std::vector<Candidate> candidates;
      for (const std::string& plan : options_.plans) candidates.push_back({engines_[0], plan});
      Report("plans", 0);
      auto plans = Passes(candidates, Half::kAll, options_.passes);
      if (!plans.ok()) return plans.status();
      result.plans = *std::move(plans);
      if (engines_.size() == 1) return result;
    }
    std::vector<std::vector<Measurement>> swept(engines_.size());
    for (size_t e = 0; e < engines_.size(); ++e) {
      if (e == 0 && !options_.plans.empty()) continue;
      absl::StatusOr<std::vector<Measurement>> sweep =
          e == 0 ? SweepNestor(space) : SweepBaseline(engines_[e]);
      if (!sweep.ok()) return sweep.status();
      swept[e] = *std::move(sweep);
      if (e == 0) continue;  // its frontier is measured again
      for (size_t i : Frontier(swept[e])) result.baseline_frontiers.push_back(swept[e][i]);
    }
    absl::Status status = MeasureChosen(swept, &result);
    if (!status.ok()) return status;
    return result;
  }

 private:
  void Report(const std::string& phase, double fraction) const {
    if (options_.progress) options_.progress(phase, fraction);
  }

  absl::StatusOr<std::vector<Measurement>> Passes(const std::vector<Candidate>& candidates,
                                                  Half half, int passes) const {
    return MeasureAlternating(
        set_, candidates,
        {.half = half, .k = options_.k, .threads = options_.threads, .min_runs = options_.min_runs},
        passes);
  }

  absl::StatusOr<Measurement> OnePass(Engine* engine, const std::string& setting) const {
    absl::StatusOr<std::vector<Measurement>> result = Passes({{engine, setting}}, Half::kEven, 1);
    if (!result.ok()) return result.status();
    return std::move(result->front());
  }

  absl::StatusOr<std::vector<Measurement>> SweepNestor(const PlanSpace& space) const {
    SweepOptions sweep{.random_plans = options_.random_plans, .recalls = options_.recalls};
    // At most: a climb may end early.
    const double most =
        options_.random_plans + sweep.climb_plans * static_cast<double>(options_.recalls.size());
    sweep.progress = [&](int measured) { Report("sweep", measured / most); };
    return SweepPlans(space, sweep,
                      [&](const std::string& plan) { return OnePass(engines_[0], plan); });
  }

  absl::StatusOr<std::vector<Measurement>> SweepBaseline(Engine* engine) const {
    const std::vector<std::string> settings = BaselineSettings(engine->facts().name, options_.k);
    std::vector<Measurement> swept;
    for (const std::string& setting : settings) {
      absl::StatusOr<Measurement> result = OnePass(engine, setting);
      if (!result.ok()) return result.status();
      swept.push_back(*std::move(result));
      Report(absl::StrCat("sweep ", engine->facts().name),
             static_cast<double>(swept.size()) / static_cast<double>(settings.size()));
      if (swept.back().recall >= kEnoughRecall) break;
    }
    return swept;
  }

  // The fastest setting of an engine for each recall, on the even queries.
  absl::StatusOr<std::vector<std::vector<Candidate>>> Choose(
      const std::vector<std::vector<Measurement>>& swept, Comparison* result) const {
    std::vector<Candidate> finalists;
    std::vector<size_t> owner;  // engine of each
    for (size_t e = 0; e < engines_.size(); ++e) {
      std::vector<std::string> settings;
      for (double recall : options_.recalls) {
        const size_t few = e == 0 ? kNestorFinalists : kBaselineFinalists;
        for (size_t i : FastestFew(swept[e], recall, few, &Measurement::steady_qps))
          settings.push_back(swept[e][i].setting);
      }
      if (e == 0) {
        for (size_t i : Frontier(swept[e], &Measurement::steady_qps)) {
          if (swept[e][i].recall >= kLeastFrontierRecall) settings.push_back(swept[e][i].setting);
        }
      }
      std::sort(settings.begin(), settings.end());
      settings.erase(std::unique(settings.begin(), settings.end()), settings.end());
      for (std::string& setting : settings) {
        finalists.push_back({engines_[e], std::move(setting)});
        owner.push_back(e);
      }
    }
    Report("choose", 0);
    absl::StatusOr<std::vector<Measurement>> again =
        Passes(finalists, Half::kEven, kFinalistPasses);
    if (!again.ok()) return again.status();
    std::vector<std::vector<Candidate>> chosen(options_.recalls.size());
    for (size_t e = 0; e < engines_.size(); ++e) {
      std::vector<Measurement> own;
      for (size_t i = 0; i < finalists.size(); ++i) {
        if (owner[i] == e) own.push_back((*again)[i]);
      }
      for (size_t r = 0; r < options_.recalls.size(); ++r) {
        const std::optional<size_t> best = Fastest(own, options_.recalls[r]);
        if (best) chosen[r].push_back({engines_[e], own[*best].setting});
      }
      if (e > 0) continue;
      for (size_t i : Frontier(own)) result->frontier.push_back(own[i]);
    }
    return chosen;
  }

  // The chosen settings and the default plan on the odd queries, all engines in turn.
  absl::Status MeasureChosen(const std::vector<std::vector<Measurement>>& swept,
                             Comparison* result) const {
    const absl::StatusOr<std::vector<std::vector<Candidate>>> chosen = Choose(swept, result);
    if (!chosen.ok()) return chosen.status();
    std::vector<Candidate> all = {{engines_[0], "default"}};
    for (const std::vector<Candidate>& candidates : *chosen)
      all.insert(all.end(), candidates.begin(), candidates.end());
    Report("measure", 0);
    absl::StatusOr<std::vector<Measurement>> measured = Passes(all, Half::kOdd, options_.passes);
    if (!measured.ok()) return measured.status();
    result->default_plan = std::move(measured->front());
    auto next = measured->begin() + 1;
    for (size_t r = 0; r < options_.recalls.size(); ++r) {
      const auto end = next + static_cast<ptrdiff_t>((*chosen)[r].size());
      result->at_recalls.push_back(
          {options_.recalls[r], {std::make_move_iterator(next), std::make_move_iterator(end)}});
      next = end;
    }
    Report("measure", 1);
    return absl::OkStatus();
  }

  const Dataset& set_;
  const std::vector<Engine*>& engines_;
  const CompareOptions& options_;
};

}  // namespace

absl::StatusOr<Comparison> Compare(const Dataset& set, const std::vector<Engine*>& engines,
                                   const PlanSpace& space, const CompareOptions& options) {
  return Comparing(set, engines, options).Run(space);
}

}  // namespace nestor
