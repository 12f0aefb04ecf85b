// Upkeep of a collection's graph, on the keeper's thread.
#include <chrono>

#include "index/graph/graph.h"
#include "server/engine/collection.h"
#include "server/engine/stored_graphs.h"

namespace nestor {
namespace {

// Dead nodes cost a search 10 % at 10 % of them (shared/reference/performance.md, section 9).
constexpr double kRepairAt = 0.10;
// A few inserts change most blocks, so that storing writes most of the graph: not often, and not
// for more than a twentieth of the time.
constexpr auto kStoreEvery = std::chrono::seconds(10);
constexpr int kStoreShare = 20;

}  // namespace

absl::StatusOr<uint64_t> Collection::KeepGraph(const std::function<bool()>& go_on) {
  using Clock = std::chrono::steady_clock;
  MutexLock lock(&graph_mutex_);
  if (graph_closed_) return 0;
  const std::shared_ptr<Generation> generation = snapshots_.Peek().generation;
  Graph* graph = generation->index->graph();
  if (graph == nullptr) return 0;
  uint64_t repaired = 0;
  if (graph->DeadShare() >= kRepairAt) {
    graph->SetOldest(snapshots_.Horizon());
    const absl::StatusOr<uint64_t> done =
        graph->Repair([&] { return go_on() && !graph_closing_.load(std::memory_order_relaxed); });
    if (!done.ok()) return done.status();
    repaired = *done;
  }
  const Clock::time_point begun = Clock::now();
  if (graph->changed_nodes() == 0 || begun < store_graph_at_) return repaired;
  absl::Status stored = WriteGraph(context_->store, uid_, generation->number, graph);
  const Clock::time_point ended = Clock::now();
  store_graph_at_ = ended + std::max<Clock::duration>(kStoreEvery, kStoreShare * (ended - begun));
  if (!stored.ok()) return stored;
  return repaired;
}

absl::Status Collection::StoreGraph() {
  MutexLock lock(&graph_mutex_);
  const std::shared_ptr<Generation> generation = snapshots_.Peek().generation;
  Graph* graph = generation->index->graph();
  if (graph == nullptr) return absl::OkStatus();
  return WriteGraph(context_->store, uid_, generation->number, graph);
}

void Collection::CloseGraph() {
  graph_closing_.store(true, std::memory_order_relaxed);
  MutexLock lock(&graph_mutex_);
  graph_closed_ = true;
}

void Collection::ReopenGraph() {
  MutexLock lock(&graph_mutex_);
  graph_closing_.store(false, std::memory_order_relaxed);
  graph_closed_ = false;
}

}  // namespace nestor
