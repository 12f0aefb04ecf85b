// Where a search enters the graph: a fixed sample of the nodes, of which it scores the first dims
// of all and starts at the nearest. As good as upper levels of a hierarchy or medoids, and it needs
// neither (shared/reference/performance.md, section 9).
//
// Nodes are added by one writer; readers read the count (acquire), then what lies before it. To
// take nodes out, the owner makes a new table.
#ifndef NESTOR_INDEX_GRAPH_ENTRIES_H_
#define NESTOR_INDEX_GRAPH_ENTRIES_H_

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "index/base/pages.h"
#include "index/graph/nodes.h"
#include "index/graph/space.h"
#include "index/kernels/kernels.h"

namespace nestor {

// Buffers of one search.
struct EntryScratch {
  std::vector<float> keys;
  std::vector<float> kept_keys;
  std::vector<float> kept_sums;
  std::vector<uint32_t> positions;
};

class EntryTable {
 public:
  EntryTable(const NodeStore& nodes, Metric metric, uint32_t capacity);

  bool full() const { return count() == capacity_; }
  uint32_t capacity() const { return capacity_; }
  uint32_t count() const { return count_.load(std::memory_order_acquire); }
  uint32_t node(uint32_t i) const { return nodes_of_[i]; }
  // The node's record is filled. Not when full().
  void Add(uint32_t node);
  // The `n` entries nearest to the point, or all, as node numbers in no particular order. The span
  // is valid until the scratch is used again.
  std::span<const uint32_t> Nearest(const GraphPoint& point, uint32_t n,
                                    EntryScratch* scratch) const;
  size_t bytes() const;
  // Bytes that Nearest reads.
  size_t scan_bytes() const { return count() * (dims_ + 2 * sizeof(float)); }
  uint32_t dims() const { return dims_; }

 private:
  static constexpr uint32_t kMaxDims = 64;

  const NodeStore& nodes_;
  const Metric metric_;
  const uint32_t capacity_;
  const uint32_t dims_;
  const size_t lines_;  // of a block
  PageBuffer codes_;    // interleaved blocks (kernels.h)
  std::vector<float> scales_;
  std::vector<float> aux_;  // of the codes (KeyKind)
  std::vector<uint32_t> nodes_of_;
  std::atomic<uint32_t> count_{0};
};

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_ENTRIES_H_
