// What `nestor bench` prints: tables for people, one JSON object a line for programs. Pure
// functions.
#ifndef NESTOR_CLIENT_CLI_BENCH_REPORT_H_
#define NESTOR_CLIENT_CLI_BENCH_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/bench/compare.h"
#include "client/bench/engine.h"
#include "client/bench/time_model.h"
#include "client/cli/json.h"
#include "index/schema.h"

namespace nestor {

// What is known of an index in this process: bounds can be computed for it.
struct LocalFigures {
  std::vector<MemoryLevel> levels;
  StreamedBytes streamed;
};

struct BenchReport {
  std::string set;    // its name
  uint64_t rows = 0;  // 0 = not known
  uint32_t dim = 0;   // of the vectors, or of the FDEs of token matrices
  uint32_t queries = 0;
  Metric metric = Metric::kL2;
  uint32_t k = 0;
  int threads = 1;
  std::vector<EngineFacts> engines;  // Nestor first
  Comparison comparison;
  std::optional<LocalFigures> local;
};

std::string BenchText(const BenchReport& report);

// All sets in one table in Markdown, as README shows it: a line per set and recall.
std::string BenchSummary(const std::vector<BenchReport>& reports);

// Whether the time model says how long it may take: of plans that scan lists by their shells.
bool HasBound(const Measurement& m);

// "AMD EPYC 9B14, 2 CPUs, avx512": where the figures were measured.
std::string MachineText();

// {"set", "engine", "source", "plan", "k", "recall", "qps", "p50_us", "p99_us", "bytes_per_query",
// "multiply_adds", "store_reads", "index_bytes", "build_s", "threads", ..}; what an engine does not
// count is null, and so is the source ("lists", "codes", "graph") of what is no plan of Nestor's.
// First what was chosen for each recall ("target") and the default plan ("default"), then plans
// that were given, then the frontier of the sweep ("frontier").
std::vector<Json> BenchJson(const BenchReport& report);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_BENCH_REPORT_H_
