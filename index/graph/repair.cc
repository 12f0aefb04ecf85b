// Keeping a graph good as rows die: FreshDiskANN's repair (Singh et al., 2021, algorithm 4), which
// gives the neighbours of a dead node its neighbours, then filled up, since without that the degree
// falls and recall with it (shared/reference/performance.md, section 9).
#include <algorithm>
#include <deque>
#include <utility>

#include "index/graph/graph.h"
#include "index/graph/writing.h"

namespace nestor {
namespace {

// Nodes looked at while the lock is held.
constexpr uint32_t kNodesAtATime = 64;

// Of NodesToTakeOut; nodes that were added since stay.
bool IsOut(const std::vector<uint8_t>& out, uint32_t node) {
  return node < out.size() && out[node] != 0;
}

}  // namespace

void Graph::Relink(uint32_t node, std::vector<uint32_t>* candidates, Writing* writing) {
  std::sort(candidates->begin(), candidates->end());
  candidates->erase(std::unique(candidates->begin(), candidates->end()), candidates->end());
  const auto distances = writing->chooser.Distances(space_.FromNode(nodes_, node), *candidates);
  writing->candidates.clear();
  for (size_t i = 0; i < candidates->size(); ++i) {
    writing->candidates.push_back({distances[i], (*candidates)[i]});
  }
  std::sort(writing->candidates.begin(), writing->candidates.end(),
            [](const Neighbour& a, const Neighbour& b) {
              return a.distance != b.distance ? a.distance < b.distance : a.node < b.node;
            });
  writing->chooser.Choose(writing->candidates, spec_.degree, spec_.degree * 6 / 7,
                          &writing->chosen);
  // Children that were not chosen: in place of the last that are none.
  const auto is_child = [&](uint32_t link) { return ParentOf(link) == node; };
  std::vector<uint32_t>& chosen = writing->chosen;
  size_t replaceable = chosen.size();
  for (const uint32_t candidate : *candidates) {
    if (!is_child(candidate)) continue;
    if (std::find(chosen.begin(), chosen.end(), candidate) != chosen.end()) continue;
    if (chosen.size() < spec_.degree) {
      chosen.push_back(candidate);
      continue;
    }
    while (replaceable > 0 && is_child(chosen[replaceable - 1])) --replaceable;
    if (replaceable > 0) chosen[--replaceable] = candidate;
  }
  SetLinks(node, chosen);
}

std::vector<uint8_t> Graph::NodesToTakeOut(uint64_t* count) {
  const uint64_t oldest = oldest_.load(std::memory_order_acquire);
  MutexLock lock(&mutex_);
  std::vector<uint8_t> out(nodes_.limit(), 0);
  *count = 0;
  for (uint32_t node = 0; node < out.size(); ++node) {
    const NodeTail& tail = nodes_.tail(node);
    if (!NodeTail::IsDead(tail.state.load(std::memory_order_relaxed))) continue;
    if (!rows_.Gone(tail.slot, oldest)) continue;
    out[node] = 1;
    ++*count;
  }
  return out;
}

void Graph::RelinkAround(uint32_t node, const std::vector<uint8_t>& out, Writing* writing) {
  const auto is_out = [&](uint32_t n) { return IsOut(out, n); };
  std::vector<uint32_t>& links = writing->links;
  ReadLinks(node, &links);
  if (std::none_of(links.begin(), links.end(), is_out)) return;
  std::vector<uint32_t> candidates;
  for (const uint32_t link : links) {
    if (!is_out(link)) {
      candidates.push_back(link);
      continue;
    }
    ReadLinks(link, &writing->others);
    for (const uint32_t beyond : writing->others) {
      if (!is_out(beyond) && beyond != node && Alive(beyond)) candidates.push_back(beyond);
    }
  }
  for (const uint32_t candidate : candidates) nodes_.Prefetch(nodes_.codes(candidate));
  Relink(node, &candidates, writing);
  MarkChanged(node);
}

absl::StatusOr<uint64_t> Graph::Repair(const std::function<bool()>& go_on) {
  uint64_t count = 0;
  const std::vector<uint8_t> out = NodesToTakeOut(&count);
  if (count == 0) return 0;
  Writing writing(nodes_, space_);
  // First every node gets a way that does not lead through those that go: so no search misses what
  // lay behind them, however long this takes.
  if (!Mend(out, go_on, &writing)) return absl::CancelledError("the repair was stopped");
  // Nodes that are added from here on link to live ones only.
  for (uint32_t first = 0; first < out.size(); first += kNodesAtATime) {
    if (go_on && !go_on()) return absl::CancelledError("the repair was stopped");
    MutexLock lock(&mutex_);
    const auto end = std::min(first + kNodesAtATime, static_cast<uint32_t>(out.size()));
    for (uint32_t node = first; node < end; ++node) {
      if (InUse(node) && out[node] == 0) RelinkAround(node, out, &writing);
    }
  }
  Retire(out);
  return count;
}

void Graph::Retire(const std::vector<uint8_t>& out) {
  MutexLock lock(&mutex_);
  // Entries are the same rows as before, but for those that go; new ones keep their number.
  std::vector<uint32_t> kept;
  for (uint32_t i = 0; i < entries().count(); ++i) {
    const uint32_t node = entries().node(i);
    if (!IsOut(out, node)) kept.push_back(node);
  }
  if (kept.size() < entries().count()) ReplaceEntries(kept);
  for (uint32_t node = 0; node < out.size(); ++node) {
    if (out[node] == 0) continue;
    nodes_.tail(node).state.store(NodeTail::kFree, std::memory_order_release);
    node_of_slot_[nodes_.tail(node).slot] = kNoNode;
    retired_.push_back({node, last_sequence_});
    MarkChanged(node);
    used_.fetch_sub(1, std::memory_order_relaxed);
    dead_.fetch_sub(1, std::memory_order_relaxed);
  }
}

bool Graph::Mend(const std::vector<uint8_t>& out, const std::function<bool()>& go_on,
                 Writing* writing) {
  std::vector<uint8_t> reached(nodes_.limit(), 0);
  std::deque<uint32_t> queue;
  std::vector<uint32_t> links;
  const auto reach = [&](uint32_t node, uint32_t parent) {
    if (node >= reached.size()) reached.resize(nodes_.limit(), 0);
    if (reached[node] != 0) return;
    reached[node] = 1;
    SetParent(node, parent);
    queue.push_back(node);
  };
  const auto spread = [&] {
    while (!queue.empty()) {
      if (go_on && !go_on()) return false;
      MutexLock lock(&mutex_);
      for (uint32_t i = 0; i < kNodesAtATime && !queue.empty(); ++i) {
        const uint32_t node = queue.front();
        queue.pop_front();
        ReadLinks(node, &links);
        for (const uint32_t link : links) {
          if (!IsOut(out, link)) reach(link, node);
        }
      }
    }
    return true;
  };
  {
    MutexLock lock(&mutex_);
    for (uint32_t i = 0; i < entries().count(); ++i) {
      if (!IsOut(out, entries().node(i))) reach(entries().node(i), kNoNode);
    }
    // All entries go: any other node will do.
    for (uint32_t node = 0; node < nodes_.limit() && queue.empty(); ++node) {
      if (!InUse(node) || IsOut(out, node)) continue;
      AddEntry(node);
      reach(node, kNoNode);
    }
  }
  if (!spread()) return false;
  for (uint32_t node = 0; node < reached.size(); ++node) {
    if (reached[node] != 0) continue;
    {
      MutexLock lock(&mutex_);
      if (!Alive(node)) continue;
      reach(node, MendOne(node, reached, writing));
    }
    if (!spread()) return false;
  }
  return true;
}

void Graph::EnsureReachable() {
  Writing writing(nodes_, space_);
  Mend({}, {}, &writing);
}

uint32_t Graph::MendOne(uint32_t node, const std::vector<uint8_t>& reached, Writing* writing) {
  // The nearest that can be reached and has a link to give. A search may meet others, by way of
  // nodes that are to be taken out.
  const GraphQuery query{.point = space_.FromNode(nodes_, node), .ef = spec_.ef_construction};
  GraphSearch(nodes_, entries(), nullptr, query, &writing->scratch).Run();
  mended_.fetch_add(1, std::memory_order_relaxed);
  const NodePool& pool = writing->scratch.pool;
  SetParent(node, kNoNode);
  uint32_t nearest = kNoNode;
  for (size_t i = 0; i < pool.size(); ++i) {
    const uint32_t near = pool.node(i);
    if (!pool.visible(i) || near >= reached.size() || reached[near] == 0) continue;
    if (nearest == kNoNode) nearest = near;
    LinkBack(near, {pool.distance(i), node}, /*must=*/true, writing);
    if (ParentOf(node) == kNoNode) continue;
    MarkChanged(near);
    return near;
  }
  if (nearest != kNoNode && Interpose(nearest, node, /*shared=*/false)) {
    MarkChanged(node);
    return nearest;
  }
  AddEntry(node);
  return kNoNode;
}

}  // namespace nestor
