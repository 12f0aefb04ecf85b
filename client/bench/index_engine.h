// What engines with an index in this process share: the work of a thread, the clock of a build,
// the facts of an index.
#ifndef NESTOR_CLIENT_BENCH_INDEX_ENGINE_H_
#define NESTOR_CLIENT_BENCH_INDEX_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/engine.h"
#include "index/build.h"
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

struct TimedIndex {
  std::unique_ptr<IvfIndex> index;
  double seconds = 0;
  std::vector<std::pair<std::string, double>> phases;  // seconds of each, in order
};

// With numeric ids. `options` has no progress of its own; `progress` may be null.
absl::StatusOr<TimedIndex> BuildTimed(const VectorSchema& schema, const IndexSpec& spec,
                                      const BuildSource& source, BuildOptions options,
                                      const std::function<void(double fraction)>& progress);

EngineFacts FactsOf(const IvfIndex& index);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_INDEX_ENGINE_H_
