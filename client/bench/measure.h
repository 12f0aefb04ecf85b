// Passes turned into figures: recall, QPS, latencies, cost.
#ifndef NESTOR_CLIENT_BENCH_MEASURE_H_
#define NESTOR_CLIENT_BENCH_MEASURE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/engine.h"
#include "client/bench/grader.h"
#include "client/bench/plan_space.h"

namespace nestor {

// One setting of one engine, measured.
struct Measurement {
  std::string engine;
  std::string setting;           // what was asked for
  std::string plan;              // what ran
  std::optional<Source> source;  // of the candidates, where a plan ran
  Half half = Half::kAll;
  uint32_t queries = 0;  // of that half
  int passes = 0;
  uint32_t k = 0;
  int threads = 1;
  double recall = 0;
  std::optional<double> accuracy_1nn, mrr;  // as Grades has them
  double qps = 0;                           // median of the passes
  // The same without the slowest 2 % of the runs: what a sweep ranks its single passes by, as one
  // interruption of the machine would spoil the mean of a short pass. No more than that: what
  // adapts to the query is slow for some of them.
  double steady_qps = 0;
  double p50_us = 0, p99_us = 0;  // over the runs of all passes
  std::vector<StageMean> stages;  // empty where the engine does not count

  std::optional<double> BytesPerQuery() const;
  std::optional<double> MultiplyAdds() const;
  std::optional<double> StoreReads() const;
  double MicrosPerQuery() const { return threads * 1e6 / qps; }  // of one thread
};

struct Candidate {
  Engine* engine = nullptr;
  std::string setting;
};

// QPS of `threads` threads by the mean latency of all runs but the slowest 2 %.
double SteadyQps(std::vector<float> micros, int threads);

// `passes` rounds, each with one pass of every candidate in turn, so that whatever slows the
// machine for a while meets all engines alike. In the order of the candidates.
absl::StatusOr<std::vector<Measurement>> MeasureAlternating(
    const Grader& grader, const std::vector<Candidate>& candidates, const PassOptions& options,
    int passes);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_MEASURE_H_
