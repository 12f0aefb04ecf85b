// A pass: all queries of one half answered once (short sets: several times), on T threads, timed.
// Every engine that `nestor bench` compares is run by this code, here or in nestor-baselines.
#ifndef NESTOR_CLIENT_PASSES_PASS_H_
#define NESTOR_CLIENT_PASSES_PASS_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nestor {

// Settings are chosen on the even queries and reported on the odd ones (semantics 25).
enum class Half : uint8_t { kEven, kOdd, kAll };

absl::string_view Name(Half half);  // "even", "odd", "all"
absl::StatusOr<Half> ParseHalf(absl::string_view name);

// Numbers of the queries of a half, ascending.
std::vector<uint32_t> QueriesOf(Half half, uint32_t queries);

inline constexpr uint64_t kNoId = ~uint64_t{0};

struct PassOptions {
  Half half = Half::kAll;
  uint32_t k = 10;
  int threads = 1;
  // A half with fewer queries is answered over and over until there are this many runs, or the
  // clock's and the threads' start would be what is measured.
  uint32_t min_runs = 1;
};

struct Pass {
  uint32_t k = 0;
  uint32_t queries = 0;       // of the half
  std::vector<uint64_t> ids;  // queries x k, best first, kNoId behind the last hit
  std::vector<float> scores;  // likewise, where the engine has them
  std::vector<float> micros;  // latency of each run, one query or one batch
  uint64_t answered = 0;      // queries in all runs
  double wall_s = 0;          // of all runs on all threads
  double qps() const { return static_cast<double>(answered) / wall_s; }
};

// Answers one query on thread 0..threads - 1: fills `ids` and, unless empty, `scores`, whose
// entries are kNoId and 0 before.
using Answer = std::function<absl::Status(int thread, uint32_t query, std::span<uint64_t> ids,
                                          std::span<float> scores)>;

// Answers a batch of queries on one thread: fills `ids`, k of each query.
using AnswerBatch = std::function<absl::Status(int thread, std::span<const uint32_t> queries,
                                               std::span<uint64_t> ids)>;

// `queries` of the whole set; `with_scores`: whether the answer gives scores. The first failure
// ends the pass.
absl::StatusOr<Pass> RunPass(const PassOptions& options, uint32_t queries, bool with_scores,
                             const Answer& answer);

// The same, `batch` queries at a time: a run is one batch.
absl::StatusOr<Pass> RunBatches(const PassOptions& options, uint32_t queries, uint32_t batch,
                                const AnswerBatch& answer);

}  // namespace nestor

#endif  // NESTOR_CLIENT_PASSES_PASS_H_
