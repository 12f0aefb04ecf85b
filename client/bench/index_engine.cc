#include "client/bench/index_engine.h"

#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"

namespace nestor {
namespace {

// " codes=opq256x32b4,..", or nothing.
std::string CodesOf(const IndexSpec& spec) {
  std::string text;
  for (const OpqSpec& code : spec.codes) {
    absl::StrAppend(&text, text.empty() ? " codes=" : ",", OpqName(code));
  }
  return text;
}

// Seconds that each phase of a build took.
class PhaseClock {
 public:
  void Enter(absl::string_view phase) {
    if (!phases_.empty() && phases_.back().first == phase) return;
    Stop();
    phases_.emplace_back(phase, 0);
    begin_ = std::chrono::steady_clock::now();
  }
  std::vector<std::pair<std::string, double>> Stop() {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin_;
    if (!phases_.empty()) phases_.back().second = spent.count();
    return phases_;
  }

 private:
  std::vector<std::pair<std::string, double>> phases_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace

void SearchWorker::Sum(const SearchResult& result) {
  if (sums.size() < result.stages.size()) sums.resize(result.stages.size());
  for (size_t i = 0; i < result.stages.size(); ++i) {
    const StageCost& cost = result.stages[i];
    sums[i].name = cost.name;
    sums[i].dim = cost.dim;
    sums[i].in += cost.in;
    sums[i].out += cost.out;
    sums[i].bytes += cost.bytes;
    sums[i].multiply_adds += cost.multiply_adds;
    sums[i].micros += cost.micros;
  }
}

std::vector<StageMean> StageMeans(const std::vector<SearchWorker>& workers, uint64_t answered) {
  std::vector<StageMean> means;
  const double n = static_cast<double>(answered);
  for (const SearchWorker& worker : workers) {
    if (means.size() < worker.sums.size()) means.resize(worker.sums.size());
    for (size_t i = 0; i < worker.sums.size(); ++i) {
      const StageCost& sum = worker.sums[i];
      means[i].name = sum.name;
      means[i].dim = sum.dim;
      means[i].in += static_cast<double>(sum.in) / n;
      means[i].out += static_cast<double>(sum.out) / n;
      means[i].bytes += static_cast<double>(sum.bytes) / n;
      means[i].multiply_adds += static_cast<double>(sum.multiply_adds) / n;
      means[i].micros += sum.micros / n;
    }
  }
  return means;
}

absl::StatusOr<TimedIndex> BuildTimed(const VectorSchema& schema, const IndexSpec& spec,
                                      const BuildSource& source, BuildOptions options,
                                      const std::function<void(double fraction)>& progress) {
  PhaseClock phases;
  options.progress = [&](const char* phase, double fraction) {
    phases.Enter(phase);
    if (progress) progress(fraction);
    return true;
  };
  const auto begin = std::chrono::steady_clock::now();
  absl::StatusOr<std::unique_ptr<IvfIndex>> index =
      BuildIvfIndex(schema, spec, IdKind::kNum, source, options);
  if (!index.ok()) return index.status();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  return TimedIndex{*std::move(index), seconds.count(), phases.Stop()};
}

EngineFacts FactsOf(const IvfIndex& index) {
  const IndexMemory memory = index.Memory();
  const IndexSpec& spec = index.spec();
  return {.name = "nestor",
          .index_bytes = {{"first_shell", memory.first_shell},
                          {"later_shells", memory.later_shells},
                          {"norms_scales", memory.norms_scales},
                          {"ids", memory.ids},
                          {"map", memory.map},
                          {"sequences", memory.sequences},
                          {"exact_vectors", memory.exact_vectors},
                          {"model", memory.model},
                          {"codes", memory.codes},
                          {"graph", memory.graph}},
          .index = absl::StrCat(
              spec.no_lists ? ""
                            : absl::StrCat("lists=", index.model().lists,
                                           " coarse_dim=", spec.coarse_dim, " "),
              "shells=", absl::StrJoin(spec.shells, ","), " codec=", Name(spec.codec),
              " dtype=", Name(index.schema().dtype),
              spec.graph ? absl::StrCat(" graph=", spec.graph->dim, ":", spec.graph->degree, ":",
                                        spec.graph->ef_construction)
                         : "",
              CodesOf(spec)),
          .graph = spec.graph};
}

}  // namespace nestor
