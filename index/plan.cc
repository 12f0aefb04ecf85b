#include "index/plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace nestor {
namespace {

// "64:32" -> two positive numbers.
absl::Status ParsePair(absl::string_view stage, absl::string_view text, uint32_t* first,
                       uint32_t* second) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], first) ||
      !absl::SimpleAtoi(parts[1], second)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "plan stage '", stage, "=", text, "' is not of the form ", stage, "=<dim>:<number>"));
  }
  return absl::OkStatus();
}

// "384:200" or "384:200:0.18".
absl::Status ParseGraph(absl::string_view text, Plan::GraphStage* graph) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  if (parts.size() < 2 || parts.size() > 3 || !absl::SimpleAtoi(parts[0], &graph->dim) ||
      !absl::SimpleAtoi(parts[1], &graph->ef) ||
      (parts.size() == 3 && !absl::SimpleAtof(parts[2], &graph->margin))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "plan stage 'graph=", text, "' is not of the form graph=<dim>:<ef>[:<margin>]"));
  }
  return absl::OkStatus();
}

// "128:100" or "opq256x32b4:200".
absl::Status ParseScan(absl::string_view text, Plan* plan) {
  if (!absl::StartsWith(text, "opq")) {
    return ParsePair("scan", text, &plan->scan.dim, &plan->scan.keep);
  }
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits(':', 1));
  const absl::StatusOr<OpqSpec> code = ParseOpqName(parts.first);
  if (!code.ok() || !absl::SimpleAtoi(parts.second, &plan->scan.keep)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "plan stage 'scan=", text, "' is not of the form scan=opq<dim>x<bytes>b<bits>:<number>"));
  }
  plan->code = *code;
  plan->scan.dim = code->dim;
  return absl::OkStatus();
}

absl::Status CheckDim(absl::string_view stage, uint32_t dim, const VectorSchema& schema) {
  if (NestingIndex(schema, dim) >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("plan: ", stage, " dim ", dim,
                                                 " is not in the nesting ",
                                                 absl::StrJoin(schema.nesting, ",")));
}

absl::Status CheckKeep(absl::string_view stage, uint32_t keep) {
  if (keep >= 1 && keep <= kMaxKeep) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("plan: ", stage, " keep ", keep, " is outside 1..", kMaxKeep));
}

}  // namespace

absl::StatusOr<Plan> ParsePlan(absl::string_view text) {
  Plan plan;
  // The stages in the only order that is allowed; `refine` and `maxsim` may repeat.
  enum { kNothing, kCoarse, kFirst, kRefine, kMaxSim, kRescore } last = kNothing;
  for (absl::string_view stage : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(stage, absl::MaxSplits('=', 1));
    const auto misplaced = [&] {
      return absl::InvalidArgumentError(
          absl::StrCat("plan stage '", stage, "' is out of place; the order is ",
                       "coarse=D:N,scan=D:N or graph=D:EF[:MARGIN], then ",
                       "[refine=D:N]...[maxsim=D:N]...[,rescore]"));
    };
    absl::Status status;
    if (field.first == "coarse") {
      if (last != kNothing) return misplaced();
      last = kCoarse;
      status = ParsePair("coarse", field.second, &plan.coarse.dim, &plan.coarse.probes);
    } else if (field.first == "scan") {
      if (last != kCoarse) return misplaced();
      last = kFirst;
      status = ParseScan(field.second, &plan);
    } else if (field.first == "graph") {
      if (last != kNothing) return misplaced();
      last = kFirst;
      Plan::GraphStage graph;
      status = ParseGraph(field.second, &graph);
      plan.graph = graph;
    } else if (field.first == "refine") {
      if (last != kFirst && last != kRefine) return misplaced();
      last = kRefine;
      Plan::Stage refine;
      status = ParsePair("refine", field.second, &refine.dim, &refine.keep);
      plan.refine.push_back(refine);
    } else if (field.first == "maxsim") {
      if (last < kFirst || last == kRescore) return misplaced();
      last = kMaxSim;
      Plan::Stage maxsim;
      status = ParsePair("maxsim", field.second, &maxsim.dim, &maxsim.keep);
      plan.maxsim.push_back(maxsim);
    } else if (stage == "rescore") {
      if (last < kFirst || last == kRescore) return misplaced();
      last = kRescore;
      plan.rescore = true;
    } else {
      return absl::InvalidArgumentError(absl::StrCat(
          "plan stage '", stage, "' is none of coarse=, scan=, graph=, refine=, maxsim=, rescore"));
    }
    if (!status.ok()) return status;
  }
  if (last < kFirst) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan '", text, "' lacks a scan= or graph= stage"));
  }
  return plan;
}

namespace {

// The shortest text that parses to the same number.
std::string FormatMargin(float margin) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof(text), margin).ptr);
}

}  // namespace

