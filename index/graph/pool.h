// The best nodes that a graph search has met, nearest first, and which of them it has expanded.
#ifndef NESTOR_INDEX_GRAPH_POOL_H_
#define NESTOR_INDEX_GRAPH_POOL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "index/graph/nodes.h"
#include "index/kernels/kernels.h"

namespace nestor {

class NodePool {
 public:
  // `capacity` visible nodes; invisible ones, which are only passed through, come on top of it, at
  // most as many again: beyond that the farthest of them goes, never a visible one.
  void Clear(size_t capacity) {
    capacity_ = capacity;
    size_ = next_ = invisible_ = 0;
    if (distances_.size() < 2 * capacity + 1) {
      distances_.resize(2 * capacity + 1);
      nodes_.resize(2 * capacity + 1);
    }
  }

  size_t size() const { return size_; }
  size_t results() const { return size_ - invisible_; }  // visible ones
  uint32_t node(size_t i) const { return nodes_[i] & kNumber; }
  float distance(size_t i) const { return distances_[i]; }
  bool visible(size_t i) const { return (nodes_[i] & kInvisible) == 0; }

  // A node must be nearer than this to get in.
  float Worst() const {
    return size_ < Room() ? std::numeric_limits<float>::infinity() : distances_[size_ - 1];
  }
  // Distance of the k-th best visible node; infinity while there are fewer.
  float Kth(size_t k) const {
    if (invisible_ == 0) {
      return size_ >= k ? distances_[k - 1] : std::numeric_limits<float>::infinity();
    }
    for (size_t i = 0; i < size_; ++i) {
      if (visible(i) && --k == 0) return distances_[i];
    }
    return std::numeric_limits<float>::infinity();
  }

  // Requires distance < Worst().
  void Insert(float distance, uint32_t node, bool visible) {
    // To compare with all is faster than to search: up to some hundred values.
    size_t at = 0;
    size_t n = size_;
    while (n > kCompared) {
      const size_t half = (n + 1) / 2;
      at += distances_[at + half - 1] <= distance ? half : 0;
      n -= half;
    }
    at += n - kernels_->count_greater(&distances_[at], n, distance);
    std::memmove(&distances_[at + 1], &distances_[at], (size_ - at) * sizeof(float));
    std::memmove(&nodes_[at + 1], &nodes_[at], (size_ - at) * sizeof(uint32_t));
    distances_[at] = distance;
    nodes_[at] = node | (visible ? 0 : kInvisible);
    ++size_;
    invisible_ += visible ? 0 : 1;
    next_ = std::min(next_, at);
    if (invisible_ > capacity_) DropInvisible();
    while (size_ > Room()) {
      --size_;
      invisible_ -= nodes_[size_] & kInvisible ? 1 : 0;
    }
  }

  // The nearest node that is not expanded yet and nearer than `bound`, which then counts as
  // expanded; or kNoNode.
  uint32_t TakeNext(float bound) {
    while (next_ < size_ && (nodes_[next_] & kExpanded) != 0) ++next_;
    if (next_ == size_ || !(distances_[next_] < bound)) return kNoNode;
    nodes_[next_] |= kExpanded;
    return nodes_[next_++] & kNumber;
  }

 private:
  static constexpr uint32_t kExpanded = 1u << 31;
  static constexpr uint32_t kInvisible = 1u << 30;
  static constexpr uint32_t kNumber = kInvisible - 1;

  static constexpr size_t kCompared = 128;

  size_t Room() const { return capacity_ + invisible_; }

  // Takes the farthest invisible node out.
  void DropInvisible() {
    size_t at = size_ - 1;
    while (visible(at)) --at;
    std::memmove(&distances_[at], &distances_[at + 1], (size_ - 1 - at) * sizeof(float));
    std::memmove(&nodes_[at], &nodes_[at + 1], (size_ - 1 - at) * sizeof(uint32_t));
    --size_;
    --invisible_;
    if (at < next_) --next_;
  }

  const Kernels* kernels_ = &ActiveKernels();
  size_t capacity_ = 0;
  size_t size_ = 0;
  size_t next_ = 0;  // all before are expanded
  size_t invisible_ = 0;
  std::vector<float> distances_;
  std::vector<uint32_t> nodes_;
};

// Which nodes a search has met: a bit each, 48 to a word, so that the set stays in the nearest
// caches beside what a search streams through them (a byte each did not). To clear it costs
// nothing: a word's bits count only in its own round.
class VisitedNodes {
 public:
  void Clear(uint32_t nodes) {
    // With room to spare: a graph that grows row by row must not make every search start anew.
    if (nodes > limit_) {
      limit_ = nodes + nodes / 8 + 1024;
      words_.assign(limit_ / kBits + 1, 0);
      round_ = 0;
    }
    if (++round_ == kRounds) {
      std::fill(words_.begin(), words_.end(), uint64_t{0});
      round_ = 1;
    }
  }
  // False where the node was met before.
  bool Visit(uint32_t node) {
    // Nodes that were added since Clear and do not fit are not seen by this search.
    if (node >= limit_) return false;
    uint64_t& word = words_[node / kBits];
    const uint64_t met = word >> kBits == round_ ? word : round_ << kBits;
    const uint64_t bit = uint64_t{1} << node % kBits;
    word = met | bit;
    return (met & bit) == 0;
  }
  size_t bytes() const { return words_.capacity() * sizeof(uint64_t); }

 private:
  static constexpr uint32_t kBits = 48;
  static constexpr uint64_t kRounds = uint64_t{1} << (64 - kBits);

  std::vector<uint64_t> words_;  // the round above the bits
  uint64_t round_ = 0;           // never 0 once cleared
  uint32_t limit_ = 0;           // nodes below fit
};

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_POOL_H_
