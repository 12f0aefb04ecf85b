#include "client/bench/plan_space.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <utility>

namespace nestor {
namespace {

constexpr uint32_t kMinDim = 32;
// What the graph finds is nearly in order: few rows are worth refining.
constexpr uint32_t kGraphKeeps = 4;  // x k
// In a space, where more margin is more thorough, no adaptive stop is the largest; in a plan it is
// 0.
constexpr float kNoStop = std::numeric_limits<float>::infinity();
float ToPlanMargin(float margin) { return margin == kNoStop ? 0 : margin; }
float ToSpaceMargin(float margin) { return margin == 0 ? kNoStop : margin; }

template <typename T>
T OneOf(const std::vector<T>& values, std::mt19937_64& random) {
  return values[random() % values.size()];
}

// A value of `values` within [low, high], if there is one.
std::optional<uint32_t> OneWithin(const std::vector<uint32_t>& values, uint32_t low, uint32_t high,
                                  std::mt19937_64& random) {
  const auto begin = std::lower_bound(values.begin(), values.end(), low);
  const auto end = std::upper_bound(values.begin(), values.end(), high);
  if (begin >= end) return std::nullopt;
  return begin[static_cast<ptrdiff_t>(random() % static_cast<uint64_t>(end - begin))];
}

// The values before and after `value`.
template <typename T>
std::vector<T> Steps(std::span<const T> values, T value) {
  std::vector<T> steps;
  const auto at = std::lower_bound(values.begin(), values.end(), value);
  if (at != values.begin()) steps.push_back(*(at - 1));
  const auto after = at != values.end() && *at == value ? at + 1 : at;
  if (after != values.end()) steps.push_back(*after);
  return steps;
}

// The stage whose candidates the refine stages get. Behind a code those start from nothing.
Plan::Stage FirstStage(const Plan& plan) {
  if (plan.code.has_value()) return {0, plan.scan.keep};
  return plan.graph.has_value() ? Plan::Stage{plan.graph->dim, plan.graph->ef} : plan.scan;
}

void ScanBy(const OpqSpec& code, Plan* plan) {
  plan->code = code;
  plan->scan.dim = code.dim;
}

// The keeps that a refine stage may have.
std::span<const uint32_t> RefineKeeps(const PlanSpace& space, Source source) {
  if (source != Source::kGraph || !space.token_dims.empty()) return space.keeps;
  const auto end =
      std::upper_bound(space.keeps.begin(), space.keeps.end(), kGraphKeeps * space.keeps.front());
  return {space.keeps.begin(), end};
}

// Dims rise, keeps do not.
bool InOrder(const Plan& plan) {
  Plan::Stage last = FirstStage(plan);
  for (const Plan::Stage& stage : plan.refine) {
    if (stage.dim <= last.dim || stage.keep > last.keep) return false;
    last = stage;
  }
  uint32_t token_dim = 0;
  for (const Plan::Stage& stage : plan.maxsim) {
    if (stage.dim <= token_dim || stage.keep > last.keep) return false;
    last = stage;
    token_dim = stage.dim;
  }
  return true;
}

// The stages on tokens behind those that leave `keep` candidates.
void AddMaxSim(const PlanSpace& space, uint32_t keep, std::mt19937_64& random, Plan* plan) {
  const size_t short_dims = space.token_dims.size() - 1;
  if (short_dims > 0 && random() % 3 == 0) {
    keep = OneWithin(space.keeps, 0, keep, random).value_or(keep);
    plan->maxsim.push_back({space.token_dims[random() % short_dims], keep});
  }
  keep = OneWithin(space.token_keeps, 0, keep, random).value_or(keep);
  plan->maxsim.push_back({space.token_dims.back(), keep});
}

// Collects the plans that single changes make out of one.
class Changes {
 public:
  Changes(const PlanSpace& space, const Plan& plan) : space_(space), plan_(plan) {}

