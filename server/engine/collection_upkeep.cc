// Upkeep of a collection, on the keeper's thread.
#include <algorithm>
#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "index/base/crash_point.h"
#include "index/graph/graph.h"
#include "server/engine/collection.h"
#include "server/engine/stored_graphs.h"

namespace nestor {

std::string Collection::BuildDue() const {
  const uint64_t from = context_->upkeep.build_from;
  if (from == 0) return "";
  const Snapshots::Pinned state = snapshots_.Peek();
  const Generation& generation = *state.generation;
  if (state.points >= from && Unbuilt(generation, state.points) > 0) {
    return absl::StrCat(state.points, " points were never indexed");
  }
  // A small one scans one list all the same.
  constexpr uint64_t kGrowth = 4;
  if (state.points >= from && state.points >= kGrowth * generation.rows_at_build) {
    return absl::StrCat(state.points, " points, ", generation.rows_at_build, " at the last build");
  }
  const uint64_t slots = generation.index->slot_limit();
  const uint64_t free = generation.index->free_slots();
  if (free >= from && free > slots / 2) {
    return absl::StrCat("room for ", slots, " points, ", free, " of them deleted");
  }
  return "";
}

absl::Status Collection::Sweep(const std::function<bool()>& go_on) {
  for (bool more = true; more && go_on();) {
    const absl::StatusOr<bool> left = writer_.Sweep();
    if (!left.ok()) return left.status();
    more = *left;
  }
  return absl::OkStatus();
}

absl::StatusOr<Care> Collection::KeepGraph(const std::function<bool()>& go_on) {
  using Clock = std::chrono::steady_clock;
  const Upkeep& upkeep = context_->upkeep;
  MutexLock lock(&graph_mutex_);
  Care care;
  if (graph_closed_) return care;
  const Snapshots::Pinned state = snapshots_.Peek();
  Graph* graph = state.generation->index->graph();
  if (graph == nullptr) return care;
  if (graph->DeadShare() >= upkeep.repair_at) {
    graph->SetOldest(snapshots_.Horizon());
    const absl::StatusOr<uint64_t> done = graph->Repair([&] {
      Pass(CrashPoint::kRepairing);
      return go_on() && !graph_closing_.load(std::memory_order_relaxed);
    });
    if (!done.ok()) return done.status();
    Pass(CrashPoint::kRepaired);
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
