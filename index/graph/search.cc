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
  const size_t room = std::max(nodes.degree(), entries.capacity()) + size_t{1};
  for (GraphScratch::Step& step : scratch_.steps) {
    if (step.nodes.size() < room) {
      step.nodes.resize(room);
      step.records.resize(room);
    }
    step.n = 0;
  }
  if (scratch_.sums.size() < room) scratch_.sums.resize(room);
  // One is enough to find the way: four are 1 to 5 % slower at equal recall. A big pool has room
  // for more, and one that holds all rows, or the living half of them, must reach all: some may be
  // reached by an entry only.
  const uint64_t share = uint64_t{2} * query_.ef * entries.count() / std::max(1u, nodes.limit());
  const auto starts = static_cast<uint32_t>(
      std::min<uint64_t>(entries.count(), std::max<uint64_t>({1, query_.ef / 16, share})));
  GraphScratch::Step& first = StepAt(0);
  for (const uint32_t node : entries.Nearest(query_.point, starts, &scratch_.entries)) {
    Collect(node, &first);
  }
  Send(&first);
}

void GraphSearch::Collect(uint32_t node, GraphScratch::Step* step) {
  // Without a branch: whether a node was met before cannot be predicted.
  step->nodes[step->n] = node;
  step->n += scratch_.visited.Visit(node) ? 1 : 0;
}

void GraphSearch::Send(GraphScratch::Step* step) {
  for (uint32_t i = 0; i < step->n; ++i) {
    step->records[i] = nodes_.codes(step->nodes[i]);
    nodes_.Prefetch(step->records[i]);
  }
  ++gathered_steps_;
}

bool GraphSearch::Gather() {
  if (!std::exchange(entered_, true)) return true;
  const float bound = Bound(query_.margin);
  while (gathered_steps_ - scored_steps_ < query_.ahead) {
    const uint32_t node = scratch_.pool.TakeNext(bound);
    if (node == kNoNode) break;
    ++expanded_;
    GraphScratch::Step& step = StepAt(gathered_steps_);
    const std::atomic<uint32_t>* links = nodes_.links(node);
    for (uint32_t l = 0; l < nodes_.degree(); ++l) {
      const uint32_t link = links[l].load(std::memory_order_acquire);
      if (link == kNoNode) break;
      Collect(link, &step);
    }
    Send(&step);
  }
  return gathered_steps_ > scored_steps_ || Widen();
}

bool GraphSearch::Widen() {
  if (widened_ || scratch_.pool.results() >= std::max(query_.k, 1u)) return false;
  widened_ = true;
  GraphScratch::Step& step = StepAt(gathered_steps_);
  for (const uint32_t node : entries_.Nearest(query_.point, ~uint32_t{0}, &scratch_.entries)) {
    Collect(node, &step);
  }
  if (step.n == 0) return false;
  Send(&step);
  return true;
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
  GraphScratch::Step& step = StepAt(scored_steps_++);
  scored_ += step.n;
  kernels_.dots_i8(query_.point.codes, step.records.data(), step.n, nodes_.dim(),
                   scratch_.sums.data());
  NodePool& pool = scratch_.pool;
  const float bound = Bound(query_.margin);
  for (uint32_t i = 0; i < step.n; ++i) {
    const NodeTail& tail = nodes_.TailOf(step.records[i]);
    const float distance = query_.point.Distance(scratch_.sums[i], tail.scale, tail.norm);
    if (!(distance < bound) || !(distance < pool.Worst())) continue;
    nodes_.PrefetchLinks(step.records[i]);
    pool.Insert(distance, step.nodes[i], Visible(tail));
  }
  step.n = 0;
}

}  // namespace nestor
