// Best-first search of a graph, in two halves that alternate: Gather chooses what to look at next
// and asks the cache for it, Score scores it. Two searches that take turns hide each other's waits.
#ifndef NESTOR_INDEX_GRAPH_SEARCH_H_
#define NESTOR_INDEX_GRAPH_SEARCH_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "index/graph/entries.h"
#include "index/graph/nodes.h"
#include "index/graph/pool.h"
#include "index/graph/space.h"
#include "index/kernels/kernels.h"

namespace nestor {

// What the index knows of the rows behind nodes, by slot.
class NodeRows {
 public:
  virtual ~NodeRows() = default;
  // Whether a snapshot shows the row: asked where a node's state says too little.
  virtual bool Visible(uint32_t slot, uint64_t snapshot) const = 0;
  // Whether no snapshot from `oldest` on does.
  virtual bool Gone(uint32_t slot, uint64_t oldest) const = 0;
  virtual uint64_t RowOf(uint32_t slot) const = 0;
};

struct GraphQuery {
  GraphPoint point;
  uint32_t ef = 0;   // size of the pool
  uint32_t k = 0;    // hits wanted: the k-th best sets the stop
  float margin = 0;  // 0 = no adaptive stop
  uint64_t snapshot = 0;
  uint32_t state = 0;  // the snapshot as node states have it (Graph::StateOf)
  uint32_t skip_slot = ~uint32_t{0};
  // How many nodes are expanded at once. Two, where a search runs alone: the second is nearly
  // always expanded anyway, and one wait serves both (0.96 to 1.12 times the QPS of one, by margin
  // and by what else the memory does; builds 20 % faster; three are slower). One, where another
  // search fills the wait.
  uint32_t beam = 2;
};

// Buffers of one search, reused.
struct GraphScratch {
  NodePool pool;
  VisitedNodes visited;
  EntryScratch entries;
  std::vector<uint32_t> fresh;  // neighbours to score
  std::vector<const int8_t*> records;
  std::vector<int32_t> sums;
};

class GraphSearch {
 public:
  // `rows` null: all see the nodes that nobody has deleted, and no others.
  GraphSearch(const NodeStore& nodes, const EntryTable& entries, const NodeRows* rows,
              const GraphQuery& query, GraphScratch* scratch);

  // The first time: the entries. False: the search is over; its result is the pool.
  bool Gather();
  void Score();
  void Run() {
    while (Gather()) Score();
  }

  uint64_t scored() const { return scored_; }
  uint64_t expanded() const { return expanded_; }
  // Only nodes nearer than this can be results, or lead to them.
  float Bound(float margin) const {
    if (!(margin > 0)) return std::numeric_limits<float>::infinity();
    // Below 0 lies what rounding makes of equal vectors, and under DOT what is longer than M
    // (space.h): the bound must lie beyond it all the same.
    const float kth = scratch_.pool.Kth(query_.k);
    return kth + margin * std::fabs(kth);
  }

 private:
  // Takes a node among those to score, if this search has not met it yet.
  void Collect(uint32_t node);
  void Prefetch();
  // Starts from all entries, once, where those nearest led to dead rows only.
  bool Widen();
  bool Visible(const NodeTail& tail) const;

  const NodeStore& nodes_;
  const EntryTable& entries_;
  const NodeRows* const rows_;
  const GraphQuery& query_;
  GraphScratch& scratch_;
  const Kernels& kernels_ = ActiveKernels();
  bool entered_ = false;
  bool widened_ = false;
  uint32_t fresh_ = 0;
  uint64_t scored_ = 0;
  uint64_t expanded_ = 0;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_SEARCH_H_
