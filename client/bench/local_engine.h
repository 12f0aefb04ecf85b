// Nestor's index in this process, without server or store.
#ifndef NESTOR_CLIENT_BENCH_LOCAL_ENGINE_H_
#define NESTOR_CLIENT_BENCH_LOCAL_ENGINE_H_

#include <functional>
#include <memory>
#include <string>

#include "client/bench/dataset.h"
#include "client/bench/engine.h"
#include "index/ivf_index.h"

namespace nestor {

struct LocalEngineOptions {
  IndexSpec spec;
  std::optional<Dtype> dtype;  // stored type; not given: the base file's
  int threads = 1;             // of the build
  int code_iterations = 50;    // of the training of each code ..
  uint64_t code_rows = 65536;  // .. and its rows at most
  std::function<void(double fraction)> progress;
};

// Takes "batch=N PLAN" too: the plan for N queries at a time, as BatchSearch runs it in each of its
// threads (IvfIndex::SearchMany).
class LocalEngine : public Engine {
 public:
  // `set` has a base and outlives the engine.
  static absl::StatusOr<std::unique_ptr<LocalEngine>> Build(const Dataset& set,
                                                            const LocalEngineOptions& options);

  const EngineFacts& facts() const override { return facts_; }
  absl::StatusOr<EnginePass> Run(const std::string& setting, const PassOptions& options) override;

  const IvfIndex& index() const { return *index_; }

 private:
  using Searcher = std::function<absl::Status(const SearchQuery&, SearchScratch*, SearchResult*)>;

  LocalEngine(const Dataset& set, std::unique_ptr<IvfIndex> index);
  absl::StatusOr<EnginePass> RunExact(const std::string& setting, const PassOptions& options);
  absl::StatusOr<EnginePass> RunSingly(std::string plan, const PassOptions& options,
                                       const Searcher& search);
  absl::StatusOr<EnginePass> RunInBatches(const Plan& plan, uint32_t batch,
                                          const PassOptions& options);
  SearchQuery QueryAt(uint32_t q, const PassOptions& options) const;
  // The hits' ids.
  void Keep(const SearchResult& result, std::span<uint64_t> ids) const;

  const Dataset& set_;
  const std::unique_ptr<IvfIndex> index_;
  EngineFacts facts_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_LOCAL_ENGINE_H_
