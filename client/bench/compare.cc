#include "client/bench/compare.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/bench/choose.h"

namespace nestor {
namespace {

// A sweep's single passes are noisy: so many of a sweep's fastest settings for each recall, and
// those of Nestor's frontiers from a recall on, are measured again, so many times.
constexpr size_t kNestorFinalists = 6;
constexpr size_t kBaselineFinalists = 2;
constexpr double kLeastFrontierRecall = 0.8;
constexpr int kFinalistPasses = 5;
// A baseline's thorough settings are slow; past this recall they serve no target.
constexpr double kEnoughRecall = 0.998;

// What is swept by itself: a source of Nestor's, or a baseline.
struct Contender {
  Engine* engine = nullptr;
  std::optional<Source> source;
  std::vector<Measurement> swept;
};

class Comparing {
 public:
  Comparing(const Grader& grader, const std::vector<Engine*>& engines,
            const CompareOptions& options)
      : grader_(grader), engines_(engines), options_(options) {}

  absl::StatusOr<Comparison> Run(const PlanSpace& space) {
    Comparison result;
    // Touches every page of index and vectors, which no reported pass should have to.
    auto warm = Passes({{engines_[0], "default"}}, Half::kAll, 1);
    if (!warm.ok()) return warm.status();
    default_plan_ = warm->front().plan;
    if (!options_.plans.empty()) {
      std::vector<Candidate> candidates;
      for (const std::string& plan : options_.plans) candidates.push_back({engines_[0], plan});
      Report("plans", 0);
      auto plans = Passes(candidates, Half::kAll, options_.passes);
      if (!plans.ok()) return plans.status();
      result.plans = *std::move(plans);
      if (engines_.size() == 1) return result;
    } else {
      result.sources = space.sources;
      for (Source source : space.sources) contenders_.push_back({engines_[0], source});
    }
    for (size_t e = 1; e < engines_.size(); ++e) contenders_.push_back({engines_[e]});
    for (Contender& contender : contenders_) {
      absl::StatusOr<std::vector<Measurement>> sweep = contender.source
                                                           ? SweepNestor(space, *contender.source)
                                                           : SweepBaseline(contender.engine);
      if (!sweep.ok()) return sweep.status();
      contender.swept = *std::move(sweep);
      if (contender.source) continue;  // its frontier is measured again
      for (size_t i : Frontier(contender.swept))
        result.baseline_frontiers.push_back(contender.swept[i]);
    }
    absl::Status status = MeasureChosen(&result);
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
        grader_, candidates,
        {.half = half, .k = options_.k, .threads = options_.threads, .min_runs = options_.min_runs},
        passes);
  }

  absl::StatusOr<Measurement> OnePass(Engine* engine, const std::string& setting) const {
    absl::StatusOr<std::vector<Measurement>> result = Passes({{engine, setting}}, Half::kEven, 1);
    if (!result.ok()) return result.status();
    return std::move(result->front());
  }

  absl::StatusOr<std::vector<Measurement>> SweepNestor(const PlanSpace& space,
                                                       Source source) const {
    SweepOptions sweep{.source = source,
                       .random_plans = options_.random_plans,
                       .climb_plans = options_.climb_plans,
                       .recalls = options_.recalls};
    // The graph's plans are quick to measure, and ends of different shapes are close to each other.
    if (source == Source::kGraph) sweep.climbs = 4;
    if (SourceOfText(default_plan_) == source) sweep.starts = {*ParsePlan(default_plan_)};
    // At most: a climb may end early.
    const double most = sweep.random_plans + sweep.climbs * sweep.climb_plans *
                                                 static_cast<double>(options_.recalls.size());
    const std::string phase = absl::StrCat("sweep ", Name(source));
    sweep.progress = [&](int measured) { Report(phase, measured / most); };
    return SweepPlans(space, sweep,
                      [&](const std::string& plan) { return OnePass(engines_[0], plan); });
  }

  absl::StatusOr<std::vector<Measurement>> SweepBaseline(Engine* engine) const {
    const std::vector<std::string> settings = engine->Settings(options_.k);
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

  // What of a sweep is measured again.
  std::vector<std::string> Finalists(const Contender& contender) const {
    std::vector<std::string> settings;
    const std::vector<Measurement>& swept = contender.swept;
    for (double recall : options_.recalls) {
      const size_t few = contender.source ? kNestorFinalists : kBaselineFinalists;
      for (size_t i : FastestFew(swept, recall, few, &Measurement::steady_qps))
        settings.push_back(swept[i].setting);
    }
    if (contender.source) {
      for (size_t i : Frontier(swept, &Measurement::steady_qps)) {
        if (swept[i].recall >= kLeastFrontierRecall) settings.push_back(swept[i].setting);
      }
      if (SourceOfText(default_plan_) == contender.source) settings.push_back(default_plan_);
    }
    std::sort(settings.begin(), settings.end());
    settings.erase(std::unique(settings.begin(), settings.end()), settings.end());
    return settings;
  }

  // The fastest setting of a contender for each recall, on the even queries.
  absl::StatusOr<std::vector<std::vector<Candidate>>> Choose(Comparison* result) const {
    std::vector<Candidate> finalists;
    std::vector<size_t> counts;  // of each contender
    for (const Contender& contender : contenders_) {
      const std::vector<std::string> settings = Finalists(contender);
      for (const std::string& setting : settings) finalists.push_back({contender.engine, setting});
      counts.push_back(settings.size());
    }
    Report("choose", 0);
    absl::StatusOr<std::vector<Measurement>> again =
        Passes(finalists, Half::kEven, kFinalistPasses);
    if (!again.ok()) return again.status();
    std::vector<std::vector<Candidate>> chosen(options_.recalls.size());
    std::span<const Measurement> rest = *again;
    for (size_t c = 0; c < contenders_.size(); ++c) {
      const std::span<const Measurement> own = rest.first(counts[c]);
      rest = rest.subspan(counts[c]);
      for (size_t r = 0; r < options_.recalls.size(); ++r) {
        const std::optional<size_t> best = Fastest(own, options_.recalls[r]);
        if (best) chosen[r].push_back({contenders_[c].engine, own[*best].setting});
      }
      if (!contenders_[c].source) continue;
      for (size_t i : Frontier(own)) result->frontier.push_back(own[i]);
    }
    return chosen;
  }

  // The chosen settings and the default plan on the odd queries, all engines in turn.
  absl::Status MeasureChosen(Comparison* result) const {
    const absl::StatusOr<std::vector<std::vector<Candidate>>> chosen = Choose(result);
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

  const Grader& grader_;
  const std::vector<Engine*>& engines_;
  const CompareOptions& options_;
  std::vector<Contender> contenders_;  // Nestor's first
  std::string default_plan_;           // what it is here
};

}  // namespace

const Measurement* AtRecall::Find(const std::string& engine, std::optional<Source> source) const {
  for (const Measurement& m : fastest) {
    if (m.engine == engine && (!source || m.source == source)) return &m;
  }
  return nullptr;
}

absl::StatusOr<Comparison> Compare(const Grader& grader, const std::vector<Engine*>& engines,
                                   const PlanSpace& space, const CompareOptions& options) {
  return Comparing(grader, engines, options).Run(space);
}

}  // namespace nestor