  std::vector<Plan> All() {
    if (plan_.graph.has_value()) {
      OfGraph();
    } else {
      OfLists();
    }
    for (size_t i = 0; i < plan_.refine.size(); ++i) OfRefine(i);
    if (plan_.refine.size() < 2) {
      for (size_t i = 0; i <= plan_.refine.size(); ++i) NewRefine(i);
    }
    Add([](Plan& p) { p.rescore = !p.rescore; });
    if (space_.token_dims.empty()) {
      SwapEnd();
    } else {
      OfMaxSim();
    }
    return std::move(result_);
  }

 private:
  template <typename Change>
  void Add(Change change) {
    Plan next = plan_;
    change(next);
    if (InOrder(next) && next != plan_) result_.push_back(std::move(next));
  }

  void OfLists() {
    for (uint32_t dim : Steps<uint32_t>(space_.coarse_dims, plan_.coarse.dim))
      Add([&](Plan& p) { p.coarse.dim = dim; });
    for (uint32_t probes : Steps<uint32_t>(space_.probes, plan_.coarse.probes))
      Add([&](Plan& p) { p.coarse.probes = probes; });
    if (plan_.code.has_value()) {
      for (const OpqSpec& code : space_.codes) Add([&](Plan& p) { ScanBy(code, &p); });
    } else {
      for (uint32_t dim : Steps<uint32_t>(space_.scan_dims, plan_.scan.dim))
        Add([&](Plan& p) { p.scan.dim = dim; });
    }
    const std::vector<uint32_t>& keeps = plan_.code.has_value() ? space_.code_keeps : space_.keeps;
    for (uint32_t keep : Steps<uint32_t>(keeps, plan_.scan.keep))
      Add([&](Plan& p) { p.scan.keep = keep; });
  }

  void OfGraph() {
    const Plan::GraphStage& now = *plan_.graph;
    const std::vector<uint32_t> efs = Steps<uint32_t>(space_.efs, now.ef);
    const float now_margin = ToSpaceMargin(now.margin);
    const std::vector<float> margins = Steps<float>(space_.margins, now_margin);
    for (uint32_t ef : efs) Add([&](Plan& p) { p.graph->ef = ef; });
    for (float margin : margins) Add([&](Plan& p) { p.graph->margin = ToPlanMargin(margin); });
    // One makes up for the other: along a line of equal recall neither helps alone.
    for (uint32_t ef : efs) {
      for (float margin : margins) {
        if ((ef > now.ef) == (margin > now_margin)) continue;
        Add([&](Plan& p) {
          p.graph->ef = ef;
          p.graph->margin = ToPlanMargin(margin);
        });
      }
    }
  }

  void OfRefine(size_t i) {
    for (uint32_t dim : Steps<uint32_t>(space_.refine_dims, plan_.refine[i].dim))
      Add([&](Plan& p) { p.refine[i].dim = dim; });
    for (uint32_t keep : Steps(RefineKeeps(space_, SourceOf(plan_)), plan_.refine[i].keep))
      Add([&](Plan& p) { p.refine[i].keep = keep; });
    Add([&](Plan& p) { p.refine.erase(p.refine.begin() + static_cast<ptrdiff_t>(i)); });
  }

  // A new stage in front of the i-th or behind all: any dim that fits, and a keep between its
  // neighbours'.
  void NewRefine(size_t i) {
    const Plan::Stage before = i == 0 ? FirstStage(plan_) : plan_.refine[i - 1];
    const uint32_t least = i < plan_.refine.size() ? plan_.refine[i].keep : space_.keeps.front();
    const uint32_t keep = KeepBetween(before.keep, least);
    for (uint32_t dim : space_.refine_dims) {
      Add([&](Plan& p) {
        p.refine.insert(p.refine.begin() + static_cast<ptrdiff_t>(i), Plan::Stage{dim, keep});
      });
    }
  }

