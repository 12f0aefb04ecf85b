// The plans that a sweep may try: the values that each part may take, random plans, and the steps
// from one plan to the next. Pure values and functions.
#ifndef NESTOR_CLIENT_BENCH_PLAN_SPACE_H_
#define NESTOR_CLIENT_BENCH_PLAN_SPACE_H_

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "index/plan.h"

namespace nestor {

// Where a plan's candidates come from; kCodes: from lists that are scanned by a code.
enum class Source : uint8_t { kLists, kCodes, kGraph };
absl::string_view Name(Source source);  // "lists", "codes", "graph"
Source SourceOf(const Plan& plan);
// Of a plan's text, "batch=N " before it or not; nothing for what is no plan ("exact", a baseline's
// setting).
std::optional<Source> SourceOfText(absl::string_view plan);

// Ascending values.
struct PlanSpace {
  uint32_t dim = 0;  // where the last shell ends: D, or less where the rest is not in memory
  std::vector<Source> sources;
  std::vector<uint32_t> coarse_dims;
  std::vector<uint32_t> probes;
  std::vector<uint32_t> scan_dims;
  std::vector<uint32_t> refine_dims;
  std::vector<uint32_t> keeps;
  std::vector<OpqSpec> codes;
  std::vector<uint32_t> code_keeps;  // of scans by them
  uint32_t graph_dim = 0;
  std::vector<uint32_t> efs;
  std::vector<float> margins;  // the last, infinity, stands for no adaptive stop
  // Of token matrices: dims of the tokens, the last is all of them, and what leaves a MaxSim stage
  // on them. Empty: of vectors.
  std::vector<uint32_t> token_dims;
  std::vector<uint32_t> token_keeps;
};

// What an index can run.
struct PlanSources {
  uint32_t lists = 0;          // 0 = none
  std::vector<OpqSpec> codes;  // beside lists
  uint32_t graph_dim = 0;      // 0 = no graph
  // Of token matrices: the nesting of the tokens.
  std::vector<uint32_t> token_dims;
};

// `shells`: bounds of those in memory. Lists: nesting dims from 32 on; scans up to and including
// the second shell; probes up to the number of lists; keeps from k to 40 k. Codes: the same, but
// that scans by them, whose order is rougher, keep up to 160 k. Graph: pools from k to 100 k, keeps
// to 4 k. Token matrices: the stages on FDEs, a graph's too, keep up to 40 k, MaxSim on all of a
// token's dims, which ends each plan but for rescore, up to 4 k; at most one stage on fewer dims is
// before it.
PlanSpace PlanSpaceOf(const std::vector<uint32_t>& nesting, const std::vector<uint32_t>& shells,
                      const PlanSources& sources, uint32_t k);

Plan RandomPlan(const PlanSpace& space, Source source, std::mt19937_64& random);

// The most thorough plan of the space.
Plan DearestPlan(const PlanSpace& space, Source source);

// Plans that differ from `plan` in one step of one part. All are valid.
std::vector<Plan> Neighbours(const PlanSpace& space, const Plan& plan);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_PLAN_SPACE_H_