std::string FormatPlan(const Plan& plan) {
  std::string text;
  if (plan.graph.has_value()) {
    text = absl::StrCat("graph=", plan.graph->dim, ":", plan.graph->ef);
    if (plan.graph->margin > 0) absl::StrAppend(&text, ":", FormatMargin(plan.graph->margin));
  } else {
    text = absl::StrCat("coarse=", plan.coarse.dim, ":", plan.coarse.probes, ",scan=");
    if (plan.code.has_value()) {
      absl::StrAppend(&text, OpqName(*plan.code));
    } else {
      absl::StrAppend(&text, plan.scan.dim);
    }
    absl::StrAppend(&text, ":", plan.scan.keep);
  }
  for (const Plan::Stage& stage : plan.refine)
    absl::StrAppend(&text, ",refine=", stage.dim, ":", stage.keep);
  for (const Plan::Stage& stage : plan.maxsim)
    absl::StrAppend(&text, ",maxsim=", stage.dim, ":", stage.keep);
  if (plan.rescore) text += ",rescore";
  return text;
}

namespace {

absl::Status CheckLists(const Plan& plan, const VectorSchema& schema) {
  if (absl::Status s = CheckDim("coarse", plan.coarse.dim, schema); !s.ok()) return s;
  if (plan.coarse.probes < 1 || plan.coarse.probes > kMaxProbes) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: probes ", plan.coarse.probes, " is outside 1..", kMaxProbes));
  }
  if (plan.code.has_value()) {
    if (absl::Status s = ValidateOpq(*plan.code, schema); !s.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("plan: ", s.message()));
    }
    if (plan.scan.dim != plan.code->dim) {
      return absl::InvalidArgumentError(absl::StrCat(
          "plan: scan dim ", plan.scan.dim, " is not that of the code ", OpqName(*plan.code)));
    }
  } else if (absl::Status s = CheckDim("scan", plan.scan.dim, schema); !s.ok()) {
    return s;
  }
  return CheckKeep("scan", plan.scan.keep);
}

absl::Status CheckGraph(const Plan::GraphStage& graph, const VectorSchema& schema) {
  if (graph.dim < 1 || graph.dim > schema.dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: graph dim ", graph.dim, " is outside 1..", schema.dim));
  }
  if (graph.ef < 1 || graph.ef > kMaxEf) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: ef ", graph.ef, " is outside 1..", kMaxEf));
  }
  if (!(graph.margin >= 0) || std::isinf(graph.margin)) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: margin ", graph.margin, " is no number from 0 on"));
  }
  return absl::OkStatus();
}

// One after the other: dims never decrease, keeps never grow. `previous`: the stage before; where
// they end, the last one.
absl::Status CheckStages(absl::string_view name, std::span<const Plan::Stage> stages,
                         const VectorSchema& schema, Plan::Stage* previous) {
  if (stages.size() > kMaxNesting) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: ", stages.size(), " ", name, " stages are over ", kMaxNesting));
  }
  for (const Plan::Stage& stage : stages) {
    if (absl::Status s = CheckDim(name, stage.dim, schema); !s.ok()) return s;
    if (absl::Status s = CheckKeep(name, stage.keep); !s.ok()) return s;
    if (stage.dim < previous->dim) {
      return absl::InvalidArgumentError(absl::StrCat("plan: ", name, " dim ", stage.dim,
                                                     " is below the ", previous->dim,
                                                     " of the stage before; dims never decrease"));
    }
    if (stage.keep > previous->keep) {
      return absl::InvalidArgumentError(absl::StrCat("plan: ", name, " keep ", stage.keep,
                                                     " is above the ", previous->keep,
                                                     " that leave the stage before"));
    }
    *previous = stage;
  }
  return absl::OkStatus();
}

}  // namespace

uint32_t LastKeep(const Plan& plan) {
  if (!plan.refine.empty()) return plan.refine.back().keep;
  return plan.graph.has_value() ? plan.graph->ef : plan.scan.keep;
}

absl::Status ValidatePlan(const Plan& plan, const VectorSchema& schema, uint32_t limit,
                          const VectorSchema* tokens) {
  if (plan.graph.has_value() && plan.code.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: a graph stage and the code ", OpqName(*plan.code), " exclude another"));
  }
  const absl::Status first =
      plan.graph.has_value() ? CheckGraph(*plan.graph, schema) : CheckLists(plan, schema);
  if (!first.ok()) return first;
  Plan::Stage previous =
      plan.graph.has_value() ? Plan::Stage{plan.graph->dim, plan.graph->ef} : plan.scan;
  if (plan.code.has_value()) previous.dim = 0;
  absl::Status status = CheckStages("refine", plan.refine, schema, &previous);
  if (!status.ok()) return status;
  if (!plan.maxsim.empty()) {
    if (tokens == nullptr) {
      return absl::InvalidArgumentError(
          "plan: a maxsim stage is for collections of token matrices, of kind MULTI");
    }
    previous.dim = 0;  // from here on of tokens
    status = CheckStages("maxsim", plan.maxsim, *tokens, &previous);
    if (!status.ok()) return status;
  }
  if (previous.keep < limit) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: the last keep ", previous.keep, " is below the limit ", limit));
  }
  return absl::OkStatus();
}

}  // namespace nestor
