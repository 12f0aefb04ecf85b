#include "client/bench/grader.h"

#include <algorithm>
#include <span>

namespace nestor {

void Grader::SetLabels(std::vector<uint64_t> rows, std::vector<uint64_t> queries) {
  row_labels_ = std::move(rows);
  query_labels_ = std::move(queries);
}

Grades Grader::Grade(Half half, const Pass& pass) const {
  const std::vector<uint32_t> queries = QueriesOf(half, this->queries());
  uint64_t found = 0, same_label = 0;
  double reciprocal_ranks = 0;
  for (size_t i = 0; i < queries.size(); ++i) {
    const std::span<const uint64_t> ids = std::span(pass.ids).subspan(i * pass.k, pass.k);
    std::span<const float> scores;
    if (!pass.scores.empty()) scores = std::span(pass.scores).subspan(i * pass.k, pass.k);
    found += recall_.Count(queries[i], pass.k, ids, scores);
    same_label += SameLabel(queries[i], ids[0]);
    if (positives_.empty()) continue;
    const auto at = std::find(ids.begin(), ids.end(), positives_[queries[i]]);
    if (at != ids.end()) reciprocal_ranks += 1 / static_cast<double>(at - ids.begin() + 1);
  }
  const double n = static_cast<double>(queries.size());
  Grades grades{.queries = static_cast<uint32_t>(queries.size()),
                .recall = static_cast<double>(found) / (n * pass.k)};
  if (!query_labels_.empty()) grades.accuracy_1nn = static_cast<double>(same_label) / n;
  if (!positives_.empty()) grades.mrr = reciprocal_ranks / n;
  return grades;
}

}  // namespace nestor
