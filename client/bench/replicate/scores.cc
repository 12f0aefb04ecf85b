#include "client/bench/replicate/scores.h"

#include <algorithm>

namespace nestor {
namespace {

// Of the nearest `k` rows, the share that is among the first hits.
float Recall(std::span<const uint32_t> nearest, std::span<const uint64_t> hits) {
  size_t found = 0;
  for (const uint32_t row : nearest) {
    found += static_cast<size_t>(std::find(hits.begin(), hits.end(), row) != hits.end());
  }
  return static_cast<float>(found) / static_cast<float>(nearest.size());
}

}  // namespace

const char* Name(Measure measure) {
  constexpr const char* kNames[kMeasures] = {"top1",    "map10",     "p10",        "p40",
                                             "r1_at_1", "r10_at_10", "r40_at_2048"};
  return kNames[static_cast<size_t>(measure)];
}

double Scores::Mean(Measure measure, Half half) const {
  const std::vector<float>& values = of(measure);
  const std::vector<uint32_t> queries = QueriesOf(half, static_cast<uint32_t>(values.size()));
  double sum = 0;
  for (const uint32_t q : queries) sum += values[q];
  return sum / static_cast<double>(queries.size());
}

Scores ScoreAnswers(const AnswerTable& answers,
                    const std::function<bool(uint32_t query, uint64_t id)>& same_label) {
  Scores scores;
  const uint64_t deepest = std::min<uint64_t>(kLongAnswer, answers.rows);
  std::vector<bool> same;
  for (uint32_t q = 0; q < answers.queries; ++q) {
    const std::span<const uint64_t> hits = answers.ids.subspan(size_t{q} * answers.k, answers.k);
    const std::span<const uint32_t> nearest =
        answers.truth.subspan(size_t{q} * answers.truth_depth, answers.truth_depth);
    same.assign(kShortAnswer, false);
    for (size_t i = 0; i < std::min<size_t>(answers.k, kShortAnswer); ++i) {
      same[i] = hits[i] != kNoId && same_label(q, hits[i]);
    }
    if (answers.k >= 1) {
      scores.of(Measure::kTop1).push_back(same[0] ? 1.0f : 0.0f);
      if (nearest.size() >= 1) {
        scores.of(Measure::kRecall1At1).push_back(Recall(nearest.first(1), hits.first(1)));
      }
    }
    if (answers.k >= 10) {
      double precisions = 0;
      int matches = 0;
      for (size_t i = 0; i < 10; ++i) {
        if (!same[i]) continue;
        ++matches;
        precisions += matches / static_cast<double>(i + 1);
      }
      scores.of(Measure::kMap10).push_back(static_cast<float>(precisions / 10));
      scores.of(Measure::kP10).push_back(static_cast<float>(matches) / 10);
      if (nearest.size() >= 10) {
        scores.of(Measure::kRecall10At10).push_back(Recall(nearest.first(10), hits.first(10)));
      }
    }
    if (answers.k >= 40) {
      const auto matches = std::count(same.begin(), same.end(), true);
      scores.of(Measure::kP40).push_back(static_cast<float>(matches) / 40);
    }
    if (answers.k >= deepest && nearest.size() >= 40) {
      scores.of(Measure::kRecall40At2048)
          .push_back(Recall(nearest.first(40), hits.first(static_cast<size_t>(deepest))));
    }
  }
  return scores;
}

}  // namespace nestor
