#include "client/bench/recall.h"

#include <algorithm>
#include <cmath>

#include "client/passes/pass.h"

namespace nestor {

RecallRule::RecallRule(Metric metric, TruthTable truth, ScoreOf score_of)
    : metric_(metric), truth_(std::move(truth)), score_of_(std::move(score_of)) {}

bool RecallRule::AsGoodAs(double score, double border) const {
  const double slack = 1e-6 * std::abs(border);
  return metric_ == Metric::kL2 ? score <= border + slack : score >= border - slack;
}

uint32_t RecallRule::Count(uint32_t query, uint32_t k, std::span<const uint64_t> ids,
                           std::span<const float> scores) const {
  const size_t first = size_t{query} * truth_.depth;
  const std::span<const uint64_t> truth = std::span(truth_.ids).subspan(first, k);
  std::optional<double> border;  // only looked up when needed
  uint32_t count = 0;
  const size_t n = std::min<size_t>(k, ids.size());
  for (size_t i = 0; i < n; ++i) {
    if (ids[i] == kNoId) continue;
    if (std::find(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(i), ids[i]) !=
        ids.begin() + static_cast<ptrdiff_t>(i)) {
      continue;  // a repeated hit is no further hit
    }
    if (std::find(truth.begin(), truth.end(), ids[i]) != truth.end()) {
      ++count;
      continue;
    }
    std::optional<double> score;
    if (score_of_) {
      score = score_of_(query, ids[i]);
      if (!border) border = score_of_(query, truth[k - 1]);
    } else if (i < scores.size() && !truth_.scores.empty()) {
      score = scores[i];
      border = truth_.scores[first + k - 1];
    }
    if (score && border && AsGoodAs(*score, *border)) ++count;
  }
  return std::min(count, k);
}

}  // namespace nestor