  void OfMaxSim() {
    for (size_t i = 0; i < plan_.maxsim.size(); ++i) {
      const bool last = i + 1 == plan_.maxsim.size();
      const std::vector<uint32_t>& keeps = last ? space_.token_keeps : space_.keeps;
      for (uint32_t keep : Steps<uint32_t>(keeps, plan_.maxsim[i].keep))
        Add([&](Plan& p) { p.maxsim[i].keep = keep; });
    }
    if (plan_.maxsim.size() > 1) Add([](Plan& p) { p.maxsim.erase(p.maxsim.begin()); });
    if (plan_.maxsim.size() > 1) return;
    const uint32_t keep = KeepBetween(LastKeep(plan_), plan_.maxsim.front().keep);
    for (size_t d = 0; d + 1 < space_.token_dims.size(); ++d) {
      Add([&](Plan& p) {
        p.maxsim.insert(p.maxsim.begin(), Plan::Stage{space_.token_dims[d], keep});
      });
    }
  }

  // Codes up to D in place of the exact vectors, or the other way round.
  void SwapEnd() {
    const bool to_end = !plan_.refine.empty() && plan_.refine.back().dim == space_.dim;
    if (plan_.rescore == to_end) return;
    if (to_end) {
      Add([](Plan& p) {
        p.refine.pop_back();
        p.rescore = true;
      });
      return;
    }
    const Plan::Stage before = plan_.refine.empty() ? FirstStage(plan_) : plan_.refine.back();
    const uint32_t keep = KeepBetween(before.keep, space_.keeps.front());
    Add([&](Plan& p) {
      p.refine.push_back(Plan::Stage{space_.dim, keep});
      p.rescore = false;
    });
  }

  uint32_t KeepBetween(uint32_t most, uint32_t least) const {
    const std::span<const uint32_t> keeps = RefineKeeps(space_, SourceOf(plan_));
    const auto at = std::lower_bound(keeps.begin(), keeps.end(), (most + least) / 2);
    return std::min(at == keeps.end() ? keeps.back() : *at, most);
  }

