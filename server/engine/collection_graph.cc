// Upkeep of a collection's graph, on the keeper's thread.
#include <algorithm>
#include <chrono>

#include "index/graph/graph.h"
#include "server/engine/collection.h"
#include "server/engine/stored_graphs.h"

namespace nestor {

absl::StatusOr<GraphCare> Collection::KeepGraph(const std::function<bool()>& go_on) {
  using Clock = std::chrono::steady_clock;
  const GraphUpkeep& upkeep = context_->graph_upkeep;
  MutexLock lock(&graph_mutex_);
  GraphCare care;
  if (graph_closed_) return care;
  const Snapshots::Pinned state = snapshots_.Peek();
  Graph* graph = state.generation->index->graph();
  if (graph == nullptr) return care;
  if (graph->DeadShare() >= upkeep.repair_at) {
    graph->SetOldest(snapshots_.Horizon());
    const absl::StatusOr<uint64_t> done =
        graph->Repair([&] { return go_on() && !graph_closing_.load(std::memory_order_relaxed); });
    if (!done.ok()) return done.status();
    care.taken_out = *done;
  }
  const Clock::time_point begun = Clock::now();
  if (graph->changed_nodes() == 0 || begun < store_graph_at_) return care;
  // Published, so in the graph before the first block is taken.
  care.stored_seq = state.seq;
  const absl::StatusOr<uint64_t> stored =
      WriteGraph(context_->store, uid_, state.generation->number, graph);
  const Clock::time_point ended = Clock::now();
  store_graph_at_ =
      ended + std::max<Clock::duration>(upkeep.store_every, upkeep.store_share * (ended - begun));
  if (!stored.ok()) return stored.status();
  care.stored_blocks = *stored;
  return care;
}

absl::Status Collection::StoreGraph() {
  MutexLock lock(&graph_mutex_);
  const std::shared_ptr<Generation> generation = snapshots_.Peek().generation;
  Graph* graph = generation->index->graph();
  if (graph == nullptr) return absl::OkStatus();
  return WriteGraph(context_->store, uid_, generation->number, graph).status();
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
