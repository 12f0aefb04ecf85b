// Recall@k of a query (semantics 14): a hit counts if its id is among the truth's first k or its
// exact score equals or beats the truth's k-th within 1e-6 relative; never more than k. Immutable.
#ifndef NESTOR_CLIENT_BENCH_RECALL_H_
#define NESTOR_CLIENT_BENCH_RECALL_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "index/schema.h"

namespace nestor {

struct TruthTable {
  uint32_t depth = 0;         // k of each query at most
  std::vector<uint64_t> ids;  // queries x depth, best first
  std::vector<float> scores;  // beside them, or empty
};

class RecallRule {
 public:
  // The exact score of a query and a point, where it can be known.
  using ScoreOf = std::function<std::optional<double>(uint32_t query, uint64_t id)>;

  // `score_of` may be null; then scores come from the truth's table and from the engine's hits.
  RecallRule(Metric metric, TruthTable truth, ScoreOf score_of);

  uint32_t depth() const { return truth_.depth; }
  uint64_t queries() const { return truth_.ids.size() / truth_.depth; }

  // Hits that count among the first k of `ids` (kNoId is none), 0..k. `scores`: the engine's exact
  // ones, or empty. k <= depth.
  uint32_t Count(uint32_t query, uint32_t k, std::span<const uint64_t> ids,
                 std::span<const float> scores) const;

 private:
  bool AsGoodAs(double score, double border) const;

  const Metric metric_;
  const TruthTable truth_;
  const ScoreOf score_of_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_RECALL_H_
