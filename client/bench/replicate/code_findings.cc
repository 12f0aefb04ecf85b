// P6, P7, P8 and P9: codes (findings.h).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/bench/replicate/find_runs.h"
#include "client/bench/replicate/findings.h"

namespace nestor {
namespace {

// Of all dims of an encoder, by so many bytes a row.
const Trial* FullCode(std::span<const Trial> runs, Method method, const std::string& encoder,
                      uint32_t bytes) {
  return First(WithBytes(OfMethods(runs, {method}, encoder), bytes));
}

// AdANNS-OPQ of so many bytes: whichever dims do best on the even queries.
const Trial* BestCode(std::span<const Trial> runs, uint32_t bytes) {
  return Best(WithBytes(OfMethods(runs, {Method::kOpq, Method::kAdannsOpq}, kNested), bytes),
              Measure::kTop1, MultiplyAdds);
}

}  // namespace

Finding CodesByBytes(std::span<const Trial> runs, const Grid& grid) {
  Finding finding{.id = "P6", .about = "OPQ at equal bytes (AdANNS fig. 3)"};
  const std::string widest = RigidName(grid.dim());
  bool halved = false;
  std::vector<std::string> halves, advantages;
  std::vector<double> gains;
  for (const uint32_t bytes : grid.bytes) {
    const Trial* adanns = BestCode(runs, bytes);
    const Trial* full = FullCode(runs, Method::kOpq, kNested, bytes);
    const std::string at = absl::StrCat(bytes, " bytes: ");
    finding.AddLabels(at + "AdANNS-OPQ >= OPQ-MR-D", adanns, full, Finding::How::kAtLeast,
                      Half::kOdd);
    if (bytes == grid.bytes.front()) {
      finding.AddLabels(at + "AdANNS-OPQ > OPQ-MR-D", adanns, full, Finding::How::kAbove,
                        Half::kOdd);
    }
    if (adanns != nullptr && full != nullptr) {
      gains.push_back(Compare(adanns->scores, full->scores, Measure::kTop1, Half::kOdd).mean);
      advantages.push_back(
          absl::StrFormat("%d: %+.2f (d=%d)", bytes, 100 * gains.back(), adanns->scan_dim));
    }
    const Trial* rigid = FullCode(runs, Method::kOpq, widest, 2 * bytes);
    if (adanns == nullptr || rigid == nullptr) continue;
    const Difference difference =
        Compare(adanns->scores, rigid->scores, Measure::kTop1, Half::kOdd);
    halved = halved || AtLeast(difference);
    halves.push_back(absl::StrCat(bytes, ": ", Text(difference)));
  }
  finding.Add("AdANNS-OPQ(m) >= OPQ-RR-D(2m) for some m, top1", halved,
              absl::StrJoin(halves, "; "));
  finding.Add("what AdANNS-OPQ gains shrinks as bytes grow",
              gains.size() > 1 && gains.back() < gains.front(), absl::StrJoin(advantages, "; "));
  for (const uint32_t bytes : grid.bytes) {
    const Trial* rigid =
        First(WithBytes(OfMethods(runs, {Method::kOpq}, RigidName(4 * bytes)), bytes));
    if (rigid == nullptr) continue;
    finding.AddMeasure(absl::StrCat(bytes, " bytes: AdANNS-OPQ >= OPQ of RR-", 4 * bytes),
                       BestCode(runs, bytes), rigid, Finding::How::kAtLeast, Measure::kTop1,
                       Half::kOdd, 0, /*decides=*/false);
  }
  return finding;
}

Finding CodesByDim(std::span<const Trial> runs, const Grid& grid) {
  Finding finding{.id = "P7", .about = "OPQ of equal bytes by the dims coded (AdANNS fig. 12)"};
  uint32_t last = 0;
  bool rising = true;
  std::vector<std::string> peaks;
  for (const uint32_t bytes : grid.bytes) {
    const Chosen codes =
        WithBytes(OfMethods(runs, {Method::kOpq, Method::kAdannsOpq}, kNested), bytes);
    // Nothing is chosen to be compared: the curve is looked at as a whole, on all queries.
    const Trial* best = nullptr;
    std::vector<std::string> curve;
    for (const Trial* run : codes) {
      const double top1 = run->scores.Mean(Measure::kTop1, Half::kAll);
      curve.push_back(absl::StrFormat("%d: %.1f", run->scan_dim, 100 * top1));
      if (best == nullptr || top1 > best->scores.Mean(Measure::kTop1, Half::kAll)) best = run;
    }
    if (best == nullptr) continue;
    const std::string at = absl::StrCat(bytes, " bytes: ");
    finding.Add(at + "the best d lies inside (m, D)",
                best->scan_dim > bytes && best->scan_dim < grid.dim(),
                absl::StrCat("d=", best->scan_dim, " of ", absl::StrJoin(curve, ", ")));
    const double ratio = static_cast<double>(best->scan_dim) / bytes;
    finding.Add(at + "its d / m is 2 to 8", ratio >= 2 && ratio <= 8,
                absl::StrFormat("%.1f", ratio));
    finding.AddLabels(at + "it is above D", best, codes.back(), Finding::How::kAbove, Half::kAll);
    for (size_t i = finding.claims.size() - 2; i < finding.claims.size(); ++i) {
      finding.claims[i].decides = false;  // the peak was chosen on these very queries
    }
    rising = rising && best->scan_dim >= last;
    last = best->scan_dim;
    peaks.push_back(absl::StrCat(bytes, ": ", best->scan_dim));
  }
  finding.Add("the peak moves right as bytes grow", rising, absl::StrJoin(peaks, ", "));
  return finding;
}

Finding CodesInLists(std::span<const Trial> runs, const Grid& grid) {
  Finding finding{.id = "P8", .about = "OPQ inside lists (AdANNS fig. 4)"};
  const Chosen adanns = OfMethods(runs, {Method::kAdannsIvfOpq}, kNested);
  const Chosen rigid = OfMethods(runs, {Method::kIvfOpq}, RigidName(grid.dim()));
  for (const uint32_t bytes : grid.bytes) {
    const Trial* ours = Best(WithBytes(adanns, bytes), Measure::kTop1, MultiplyAdds);
    for (const uint32_t more : {1u, 4u}) {
      const Trial* theirs = Best(WithBytes(rigid, more * bytes), Measure::kTop1, MultiplyAdds);
      if (theirs == nullptr) continue;
      const bool decides = more == 4 && bytes == grid.bytes.front();
      const std::string text =
          absl::StrCat("AdANNS-IVFOPQ(", bytes, ") >= rigid IVFOPQ(", more * bytes, ")");
      finding.AddMeasure(text, ours, theirs, Finding::How::kAtLeast, Measure::kTop1, Half::kOdd, 0,
                         decides);
      finding.AddMeasure(text, ours, theirs, Finding::How::kAtLeast, Measure::kMap10, Half::kOdd, 0,
                         /*decides=*/false);
    }
    if (ours == nullptr) continue;
    finding.claims.push_back({.text = absl::StrCat(bytes, " bytes: chosen"),
                              .figures = Describe(*ours),
                              .holds = true,
                              .decides = false});
  }
  return finding;
}

Finding GraphsOverCodes(std::span<const Trial> runs, const Grid& grid) {
  Finding finding{.id = "P9", .about = "a graph over codes and a rerank (AdANNS table 1)"};
  const std::string widest = RigidName(grid.dim());
  for (const uint32_t bytes : grid.bytes) {
    const Trial* nested = First(WithBytes(OfMethods(runs, {Method::kGraphOpq}, kNested), bytes));
    const Trial* rigid = First(WithBytes(OfMethods(runs, {Method::kGraphOpq}, widest), 2 * bytes));
    if (nested == nullptr || rigid == nullptr) continue;
    for (const Measure measure : {Measure::kTop1, Measure::kMap10, Measure::kP40}) {
      finding.AddMeasure(absl::StrCat("MR[:", nested->scan_dim, "], ", bytes, " bytes >= RR-D, ",
                                      2 * bytes, " bytes"),
                         nested, rigid, Finding::How::kAtLeast, measure, Half::kAll);
    }
  }
  return finding;
}

}  // namespace nestor
