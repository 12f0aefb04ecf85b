#include "index/graph/search.h"

#include <algorithm>

namespace nestor {

GraphSearch::GraphSearch(const NodeStore& nodes, const EntryTable& entries,
                         const NodeVisibility* visibility, const GraphQuery& query,
                         GraphScratch* scratch)
    : nodes_(nodes), visibility_(visibility), query_(query), scratch_(*scratch) {
  scratch_.pool.Clear(query.ef);
  scratch_.visited.Clear(nodes.limit());
  const size_t batch = std::max<size_t>(nodes.degree(), entries.capacity());
  if (scratch_.fresh.size() < batch) {
    scratch_.fresh.resize(batch);
    scratch_.rows.resize(batch);
    scratch_.sums.resize(batch);
  }
  Enter(entries);
}

void GraphSearch::Enter(const EntryTable& entries) {
  // Four are enough to find the way (performance.md, section 8). A big pool has room for more, and
  // one that holds all rows must reach all.
  const uint32_t wanted = std::max(4u, query_.ef / 16);
  fresh_ = 0;
  for (const uint32_t node : entries.Nearest(query_.point, wanted, &scratch_.entries)) {
    if (!scratch_.visited.Visit(node)) continue;
    nodes_.Prefetch(node);
    scratch_.fresh[fresh_++] = node;
  }
  Score();
}

bool GraphSearch::Visible(const NodeTail& tail) const {
  const uint32_t state = tail.state.load(std::memory_order_acquire);
  if (visibility_ == nullptr) return state < NodeTail::kDead;
  if (state <= query_.snapshot && tail.slot != query_.skip_slot) return true;
  return visibility_->LookUp(tail.slot, query_.full_snapshot, query_.skip_slot);
}

bool GraphSearch::Gather() {
  const uint32_t node = scratch_.pool.TakeNext(Bound(query_.margin));
  if (node == ~uint32_t{0}) return false;
  ++expanded_;
  const std::atomic<uint32_t>* links = nodes_.links(node);
  fresh_ = 0;
  for (uint32_t i = 0; i < nodes_.degree(); ++i) {
    const uint32_t link = links[i].load(std::memory_order_acquire);
    if (link == kNoNode) break;
    if (!scratch_.visited.Visit(link)) continue;
    nodes_.Prefetch(link);
    scratch_.fresh[fresh_++] = link;
  }
  return true;
}

void GraphSearch::Score() {
  const uint32_t n = fresh_;
  if (n == 0) return;
  scored_ += n;
  for (uint32_t i = 0; i < n; ++i) scratch_.rows[i] = nodes_.codes(scratch_.fresh[i]);
  kernels_.dots_i8(query_.point.codes, scratch_.rows.data(), n, nodes_.dim(),
                   scratch_.sums.data());
  NodePool& pool = scratch_.pool;
  const float bound = Bound(query_.margin);
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t node = scratch_.fresh[i];
    const NodeTail& tail = nodes_.tail(node);
    const float distance = query_.point.Distance(scratch_.sums[i], tail.scale, tail.norm);
    if (!(distance < bound) || !(distance < pool.Worst())) continue;
    nodes_.PrefetchLinks(node);
    pool.Insert(distance, node, Visible(tail));
  }
  fresh_ = 0;
}

}  // namespace nestor
