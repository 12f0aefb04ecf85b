// A finding of the paper, P1 .. P12 of the protocol, and what this data says of it.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_FINDING_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_FINDING_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/bench/replicate/paired.h"
#include "client/bench/replicate/trial.h"

namespace nestor {

struct Claim {
  std::string text;
  std::string figures;
  bool holds = false;
  bool decides = true;  // false: beside the protocol's claims, for the reader
};

struct Finding {
  std::string id;     // "P1"
  std::string about;  // what of the paper it repeats
  std::vector<Claim> claims;

  // Whether every claim that decides holds, and there is one.
  bool Holds() const;

  void Add(std::string text, bool holds, std::string figures);
  // a >= b - slack (at least two paired standard errors) or, `above`, a > b by more than those. By
  // top-1, which decides, with mAP@10 as a claim beside it. Nothing is added where a run is
  // missing: then `what` says so as a claim that fails.
  enum class How : uint8_t { kAtLeast, kAbove };
  void AddLabels(const std::string& text, const Trial* a, const Trial* b, How how, Half half,
                 double slack = 0);
  // By one measure only.
  void AddMeasure(const std::string& text, const Trial* a, const Trial* b, How how, Measure measure,
                  Half half, double slack = 0, bool decides = true);
};

// The settings of a run in a few words: "mrl d_c=32 d_s=128 lists=256 probes=2".
std::string Describe(const Trial& run);

// A line a claim, headed by the findings' verdicts: for terminals and, as Markdown, for a page.
std::string FindingsText(const std::vector<Finding>& findings);
std::string FindingsMarkdown(const std::vector<Finding>& findings);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_FINDING_H_
