// A navigable graph over the int8 codes of x[:dim] of an index's rows: a source of candidates
// beside the lists (AdANNS, Rege et al., NeurIPS 2023, section 4.3 runs its idea on HNSW and
// DiskANN). Flat: a search enters at a sample of the nodes (entries.h).
//
// Threads: any number of readers, which take no lock, beside writers that exclude each other by the
// graph's lock: Insert and MarkDead by the index's one writer, Repair and TakeChanged by anyone.
// Links are published one by one; a reader that sees some old and some new ones of a node still
// sees nodes.
//
// Every node but the entries has a parent, a node whose link to it is never given up: so every node
// can be reached from an entry, however links are exchanged.
//
// Repair takes dead nodes out. Such a node is used again once no reader is left that could have met
// it: the owner says how far back snapshots reach (SetOldest).
#ifndef NESTOR_INDEX_GRAPH_GRAPH_H_
#define NESTOR_INDEX_GRAPH_GRAPH_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/base/mutex.h"
#include "index/graph/graph_memory.h"
#include "index/graph/links.h"
#include "index/graph/nodes.h"
#include "index/graph/search.h"
#include "index/graph/space.h"
#include "index/graph/stored_graph.h"
#include "index/schema.h"

namespace nestor {

class Graph {
 public:
  // `spec` is resolved. `rows` is asked about slots that were filled or inserted.
  Graph(Metric metric, const GraphSpec& spec, const NodeRows& rows);
  ~Graph();

  // --- Filling at once, before there are readers ---
  // With LinkAll to follow: nodes 0..n-1 for slots 0..n-1.
  void Reserve(uint32_t n);
  // With Adopt to follow: nodes for those of the stored graph's rows that are filled.
  void Reserve(uint32_t slots, StoredGraph stored);
  // Any thread, any order, each slot once. `prefix` has dim floats.
  void Fill(uint32_t slot, uint64_t row, const float* prefix, bool integral);
  // Readers see all of them; `base` is the last sequence that bore one.
  void Publish(uint64_t base);
  // Links all nodes. With one thread the result depends on the rows and their order only. False
  // from `progress` (fraction, on the calling thread): Cancelled.
  absl::Status LinkAll(int threads, const std::function<bool(double)>& progress);
  // Links them as they were stored, past rows that are gone. The filled slots that the stored graph
  // lacks: to be inserted by the caller.
  std::vector<uint32_t> Adopt();
  // After those inserts.
  void EnsureReachable();

  // --- Writer ---
  // Encodes and links the row. ResourceExhausted when numbers run out.
  absl::Status Insert(uint32_t slot, const float* prefix, bool integral, uint64_t row,
                      uint64_t born);
  // The row is invisible from snapshot `dead` on.
  void MarkDead(uint32_t slot, uint64_t dead);
  // Slots of nodes that were taken out, since the last call: no reader is left who has met them.
  std::vector<uint32_t> TakeFreedSlots();
  // No reader of a snapshot below this is left, or will come.
  void SetOldest(uint64_t oldest) { oldest_.store(oldest, std::memory_order_release); }

  // --- Background ---
  // Rows that died, in parts of the nodes in use.
  double DeadShare() const;
  // Takes out the nodes of rows that no snapshot shows, relinks their neighbours and makes sure
  // that every node can be reached. Holds the lock for short whiles. False from `go_on`: Cancelled,
  // with the graph whole. Returns how many it took out.
  absl::StatusOr<uint64_t> Repair(const std::function<bool()>& go_on);
  // The stored form of up to `max_blocks` blocks, from number *next on, that changed since they
  // were last taken; *next moves behind them. Empty when there are none.
  std::vector<StoredGraph::Block> TakeChanged(uint32_t* next, size_t max_blocks);
  // Those could not be stored: they count as changed.
  void PutBack(std::span<const StoredGraph::Block> blocks);
  // Blocks that changed: about how many nodes they hold.
  uint64_t changed_nodes() const;
  StoredGraph::Head StoredHead() const;

  // --- Readers ---
  const NodeStore& nodes() const { return nodes_; }
  const GraphSpace& space() const { return space_; }
  const GraphSpec& spec() const { return spec_; }
  const EntryTable& entries() const { return *entries_.load(std::memory_order_acquire); }
  // A sequence as node states have it.
  uint32_t StateOf(uint64_t sequence) const;
  GraphMemory Memory() const;
  // Of one more row.
  size_t node_bytes() const { return nodes_.record_bytes() + 2 * sizeof(uint32_t); }
  // Nodes that no search could have reached: found, and linked, by LinkAll, Adopt and Repair.
  uint64_t mended() const { return mended_.load(std::memory_order_relaxed); }

