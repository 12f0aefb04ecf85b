// The stages of one query (semantics 10) and their text form,
//   coarse=64:32,scan=128:100,refine=256:30,rescore
//   coarse=64:32,scan=opq256x32b4:200,refine=768:30,rescore
//   graph=384:200:0.18,refine=768:15,rescore
//   coarse=640:32,scan=1280:200,refine=10240:60,maxsim=128:20,rescore
// `keep` is the number of candidates that leave a stage. Plain values, no locking.
#ifndef NESTOR_INDEX_PLAN_H_
#define NESTOR_INDEX_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/schema.h"

namespace nestor {

inline constexpr uint32_t kMaxProbes = 65536;
inline constexpr uint32_t kMaxKeep = 1000000;
inline constexpr uint32_t kMaxLimit = 10000;

struct Plan {
  struct Coarse {
    uint32_t dim = 0;
    uint32_t probes = 0;
    bool operator==(const Coarse&) const = default;
  };
  // Scan and refine: candidates are scored on the first `dim` coordinates and `keep` of them go on.
  struct Stage {
    uint32_t dim = 0;
    uint32_t keep = 0;
    bool operator==(const Stage&) const = default;
  };
  // Candidates from the graph: the best `ef` nodes by its prefix. A margin > 0 ends the search once
  // the next node is farther than the limit-th best (the 10th at least) by this factor of its
  // squared distance.
  struct GraphStage {
    uint32_t dim = 0;  // the graph's
    uint32_t ef = 0;
    float margin = 0;
    bool operator==(const GraphStage&) const = default;
  };
  Coarse coarse;
  Stage scan;
  // Rows are scanned by this code in place of their first coordinates; scan.dim is its dim. The
  // next stage starts from nothing: its dim may be any of the nesting.
  std::optional<OpqSpec> code;
  std::optional<GraphStage> graph;  // in place of coarse and scan, which are not used then
  absl::InlinedVector<Stage, 4> refine;
  // Of token matrices (multi/): MaxSim on the first `dim` dims of the tokens' int8 codes.
  absl::InlinedVector<Stage, 2> maxsim;
  bool rescore = false;  // by the vectors or tokens as stored

  bool operator==(const Plan&) const = default;
};

absl::StatusOr<Plan> ParsePlan(absl::string_view text);
std::string FormatPlan(const Plan& plan);

// InvalidArgument with the value and the limit: dims outside the nesting, scan or refine dims that
// decrease (but behind a code), a code that cannot be, probes 0 or over 65,536, keeps of 0 or that
// grow, last keep < limit, ef 0 or over 10,000, a margin that is negative or no number. `tokens`:
// those of the collection's points; without, maxsim stages are refused.
absl::Status ValidatePlan(const Plan& plan, const VectorSchema& schema, uint32_t limit,
                          const VectorSchema* tokens = nullptr);

// How many lists, and how many of their rows by the first shell, hold the given fraction of the 10
// nearest neighbours of rows: measured at a build (reach.h). Zeros: not measured.
struct Reach {
  static constexpr size_t kLevels = 5;
  static constexpr double kFractions[kLevels] = {0.90, 0.95, 0.97, 0.98, 0.99};
  uint32_t probes[kLevels] = {};
  uint32_t keep[kLevels] = {};
};

// What leaves the last stage before maxsim and rescore.
uint32_t LastKeep(const Plan& plan);

// What the planner knows of an index.
struct IndexShape {
  uint64_t rows = 0;             // visible rows
  uint32_t lists = 1;            // 1 = not built, or too small to train
  uint32_t coarse_dim = 0;       // trained prefix
  std::vector<uint32_t> shells;  // the last one ends where memory does, at D but for tiers
  Reach reach;
  std::optional<GraphSpec> graph;  // as built
  bool has_lists = true;
};

// The plan of a search that names none: meant to reach recall@limit >= 0.95. Pure function.
Plan DefaultPlan(const VectorSchema& schema, const IndexShape& shape, uint32_t limit);

}  // namespace nestor

#endif  // NESTOR_INDEX_PLAN_H_
