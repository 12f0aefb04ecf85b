// Best-first search of a graph, in two halves that alternate: Gather chooses what to look at next
// and asks the cache for it, Score scores what was asked for first. Between the two other work
// hides the wait: the step before, or another search.
#ifndef NESTOR_INDEX_GRAPH_SEARCH_H_
#define NESTOR_INDEX_GRAPH_SEARCH_H_

#include <array>
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
  static constexpr uint32_t kMaxAhead = 2;

  GraphPoint point;
  uint32_t ef = 0;   // size of the pool
  uint32_t k = 0;    // hits wanted: the k-th best sets the stop
  float margin = 0;  // 0 = no adaptive stop
  uint64_t snapshot = 0;
  uint32_t state = 0;  // the snapshot as node states have it (Graph::StateOf)
  uint32_t skip_slot = ~uint32_t{0};
  // How many expansions are under way: Score scores the neighbours of one while those of the next
  // are on their way from memory. Two, where a search runs alone: 1.13 to 1.17 times the QPS of two
  // nodes expanded and scored together; three are slower, since what is chosen knows less. One,
  // where another search fills the wait.
  uint32_t ahead = kMaxAhead;
};

// Buffers of one search, reused.
struct GraphScratch {
  NodePool pool;
  VisitedNodes visited;
  EntryScratch entries;
  // What one expansion brings: `n` nodes to score.
  struct Step {
    std::vector<uint32_t> nodes;
    std::vector<const int8_t*> records;
    uint32_t n = 0;
  };
  std::array<Step, GraphQuery::kMaxAhead> steps;  // a ring
  std::vector<int32_t> sums;
};

class GraphSearch {
 public:
  // `rows` null: all see the nodes that nobody has deleted, and no others.
  GraphSearch(const NodeStore& nodes, const EntryTable& entries, const NodeRows* rows,
              const GraphQuery& query, GraphScratch* scratch);

  // The first time: the entries. False: the search is over; its result is the pool.
  bool Gather();
  // What was gathered first. Once after each Gather.
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
  GraphScratch::Step& StepAt(uint32_t i) { return scratch_.steps[i % GraphQuery::kMaxAhead]; }
  // Takes a node among those to score, if this search has not met it yet.
  void Collect(uint32_t node, GraphScratch::Step* step);
  // The step is whole: asks for its records, and counts it as gathered.
  void Send(GraphScratch::Step* step);
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
  uint32_t scored_steps_ = 0;
  uint32_t gathered_steps_ = 0;
  uint64_t scored_ = 0;
  uint64_t expanded_ = 0;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_SEARCH_H_