 private:
  struct Writing;

  void Encode(uint32_t node, const float* prefix, bool integral, double* square);
  void LinkNewNodes(int threads, std::atomic<bool>* stop,
                    const std::function<bool(double)>& progress);
  void FreeRetired();
  absl::StatusOr<uint32_t> TakeNode();
  bool InUse(uint32_t node) const {
    return nodes_.tail(node).state.load(std::memory_order_relaxed) < NodeTail::kFree;
  }
  bool Alive(uint32_t node) const {
    return nodes_.tail(node).state.load(std::memory_order_relaxed) < NodeTail::kDead;
  }

  // Entries: about 2 sqrt(n) of n rows, chosen by a hash of their numbers.
  static bool IsEntry(uint64_t row, uint64_t rows);
  void AddEntry(uint32_t node);
  void ReplaceEntries(std::span<const uint32_t> nodes);

  // Finds the node's neighbours, links it to them and them to it. `shared`: several threads do.
  void Link(uint32_t node, bool shared, Writing* writing);
  // Links back to `added` if that is worth it, or if it `must`. Whether it did; the first node that
  // does is its parent.
  bool LinkBack(uint32_t node, Neighbour added, bool must, Writing* writing);
  // Puts the node between `parent` and one of its children. False where there is none.
  bool Interpose(uint32_t parent, uint32_t node, bool shared);
  void SetLinks(uint32_t node, std::span<const uint32_t> links);
  // Adds one link if there is room.
  bool AddLink(uint32_t node, uint32_t link);
  void ReadLinks(uint32_t node, std::vector<uint32_t>* links) const;
  // Chooses the node's links anew among `candidates` (any order, repeats allowed); links to its
  // children stay.
  void Relink(uint32_t node, std::vector<uint32_t>* candidates, Writing* writing);
  // Walks the graph from the entries, past the nodes that are `out`, makes whoever leads to a node
  // first its parent, and links the live nodes that cannot be reached so. Holds the lock for short
  // whiles. False where `go_on` said no: the graph is whole, if `out` is not taken out.
  bool Mend(const std::vector<uint8_t>& out, const std::function<bool()>& go_on, Writing* writing);
  // Gives the node a parent among those reached and returns it, or makes it an entry.
  uint32_t MendOne(uint32_t node, const std::vector<uint8_t>& reached, Writing* writing);
  void MarkChanged(uint32_t node);

  uint32_t ParentOf(uint32_t node) const { return parents_[node].load(std::memory_order_relaxed); }
  void SetParent(uint32_t node, uint32_t parent) {
    parents_[node].store(parent, std::memory_order_relaxed);
  }
  void GrowParents();

  // Repair, step by step.
  std::vector<uint8_t> NodesToTakeOut(uint64_t* count);
  void RelinkAround(uint32_t node, const std::vector<uint8_t>& out, Writing* writing);
  void Retire(const std::vector<uint8_t>& out);

  static constexpr size_t kLocks = 1024;

  const GraphSpec spec_;
  const NodeRows& rows_;
  uint64_t base_ = 0;
  GraphSpace space_;
  NodeStore nodes_;
  std::unique_ptr<Mutex[]> locks_;  // of nodes' links, while several threads link

  mutable Mutex mutex_;  // writers
  std::unique_ptr<Writing> writing_;
  std::vector<uint32_t> node_of_slot_;
  std::deque<std::atomic<uint32_t>> parents_;  // by node; kNoNode: an entry, or none yet
  // Nodes that were taken out while `last` was the last sequence that the graph knew.
  struct Retired {
    uint32_t node = 0;
    uint64_t last = 0;
  };
  std::deque<Retired> retired_;
  std::deque<uint32_t> free_nodes_;    // retired ones that nobody reads any more
  std::vector<uint32_t> freed_slots_;  // theirs
  uint64_t last_sequence_ = 0;
  std::vector<uint8_t> changed_;  // by stored block
  std::atomic<uint64_t> changed_blocks_{0};
  std::atomic<uint64_t> oldest_{0};
  std::atomic<uint64_t> dead_{0};
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> mended_{0};

  mutable Mutex entries_mutex_;
  struct Table {
    std::unique_ptr<EntryTable> table;
    uint64_t replaced_at = 0;  // the last sequence then
  };
  std::vector<Table> tables_;  // the last one is in use
  std::atomic<EntryTable*> entries_{nullptr};

  // While filling.
  std::vector<double> squares_;  // |prefix|^2, by node
  std::unique_ptr<StoredGraph> stored_;
  std::vector<uint32_t> stored_order_;  // the stored nodes by row
};

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_GRAPH_H_
