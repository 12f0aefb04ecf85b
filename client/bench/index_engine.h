// What engines with an index in this process share: the work of a thread, the clock of a build,
// the facts of an index.
#ifndef NESTOR_CLIENT_BENCH_INDEX_ENGINE_H_
#define NESTOR_CLIENT_BENCH_INDEX_ENGINE_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/bench/engine.h"
#include "index/ivf_index.h"

namespace nestor {

// What a thread of a pass needs for itself, on cache lines of its own.
struct alignas(64) SearchWorker {
  SearchScratch scratch;
  SearchResult result;
  std::vector<StageCost> sums;

  void Sum(const SearchResult& result);
};

// The stages of all workers, per query that was answered.
std::vector<StageMean> StageMeans(const std::vector<SearchWorker>& workers, uint64_t answered);

// Seconds that each phase of a build took.
class PhaseClock {
 public:
  void Enter(absl::string_view phase);
  std::vector<std::pair<std::string, double>> Stop();

 private:
  std::vector<std::pair<std::string, double>> phases_;
  std::chrono::steady_clock::time_point begin_;
};

EngineFacts FactsOf(const IvfIndex& index);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_INDEX_ENGINE_H_
