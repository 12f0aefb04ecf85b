#include "index/graph/links.h"

#include <algorithm>
#include <numeric>

namespace nestor {
namespace {

// By alpha, away from nothing: rounding makes distances between equal rows a little negative.
float Stretched(float distance) {
  return distance > 0 ? kPruneAlpha * distance : distance / kPruneAlpha;
}

}  // namespace

std::span<const float> LinkChooser::Distances(const GraphPoint& point,
                                              std::span<const uint32_t> nodes) {
  const size_t n = nodes.size();
  if (rows_.size() < n) {
    rows_.resize(n);
    sums_.resize(n);
    distances_.resize(n);
  }
  for (size_t i = 0; i < n; ++i) rows_[i] = nodes_.codes(nodes[i]);
  kernels_.dots_i8(point.codes, rows_.data(), n, nodes_.dim(), sums_.data());
  for (size_t i = 0; i < n; ++i) {
    const NodeTail& tail = nodes_.tail(nodes[i]);
    distances_[i] = point.Distance(sums_[i], tail.scale, tail.norm);
  }
  return {distances_.data(), n};
}

void LinkChooser::Choose(std::span<const Neighbour> candidates, uint32_t degree, uint32_t fill,
                         std::vector<uint32_t>* chosen) {
  chosen->clear();
  pruned_.clear();
  rest_.resize(candidates.size());
  std::iota(rest_.begin(), rest_.end(), 0u);
  while (!rest_.empty() && chosen->size() < degree) {
    const uint32_t nearest = candidates[rest_.front()].node;
    chosen->push_back(nearest);
    rest_nodes_.clear();
    for (size_t i = 1; i < rest_.size(); ++i) rest_nodes_.push_back(candidates[rest_[i]].node);
    const auto between = Distances(space_.FromNode(nodes_, nearest), rest_nodes_);
    size_t kept = 0;
    for (size_t i = 1; i < rest_.size(); ++i) {
      const uint32_t at = rest_[i];
      if (Stretched(between[i - 1]) < candidates[at].distance) {
        pruned_.push_back(at);
      } else {
        rest_[kept++] = at;
      }
    }
    rest_.resize(kept);
  }
  if (chosen->size() >= fill) return;
  std::sort(pruned_.begin(), pruned_.end());
  for (size_t i = 0; i < pruned_.size() && chosen->size() < fill; ++i) {
    chosen->push_back(candidates[pruned_[i]].node);
  }
}

bool LinkChooser::Exchange(uint32_t node, Neighbour added, absl::FunctionRef<bool(uint32_t)> fixed,
                           bool must, std::vector<uint32_t>* links) {
  const auto to_node = Distances(space_.FromNode(nodes_, node), *links);
  own_.assign(to_node.begin(), to_node.end());
  const auto to_added = Distances(space_.FromNode(nodes_, added.node), *links);
  const size_t n = links->size();
  const auto is_dead = [&](size_t i) {
    return NodeTail::IsDead(nodes_.tail((*links)[i]).state.load(std::memory_order_relaxed));
  };
  // A nearer neighbour leads there already; a dead one will not for long.
  for (size_t i = 0; i < n && !must; ++i) {
    if (own_[i] <= added.distance && Stretched(to_added[i]) < added.distance && !is_dead(i)) {
      return false;
    }
  }
  // It leads to farther neighbours: those go.
  size_t kept = 0;
  for (size_t i = 0; i < n; ++i) {
    const bool led_to = own_[i] > added.distance && Stretched(to_added[i]) < own_[i];
    if (led_to && !fixed((*links)[i])) continue;
    own_[kept] = own_[i];
    (*links)[kept++] = (*links)[i];
  }
  links->resize(kept);
  if (kept == n) {
    // To none: of those that may go the farthest does, a dead one first.
    size_t farthest = n;
    bool dead = false;
    for (size_t i = 0; i < n; ++i) {
      if (fixed((*links)[i]) || (dead && !is_dead(i))) continue;
      if (farthest == n || own_[i] > own_[farthest] || (!dead && is_dead(i))) {
        farthest = i;
        dead = is_dead(i);
      }
    }
    if (farthest == n || (own_[farthest] <= added.distance && !must && !dead)) return false;
    (*links)[farthest] = added.node;
    return true;
  }
  links->push_back(added.node);
  return true;
}

}  // namespace nestor
