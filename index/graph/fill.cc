// Filling a graph at once: by a build, which links all nodes anew, or at restart, as it was stored.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <thread>
#include <utility>

#include "index/graph/graph.h"
#include "index/graph/writing.h"

namespace nestor {
namespace {

// The first nodes are linked by one thread: several would not see each other's.
constexpr uint32_t kLinkedByOne = 1024;

}  // namespace

void Graph::Reserve(uint32_t n) {
  nodes_.Grow(n, /*bulk=*/true);
  GrowParents();
  squares_.resize(n);
  node_of_slot_.resize(n);
  std::iota(node_of_slot_.begin(), node_of_slot_.end(), 0u);
}

void Graph::Reserve(uint32_t slots, StoredGraph stored) {
  stored_ = std::make_unique<StoredGraph>(std::move(stored));
  space_.largest_norm = stored_->head.largest_norm;
  const auto n = static_cast<uint32_t>(stored_->rows.size());
  nodes_.Grow(n, /*bulk=*/true);
  GrowParents();
  squares_.resize(n);
  node_of_slot_.assign(slots, kNoNode);
  for (uint32_t node = 0; node < n; ++node) {
    if (stored_->rows[node] != StoredGraph::kNoRow) stored_order_.push_back(node);
  }
  std::sort(stored_order_.begin(), stored_order_.end(),
            [&](uint32_t a, uint32_t b) { return stored_->rows[a] < stored_->rows[b]; });
}

void Graph::Fill(uint32_t slot, uint64_t row, const float* prefix, bool integral) {
  uint32_t node = slot;
  if (stored_ != nullptr) {
    const auto at = std::lower_bound(
        stored_order_.begin(), stored_order_.end(), row,
        [&](uint32_t stored, uint64_t wanted) { return stored_->rows[stored] < wanted; });
    if (at == stored_order_.end() || stored_->rows[*at] != row) return;
    node = *at;
    node_of_slot_[slot] = node;
  }
  Encode(node, prefix, integral, &squares_[node]);
  NodeTail& tail = nodes_.tail(node);
  tail.slot = slot;
  tail.state.store(StateOf(base_), std::memory_order_relaxed);
  used_.fetch_add(1, std::memory_order_relaxed);
}

void Graph::Publish(uint64_t base) {
  base_ = base;
  last_sequence_ = base;
}

absl::Status Graph::LinkAll(int threads, const std::function<bool(double)>& progress) {
  const uint32_t n = nodes_.limit();
  if (n == 0) return absl::OkStatus();
  space_.largest_norm = std::sqrt(*std::max_element(squares_.begin(), squares_.end()));
  if (space_.largest_norm == 0) space_.largest_norm = 1;
  for (uint32_t node = 0; node < n; ++node) {
    space_.SetTail(nodes_.tail(node).scale, squares_[node], &nodes_.tail(node));
  }
  squares_ = {};
  AddEntry(0);
  std::atomic<bool> stop{false};
  LinkNewNodes(threads, &stop, progress);
  if (stop) return absl::CancelledError("the build was cancelled");
  Writing writing(nodes_, space_);
  Mend({}, {}, &writing);
  MutexLock lock(&mutex_);
  for (uint32_t node = 0; node < n; node += StoredGraph::kBlockNodes) MarkChanged(node);
  return absl::OkStatus();
}

void Graph::LinkNewNodes(int threads, std::atomic<bool>* stop,
                         const std::function<bool(double)>& progress) {
  const uint32_t n = nodes_.limit();
  std::atomic<uint32_t> next{1};
  const auto work = [&](bool reports, uint32_t end, bool shared) {
    Writing writing(nodes_, space_);
    for (uint32_t node = next++; node < end && !*stop; node = next++) {
      if (reports && node % 256 == 0 && progress && !progress(static_cast<double>(node) / n)) {
        *stop = true;
      }
      Link(node, shared, &writing);
      if (IsEntry(rows_.RowOf(nodes_.tail(node).slot), n)) AddEntry(node);
    }
  };
  const uint32_t alone = threads == 1 ? n : std::min(n, kLinkedByOne);
  work(true, alone, /*shared=*/false);
  if (alone == n) return;
  next = alone;
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(work, false, n, true);
  work(true, n, /*shared=*/true);
  for (std::thread& thread : others) thread.join();
}

std::vector<uint32_t> Graph::Adopt() {
  const StoredGraph stored = std::move(*std::exchange(stored_, nullptr));
  stored_order_ = {};
  const auto n = static_cast<uint32_t>(stored.rows.size());
  for (uint32_t node = 0; node < n; ++node) {
    if (!InUse(node)) {
      free_nodes_.push_back(node);
      continue;
    }
    space_.SetTail(nodes_.tail(node).scale, squares_[node], &nodes_.tail(node));
  }
  squares_ = {};

  Writing writing(nodes_, space_);
  std::vector<uint32_t> links, candidates;
  const uint64_t used = used_.load(std::memory_order_relaxed);
  MutexLock lock(&mutex_);
  for (uint32_t node = 0; node < n; ++node) {
    if (!InUse(node)) continue;
    links.clear();
    candidates.clear();
    const auto take = [&](uint32_t of, std::vector<uint32_t>* out, std::vector<uint32_t>* lost) {
      for (uint32_t i = 0; i < spec_.degree; ++i) {
        const uint32_t link = stored.links[size_t{of} * spec_.degree + i];
        if (link == kNoNode) break;
        if (link >= n || link == node) continue;
        if (InUse(link)) {
          out->push_back(link);
        } else if (lost != nullptr) {
          lost->push_back(link);
        }
      }
    };
    std::vector<uint32_t>& lost = writing.others;
    lost.clear();
    take(node, &links, &lost);
    if (lost.empty()) {
      SetLinks(node, links);
    } else {
      // The neighbours of a neighbour that is gone take its place.
      candidates = links;
      for (const uint32_t gone : lost) take(gone, &candidates, nullptr);
      Relink(node, &candidates, &writing);
      MarkChanged(node);
    }
    if (entries().count() == 0 || IsEntry(rows_.RowOf(nodes_.tail(node).slot), used)) {
      AddEntry(node);
    }
  }
  std::vector<uint32_t> missing;
  for (uint32_t slot = 0; slot < node_of_slot_.size(); ++slot) {
    if (node_of_slot_[slot] == kNoNode) missing.push_back(slot);
  }
  return missing;
}

}  // namespace nestor
