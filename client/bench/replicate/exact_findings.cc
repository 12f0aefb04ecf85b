// P1, P10 and P12: brute force, adaptive retrieval, normalisation (findings.h).
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/bench/replicate/find_runs.h"
#include "client/bench/replicate/findings.h"

namespace nestor {
namespace {

constexpr double kHalfPoint = 0.005;
constexpr double kTenthPoint = 0.001;

std::string Prefix(const char* of, uint32_t dim) { return absl::StrCat(of, "[:", dim, "]"); }

}  // namespace

Finding PrefixesAgainstRigid(std::span<const Trial> runs, const Grid& grid) {
  Finding finding{.id = "P1", .about = "brute force: prefixes against rigid encoders (MRL fig. 7)"};
  const std::string widest = RigidName(grid.dim());
  for (const uint32_t dim : grid.nesting) {
    if (dim == grid.dim()) break;
    const Trial* prefix = ExactRun(runs, kNested, dim);
    if (const Trial* rigid = ExactRun(runs, RigidName(dim), dim); rigid != nullptr) {
      finding.AddLabels(absl::StrCat(Prefix("MR", dim), " >= RR-", dim), prefix, rigid,
                        Finding::How::kAtLeast, Half::kAll);
    }
    finding.AddLabels(absl::StrCat(Prefix("MR", dim), " > ", Prefix("RR-D", dim)), prefix,
                      ExactRun(runs, widest, dim), Finding::How::kAbove, Half::kAll);
  }
  finding.AddLabels("MR[:D] >= RR-D - 0.5 pp", ExactRun(runs, kNested, grid.dim()),
                    ExactRun(runs, widest, grid.dim()), Finding::How::kAtLeast, Half::kAll,
                    kHalfPoint);
  // Not the protocol's: the same on raw vectors.
  for (const uint32_t dim : grid.nesting) {
    const Trial* rigid = ExactRun(runs, RigidName(dim), dim, Metric::kL2);
    if (rigid == nullptr) continue;
    finding.AddMeasure(absl::StrCat("by L2 of raw vectors ", Prefix("MR", dim), " >= RR-", dim),
                       ExactRun(runs, kNested, dim, Metric::kL2), rigid, Finding::How::kAtLeast,
                       Measure::kTop1, Half::kAll, 0, /*decides=*/false);
  }
  return finding;
}

Finding AdaptiveRetrieval(std::span<const Trial> runs, const Grid& grid) {
  Finding finding{.id = "P10", .about = "adaptive retrieval and funnels (MRL fig. 8)"};
  const Trial* exact = ExactRun(runs, kNested, grid.dim());
  const Chosen adaptive = OfMethods(runs, {Method::kAdaptive}, kNested);
  const Chosen funnels = OfMethods(runs, {Method::kFunnel}, kNested);
  const Trial* least = nullptr;
  for (const Trial* run : adaptive) {
    if (exact == nullptr) break;
    const Difference difference = Compare(run->scores, exact->scores, Measure::kMap10, Half::kAll);
    const bool holds = AtLeast(difference, kTenthPoint);
    if (holds && least == nullptr) least = run;
    finding.claims.push_back(
        {.text = absl::StrCat("AR ", run->scan_dim, "->D >= exact D - 0.1 pp, map10"),
         .figures = absl::StrCat(Text(difference),
                                 absl::StrFormat(", %.1f x fewer operations",
                                                 exact->multiply_adds / run->multiply_adds)),
         .holds = holds,
         .decides = false});
  }
  if (least == nullptr) {
    finding.Add("some AR is as good as brute force", false, "none is");
    return finding;
  }
  const double saved = exact->multiply_adds / least->multiply_adds;
  const double hoped = 0.9 * grid.dim() / least->scan_dim;
  finding.Add(absl::StrCat("the shortest that is as good, ", least->scan_dim,
                           ", needs 0.9 D / D_s times fewer operations"),
              saved >= hoped, absl::StrFormat("%.1f x of %.1f x", saved, hoped));
  for (const Trial* run : funnels) {
    for (const Trial* beside : adaptive) {
      // A funnel of one stage is adaptive retrieval.
      if (beside->scan_dim != run->scan_dim || beside->rerank == run->rerank) continue;
      const std::string text = absl::StrCat("funnel from ", run->scan_dim);
      finding.AddMeasure(absl::StrCat(text, " >= AR - 0.1 pp"), run, beside, Finding::How::kAtLeast,
                         Measure::kMap10, Half::kAll, kTenthPoint);
      const double scanned = run->rows_scanned * run->scan_dim;
      finding.Add(absl::StrCat(text, " ranks again with fewer operations"),
                  run->multiply_adds < beside->multiply_adds,
                  absl::StrFormat("%.0f against %.0f", run->multiply_adds - scanned,
                                  beside->multiply_adds - scanned));
    }
  }
  return finding;
}

Finding Normalisation(std::span<const Trial> runs, const Grid& grid,
                      std::span<const FlatEquality> equalities) {
  Finding finding{.id = "P12", .about = "renormalised prefixes"};
  for (const uint32_t dim : grid.nesting) {
    if (dim == grid.dim()) break;
    const Trial* on = ExactRun(runs, kNested, dim);
    const Trial* off = ExactRun(runs, kNested, dim, Metric::kDot);
    finding.AddMeasure(absl::StrCat("renormalised >= not, d=", dim), on, off,
                       Finding::How::kAtLeast, Measure::kRecall10At10, Half::kAll);
  }
  bool changed = false;
  for (const uint32_t dim : grid.nesting) {
    const Trial* on = ExactRun(runs, kNested, dim);
    const Trial* off = ExactRun(runs, kNested, dim, Metric::kDot);
    if (on == nullptr || off == nullptr || dim == grid.dim()) continue;
    changed =
        changed || on->scores.of(Measure::kRecall10At10) != off->scores.of(Measure::kRecall10At10);
  }
  finding.Add("ranks change without it", changed, changed ? "they do" : "they do not");
  for (const FlatEquality& equality : equalities) {
    finding.Add(absl::StrCat("equals FAISS on slices of unit length, d=", equality.dim),
                equality.same == equality.queries,
                absl::StrCat(equality.same, " of ", equality.queries, " queries"));
  }
  return finding;
}

}  // namespace nestor
