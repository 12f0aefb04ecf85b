// How good the answers to a set's queries are. Immutable once filled.
#ifndef NESTOR_CLIENT_BENCH_GRADER_H_
#define NESTOR_CLIENT_BENCH_GRADER_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "client/bench/recall.h"
#include "client/passes/pass.h"

namespace nestor {

// Means over the queries of a half.
struct Grades {
  uint32_t queries = 0;  // of that half
  double recall = 0;
  std::optional<double> accuracy_1nn;  // where the set has labels
  std::optional<double> mrr;           // where it has positives: mean reciprocal rank
};

class Grader {
 public:
  explicit Grader(RecallRule recall) : recall_(std::move(recall)) {}

  // One of each row and one of each query: a first hit of the same label is right.
  void SetLabels(std::vector<uint64_t> rows, std::vector<uint64_t> queries);
  // Of each query the row that answers it.
  void SetPositives(std::vector<uint64_t> positives) { positives_ = std::move(positives); }

  const RecallRule& recall() const { return recall_; }
  uint32_t queries() const { return static_cast<uint32_t>(recall_.queries()); }
  Grades Grade(Half half, const Pass& pass) const;
  // False for kNoId.
  bool SameLabel(uint32_t query, uint64_t id) const {
    return id < row_labels_.size() && row_labels_[id] == query_labels_[query];
  }

 private:
  const RecallRule recall_;
  std::vector<uint64_t> row_labels_, query_labels_;
  std::vector<uint64_t> positives_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_GRADER_H_
