#include "index/graph/search.h"

#include <algorithm>
#include <utility>

namespace nestor {

GraphSearch::GraphSearch(const NodeStore& nodes, const EntryTable& entries, const NodeRows* rows,
                         const GraphQuery& query, GraphScratch* scratch)
    : nodes_(nodes), entries_(entries), rows_(rows), query_(query), scratch_(*scratch) {
  scratch_.pool.Clear(query.ef);
  scratch_.visited.Clear(nodes.limit());
  // Collect writes one behind the last.
  const size_t room = std::max<size_t>(size_t{query.beam} * nodes.degree(), entries.capacity()) + 1;
  if (scratch_.fresh.size() < room) {
    scratch_.fresh.resize(room);
    scratch_.records.resize(room);
    scratch_.sums.resize(room);
  }
  // Four are enough to find the way (performance.md, section 8). A big pool has room for more, and
  // one that holds all rows, or the living half of them, must reach all: some may be reached by an
  // entry only.
  const uint64_t share = uint64_t{2} * query_.ef * entries.count() / std::max(1u, nodes.limit());
  const auto starts = static_cast<uint32_t>(
      std::min<uint64_t>(entries.count(), std::max<uint64_t>({4, query_.ef / 16, share})));
  for (const uint32_t node : entries.Nearest(query_.point, starts, &scratch_.entries)) {
    Collect(node);
  }
  Prefetch();
}

void GraphSearch::Collect(uint32_t node) {
  // Without a branch: whether a node was met before cannot be predicted.
  scratch_.fresh[fresh_] = node;
  fresh_ += scratch_.visited.Visit(node) ? 1 : 0;
}

void GraphSearch::Prefetch() {
  for (uint32_t i = 0; i < fresh_; ++i) {
    scratch_.records[i] = nodes_.codes(scratch_.fresh[i]);
    nodes_.Prefetch(scratch_.records[i]);
  }
}

bool GraphSearch::Gather() {
  if (!std::exchange(entered_, true)) return true;
  const float bound = Bound(query_.margin);
  for (uint32_t i = 0; i < query_.beam; ++i) {
    const uint32_t node = scratch_.pool.TakeNext(bound);
    if (node == kNoNode) {
      if (i == 0) return Widen();
      break;
    }
    ++expanded_;
    const std::atomic<uint32_t>* links = nodes_.links(node);
    for (uint32_t l = 0; l < nodes_.degree(); ++l) {
      const uint32_t link = links[l].load(std::memory_order_acquire);
      if (link == kNoNode) break;
      Collect(link);
    }
  }
  Prefetch();
  return true;
}

bool GraphSearch::Widen() {
  if (widened_ || scratch_.pool.results() >= std::max(query_.k, 1u)) return false;
  widened_ = true;
  for (const uint32_t node : entries_.Nearest(query_.point, ~uint32_t{0}, &scratch_.entries)) {
    Collect(node);
  }
  Prefetch();
  return fresh_ > 0;
}

bool GraphSearch::Visible(const NodeTail& tail) const {
  const uint32_t state = tail.state.load(std::memory_order_acquire);
  if (rows_ == nullptr) return state < NodeTail::kDead;
  if (tail.slot == query_.skip_slot) return false;
  // What does not fit, or was before the graph's base, says nothing, neither here nor there. The
  // rest spares looking up the row, which is far away (a tenth of a search where a tenth is dead).
  if (state < NodeTail::kLookUp && state <= query_.state) return true;
  if (NodeTail::IsDead(state)) {
    const uint32_t dead = state - NodeTail::kDead;
    if (dead > 0 && dead < NodeTail::kLookUp && dead <= query_.state) return false;
  }
  return rows_->Visible(tail.slot, query_.snapshot);
}

void GraphSearch::Score() {
  scored_ += fresh_;
  kernels_.dots_i8(query_.point.codes, scratch_.records.data(), fresh_, nodes_.dim(),
                   scratch_.sums.data());
  NodePool& pool = scratch_.pool;
  const float bound = Bound(query_.margin);
  for (uint32_t i = 0; i < fresh_; ++i) {
    const NodeTail& tail = nodes_.TailOf(scratch_.records[i]);
    const float distance = query_.point.Distance(scratch_.sums[i], tail.scale, tail.norm);
    if (!(distance < bound) || !(distance < pool.Worst())) continue;
    nodes_.PrefetchLinks(scratch_.records[i]);
    pool.Insert(distance, scratch_.fresh[i], Visible(tail));
  }
  fresh_ = 0;
}

}  // namespace nestor