  const PlanSpace& space_;
  const Plan& plan_;
  std::vector<Plan> result_;
};

// k x each of the tenths / 10, ascending, each once.
std::vector<uint32_t> Scaled(uint32_t k, std::initializer_list<uint32_t> tenths, uint32_t most) {
  std::vector<uint32_t> values;
  for (uint32_t t : tenths) {
    const auto value = static_cast<uint32_t>(std::min<uint64_t>((uint64_t{k} * t + 9) / 10, most));
    if (values.empty() || value > values.back()) values.push_back(value);
  }
  return values;
}

}  // namespace

absl::string_view Name(Source source) {
  switch (source) {
    case Source::kLists:
      return "lists";
    case Source::kCodes:
      return "codes";
    case Source::kGraph:
      return "graph";
  }
  return "";
}

Source SourceOf(const Plan& plan) {
  if (plan.graph.has_value()) return Source::kGraph;
  return plan.code.has_value() ? Source::kCodes : Source::kLists;
}

std::optional<Source> SourceOfText(absl::string_view plan) {
  const absl::StatusOr<Plan> parsed = ParsePlan(plan.substr(plan.rfind(' ') + 1));
  return parsed.ok() ? std::optional(SourceOf(*parsed)) : std::nullopt;
}

PlanSpace PlanSpaceOf(const std::vector<uint32_t>& nesting, const std::vector<uint32_t>& shells,
                      const PlanSources& sources, uint32_t k) {
  PlanSpace space{.dim = shells.back(), .codes = sources.codes, .graph_dim = sources.graph_dim};
  if (sources.lists > 0) space.sources.push_back(Source::kLists);
  if (!sources.codes.empty()) space.sources.push_back(Source::kCodes);
  if (sources.graph_dim > 0) space.sources.push_back(Source::kGraph);
  const uint32_t second_shell = shells[std::min<size_t>(1, shells.size() - 1)];
  for (uint32_t d : nesting) {
    if (d < kMinDim && d != space.dim) continue;
    space.coarse_dims.push_back(d);
    if (d <= second_shell) space.scan_dims.push_back(d);
    if (d <= space.dim) space.refine_dims.push_back(d);
  }
  for (uint32_t p : {1,  2,  3,  4,  6,   8,   10,  12,  14,  16,  20,  24,  28,  32,  40,  48,
                     56, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 320, 384, 512, 768, 1024}) {
    if (p <= sources.lists) space.probes.push_back(p);
  }
  space.keeps = Scaled(
      k, {10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 160, 200, 240, 320, 400}, kMaxKeep);
  space.code_keeps = Scaled(k, {10,  12,  15,  20,  25,  30,  40,  50,  60,   80,  100,
                                120, 160, 200, 240, 320, 400, 560, 800, 1120, 1600},
                            kMaxKeep);
  space.efs = Scaled(k, {10,  12,  14,  16,  20,  24,  28,  32,  40,  50,  64,  80,
                         100, 128, 160, 200, 256, 320, 400, 512, 640, 800, 1000},
                     kMaxEf);
  space.margins = {0.02f, 0.03f, 0.04f, 0.05f, 0.06f, 0.07f, 0.08f, 0.1f,
                   0.12f, 0.15f, 0.18f, 0.22f, 0.26f, 0.3f,  0.4f,  kNoStop};
  space.token_dims = sources.token_dims;
  if (!space.token_dims.empty())
    space.token_keeps = Scaled(k, {10, 12, 15, 20, 25, 30, 40}, kMaxKeep);
  return space;
}

Plan RandomPlan(const PlanSpace& space, Source source, std::mt19937_64& random) {
  Plan plan;
  if (source == Source::kGraph) {
    plan.graph = {space.graph_dim, OneOf(space.efs, random),
                  ToPlanMargin(OneOf(space.margins, random))};
  } else {
    plan.coarse = {OneOf(space.coarse_dims, random), OneOf(space.probes, random)};
    if (source == Source::kCodes) {
      ScanBy(OneOf(space.codes, random), &plan);
      plan.scan.keep = OneOf(space.code_keeps, random);
    } else {
      plan.scan = {OneOf(space.scan_dims, random), OneOf(space.keeps, random)};
    }
  }
  const std::span<const uint32_t> refine_keeps = RefineKeeps(space, source);
  const std::vector<uint32_t> keeps(refine_keeps.begin(), refine_keeps.end());
  Plan::Stage last = FirstStage(plan);
  for (uint64_t stages = random() % 3; stages > 0; --stages) {
    // The last refine mostly goes to D, where its order is the final one but for rounding.
    const bool to_end = stages == 1 && random() % 2 == 0;
    const std::optional<uint32_t> dim =
        to_end ? std::optional(space.dim)
               : OneWithin(space.refine_dims, last.dim + 1, space.dim, random);
    const std::optional<uint32_t> keep = OneWithin(keeps, 0, last.keep, random);
    if (!dim || *dim <= last.dim || !keep) break;
    last = {*dim, *keep};
    plan.refine.push_back(last);
  }
  plan.rescore = random() % 8 != 0;
  if (!space.token_dims.empty()) AddMaxSim(space, last.keep, random, &plan);
  return plan;
}

Plan DearestPlan(const PlanSpace& space, Source source) {
  Plan plan;
  if (source == Source::kGraph) {
    plan.graph = {space.graph_dim, space.efs.back(), 0};
  } else {
    plan.coarse = {space.coarse_dims.back(), space.probes.back()};
    if (source == Source::kCodes) {
      ScanBy(
          *std::max_element(space.codes.begin(), space.codes.end(),
                            [](const OpqSpec& a, const OpqSpec& b) { return a.bytes < b.bytes; }),
          &plan);
      plan.scan.keep = space.code_keeps.back();
    } else {
      plan.scan = {space.scan_dims.back(), space.keeps.back()};
    }
  }
  plan.rescore = true;
  if (!space.token_dims.empty()) {
    plan.maxsim.push_back({space.token_dims.back(), space.token_keeps.back()});
  }
  return plan;
}

std::vector<Plan> Neighbours(const PlanSpace& space, const Plan& plan) {
  return Changes(space, plan).All();
}

}  // namespace nestor
