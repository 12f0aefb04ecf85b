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
    const Grader& grader, const std::vector<Candidate>& candidates, const PassOptions& options,
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
      const Grades grades = grader.Grade(options.half, run->pass);
      results[c] = {.engine = candidate.engine->facts().name,
                    .setting = candidate.setting,
                    .plan = run->plan,
                    .source = SourceOfText(run->plan),
                    .half = options.half,
                    .queries = grades.queries,
                    .passes = passes,
                    .k = options.k,
                    .threads = options.threads,
                    .recall = grades.recall,
                    .accuracy_1nn = grades.accuracy_1nn,
                    .mrr = grades.mrr,
                    .qps = Median(qps[c]),
                    .steady_qps = SteadyQps(micros[c], options.threads),
                    .p50_us = Quantile(micros[c], 0.5),
                    .p99_us = Quantile(micros[c], 0.99),
                    .stages = std::move(run->stages)};
    }
  }
  return results;
}

}  // namespace nestor
