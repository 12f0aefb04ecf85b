#include "client/bench/measure.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

// The p-th part of the values, 0..1; they are reordered.
double Quantile(std::vector<float>& values, double p) {
  if (values.empty()) return 0;
  const auto at =
      values.begin() + static_cast<ptrdiff_t>(p * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

void Grade(const Dataset& set, const Pass& pass, Measurement* result) {
  const std::vector<uint32_t> queries = QueriesOf(result->half, set.queries());
  uint64_t found = 0, same_label = 0;
  for (size_t i = 0; i < queries.size(); ++i) {
    const std::span<const uint64_t> ids = std::span(pass.ids).subspan(i * pass.k, pass.k);
    std::span<const float> scores;
    if (!pass.scores.empty()) scores = std::span(pass.scores).subspan(i * pass.k, pass.k);
    found += set.recall().Count(queries[i], pass.k, ids, scores);
    same_label += set.has_labels() && set.SameLabel(queries[i], ids[0]);
  }
  const double n = static_cast<double>(queries.size());
  result->queries = static_cast<uint32_t>(queries.size());
  result->recall = static_cast<double>(found) / (n * pass.k);
  if (set.has_labels()) result->accuracy_1nn = static_cast<double>(same_label) / n;
}

template <typename Field>
std::optional<double> SumOf(const std::vector<StageMean>& stages, Field field) {
  if (stages.empty()) return std::nullopt;
  double sum = 0;
  for (const StageMean& stage : stages) sum += stage.*field;
  return sum;
}

}  // namespace

std::optional<double> Measurement::BytesPerQuery() const {
  return SumOf(stages, &StageMean::bytes);
}

std::optional<double> Measurement::MultiplyAdds() const {
  return SumOf(stages, &StageMean::multiply_adds);
}

std::optional<double> Measurement::StoreReads() const {
  return SumOf(stages, &StageMean::store_reads);
}

double SteadyQps(std::vector<float> micros, int threads) {
  const size_t kept = micros.size() - micros.size() / 50;
  std::nth_element(micros.begin(), micros.begin() + static_cast<ptrdiff_t>(kept - 1), micros.end());
  const double sum =
      std::accumulate(micros.begin(), micros.begin() + static_cast<ptrdiff_t>(kept), 0.0);
  return threads * 1e6 * static_cast<double>(kept) / sum;
}

absl::StatusOr<std::vector<Measurement>> MeasureAlternating(
    const Dataset& set, const std::vector<Candidate>& candidates, const PassOptions& options,
    int passes) {
  std::vector<Measurement> results(candidates.size());
  std::vector<std::vector<double>> qps(candidates.size());
  std::vector<std::vector<float>> micros(candidates.size());
  for (int round = 0; round < passes; ++round) {
    for (size_t c = 0; c < candidates.size(); ++c) {
      const Candidate& candidate = candidates[c];
      absl::StatusOr<EnginePass> run = candidate.engine->Run(candidate.setting, options);
      if (!run.ok()) {
        return absl::Status(run.status().code(),
                            absl::StrCat(candidate.engine->facts().name, " ", candidate.setting,
                                         ": ", run.status().message()));
      }
      qps[c].push_back(run->pass.qps());
      micros[c].insert(micros[c].end(), run->pass.micros.begin(), run->pass.micros.end());
      if (round + 1 < passes) continue;
      Measurement& result = results[c];
      result = {.engine = candidate.engine->facts().name,
                .setting = candidate.setting,
                .plan = run->plan,
                .source = SourceOfText(run->plan),
                .half = options.half,
                .passes = passes,
                .k = options.k,
                .threads = options.threads,
                .qps = Median(qps[c]),
                .steady_qps = SteadyQps(micros[c], options.threads),
                .p50_us = Quantile(micros[c], 0.5),
                .p99_us = Quantile(micros[c], 0.99),
                .stages = std::move(run->stages)};
      Grade(set, run->pass, &result);
    }
  }
  return results;
}

}  // namespace nestor
