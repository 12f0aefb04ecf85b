#include "index/plan.h"

#include <algorithm>
#include <cmath>

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
  // The stages in the only order that is allowed; `refine` may repeat.
  enum { kNothing, kCoarse, kScan, kRefine, kRescore } last = kNothing;
  for (absl::string_view stage : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(stage, absl::MaxSplits('=', 1));
    const auto misplaced = [&] {
      return absl::InvalidArgumentError(
          absl::StrCat("plan stage '", stage, "' is out of place; the order is ",
                       "coarse=D:N,scan=D:N[,refine=D:N]...[,rescore]"));
    };
    absl::Status status;
    if (field.first == "coarse") {
      if (last != kNothing) return misplaced();
      last = kCoarse;
      status = ParsePair("coarse", field.second, &plan.coarse.dim, &plan.coarse.probes);
    } else if (field.first == "scan") {
      if (last != kCoarse) return misplaced();
      last = kScan;
      status = ParsePair("scan", field.second, &plan.scan.dim, &plan.scan.keep);
    } else if (field.first == "refine") {
      if (last != kScan && last != kRefine) return misplaced();
      last = kRefine;
      Plan::Stage refine;
      status = ParsePair("refine", field.second, &refine.dim, &refine.keep);
      plan.refine.push_back(refine);
    } else if (stage == "rescore") {
      if (last != kScan && last != kRefine) return misplaced();
      last = kRescore;
      plan.rescore = true;
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("plan stage '", stage, "' is none of coarse=, scan=, refine=, rescore"));
    }
    if (!status.ok()) return status;
  }
  if (last < kScan) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan '", text, "' lacks a coarse= or scan= stage"));
  }
  return plan;
}

std::string FormatPlan(const Plan& plan) {
  std::string text = absl::StrCat("coarse=", plan.coarse.dim, ":", plan.coarse.probes,
                                  ",scan=", plan.scan.dim, ":", plan.scan.keep);
  for (const Plan::Stage& stage : plan.refine)
    absl::StrAppend(&text, ",refine=", stage.dim, ":", stage.keep);
  if (plan.rescore) text += ",rescore";
  return text;
}

absl::Status ValidatePlan(const Plan& plan, const VectorSchema& schema, uint32_t limit) {
  if (absl::Status s = CheckDim("coarse", plan.coarse.dim, schema); !s.ok()) return s;
  if (plan.coarse.probes < 1 || plan.coarse.probes > kMaxProbes) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: probes ", plan.coarse.probes, " is outside 1..", kMaxProbes));
  }
  if (absl::Status s = CheckDim("scan", plan.scan.dim, schema); !s.ok()) return s;
  if (absl::Status s = CheckKeep("scan", plan.scan.keep); !s.ok()) return s;
  if (plan.refine.size() > kMaxNesting) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: ", plan.refine.size(), " refine stages are over ", kMaxNesting));
  }
  Plan::Stage previous = plan.scan;
  for (const Plan::Stage& stage : plan.refine) {
    if (absl::Status s = CheckDim("refine", stage.dim, schema); !s.ok()) return s;
    if (absl::Status s = CheckKeep("refine", stage.keep); !s.ok()) return s;
    if (stage.dim < previous.dim) {
      return absl::InvalidArgumentError(absl::StrCat("plan: refine dim ", stage.dim,
                                                     " is below the ", previous.dim,
                                                     " of the stage before; dims never decrease"));
    }
    if (stage.keep > previous.keep) {
      return absl::InvalidArgumentError(absl::StrCat("plan: refine keep ", stage.keep,
                                                     " is above the ", previous.keep,
                                                     " that leave the stage before"));
    }
    previous = stage;
  }
  if (previous.keep < limit) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan: the last keep ", previous.keep, " is below the limit ", limit));
  }
  return absl::OkStatus();
}

}  // namespace nestor
