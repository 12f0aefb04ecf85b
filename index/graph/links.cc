#include "index/graph/links.h"

#include <algorithm>
#include <numeric>

namespace nestor {

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
      if (kPruneAlpha * between[i - 1] < candidates[at].distance) {
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

bool LinkChooser::Exchange(uint32_t node, Neighbour added, std::vector<uint32_t>* links) {
  const auto to_node = Distances(space_.FromNode(nodes_, node), *links);
  own_.assign(to_node.begin(), to_node.end());
  const auto to_added = Distances(space_.FromNode(nodes_, added.node), *links);
  // A nearer neighbour leads there already.
  for (size_t i = 0; i < links->size(); ++i) {
    if (own_[i] <= added.distance && kPruneAlpha * to_added[i] < added.distance) return false;
  }
  // It leads to farther neighbours: those go. If there are none, the farthest link goes.
  size_t kept = 0;
  size_t farthest = 0;
  for (size_t i = 0; i < links->size(); ++i) {
    if (own_[i] > own_[farthest]) farthest = i;
  }
  const uint32_t farthest_node = (*links)[farthest];
  const float farthest_distance = own_[farthest];
  for (size_t i = 0; i < links->size(); ++i) {
    if (own_[i] > added.distance && kPruneAlpha * to_added[i] < own_[i]) continue;
    (*links)[kept++] = (*links)[i];
  }
  if (kept == links->size()) {
    if (farthest_distance <= added.distance) return false;
    *std::find(links->begin(), links->end(), farthest_node) = added.node;
    return true;
  }
  links->resize(kept);
  links->push_back(added.node);
  return true;
}

}  // namespace nestor
