// What the protocol asks of the answers to a set of queries, one value a query and measure, so that
// methods can be compared query by query. Plain values.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_SCORES_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_SCORES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "client/passes/pass.h"

namespace nestor {

// The first four ask for labels, the others for the nearest rows by the encoder's full dims.
enum class Measure : uint8_t {
  kTop1 = 0,        // the first hit has the query's label
  kMap10,           // (1/10) * sum of the precision at i over i <= 10 where hit i has the label
  kP10,             // share of the first 10 hits with the label
  kP40,             // .. of the first 40
  kRecall1At1,      // share of the nearest 1 among the first 1
  kRecall10At10,    // .. of the nearest 10 among the first 10
  kRecall40At2048,  // .. of the nearest 40 among the first 2048
};
inline constexpr size_t kMeasures = 7;

const char* Name(Measure measure);  // "top1", "map10", ..

// The lengths that answers have: of a grid's, and those that Recall40At2048 needs.
inline constexpr uint32_t kShortAnswer = 40;
inline constexpr uint32_t kLongAnswer = 2048;

class Scores {
 public:
  // Empty where the answers were too short for the measure.
  const std::vector<float>& of(Measure measure) const {
    return values_[static_cast<size_t>(measure)];
  }
  std::vector<float>& of(Measure measure) { return values_[static_cast<size_t>(measure)]; }
  bool has(Measure measure) const { return !of(measure).empty(); }
  // Of the half's queries. Requires has().
  double Mean(Measure measure, Half half) const;

 private:
  std::array<std::vector<float>, kMeasures> values_;
};

// `ids`: k of each query, best first, kNoId behind the last hit. `truth`: the nearest
// `truth_depth` rows of each query. A measure is left out where k is too small for it;
// Recall40At2048 asks for min(2048, rows) hits.
struct AnswerTable {
  uint32_t queries = 0;
  uint32_t k = 0;
  std::span<const uint64_t> ids;
  uint64_t rows = 0;  // of the base
  std::span<const uint32_t> truth;
  uint32_t truth_depth = 0;
};
Scores ScoreAnswers(const AnswerTable& answers,
                    const std::function<bool(uint32_t query, uint64_t id)>& same_label);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_SCORES_H_
