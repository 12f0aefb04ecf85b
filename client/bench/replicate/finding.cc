#include "client/bench/replicate/finding.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

const char* Verdict(bool holds) { return holds ? "pass" : "FAIL"; }

std::string Verdict(const Claim& claim) {
  if (claim.decides) return Verdict(claim.holds);
  return claim.holds ? "(pass)" : "(fail)";
}

}  // namespace

bool Finding::Holds() const {
  bool decided = false;
  for (const Claim& claim : claims) {
    if (!claim.decides) continue;
    if (!claim.holds) return false;
    decided = true;
  }
  return decided;
}

void Finding::Add(std::string text, bool holds, std::string figures) {
  claims.push_back({.text = std::move(text), .figures = std::move(figures), .holds = holds});
}

void Finding::AddMeasure(const std::string& text, const Trial* a, const Trial* b, How how,
                         Measure measure, Half half, double slack, bool decides) {
  Claim claim{.text = absl::StrCat(text, ", ", Name(measure)), .decides = decides};
  if (a == nullptr || b == nullptr || !a->scores.has(measure) || !b->scores.has(measure)) {
    claim.figures = "not measured";
  } else {
    const Difference difference = Compare(a->scores, b->scores, measure, half);
    claim.holds = how == How::kAbove ? Above(difference) : AtLeast(difference, slack);
    claim.figures = Text(difference);
  }
  claims.push_back(std::move(claim));
}

void Finding::AddLabels(const std::string& text, const Trial* a, const Trial* b, How how, Half half,
                        double slack) {
  AddMeasure(text, a, b, how, Measure::kTop1, half, slack);
  AddMeasure(text, a, b, how, Measure::kMap10, half, slack, /*decides=*/false);
}

std::string Describe(const Trial& run) {
  std::string text = run.encoder;
  if (run.coarse_dim != 0) absl::StrAppend(&text, " d_c=", run.coarse_dim);
  if (run.scan_dim != 0) {
    absl::StrAppend(&text, run.code_bytes != 0 ? " d=" : " d_s=", run.scan_dim);
  }
  if (run.code_bytes != 0) absl::StrAppend(&text, " bytes=", run.code_bytes);
  if (run.lists != 0) absl::StrAppend(&text, " lists=", run.lists, " probes=", run.probes);
  return text;
}

std::string FindingsText(const std::vector<Finding>& findings) {
  std::string text;
  const auto held = std::count_if(findings.begin(), findings.end(),
                                  [](const Finding& finding) { return finding.Holds(); });
  for (const Finding& finding : findings) {
    absl::StrAppend(&text, finding.id, " ", Verdict(finding.Holds()), "  ", finding.about, "\n");
    for (const Claim& claim : finding.claims) {
      absl::StrAppend(&text, "    ", Verdict(claim), "  ", claim.text, ": ", claim.figures, "\n");
    }
  }
  absl::StrAppend(&text, held, " of ", findings.size(), " findings hold\n");
  return text;
}

std::string FindingsMarkdown(const std::vector<Finding>& findings) {
  std::string text =
      "# P1 .. P12 on this data\n\nWritten by `nestor bench replicate`. a against b in percent, "
      "their difference +- two paired standard errors, and the p of a sign test. A claim in "
      "brackets does not decide.\n\n| finding | verdict |\n|---|---|\n";
  for (const Finding& finding : findings) {
    absl::StrAppend(&text, "| ", finding.id, ": ", finding.about, " | ", Verdict(finding.Holds()),
                    " |\n");
  }
  for (const Finding& finding : findings) {
    absl::StrAppend(&text, "\n## ", finding.id, ": ", finding.about, "\n\n| | claim | figures |\n",
                    "|---|---|---|\n");
    for (const Claim& claim : finding.claims) {
      absl::StrAppend(&text, "| ", Verdict(claim), " | ", claim.text, " | ", claim.figures, " |\n");
    }
  }
  return text;
}

}  // namespace nestor
