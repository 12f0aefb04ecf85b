// A navigable graph over the int8 codes of x[:dim] of an index's rows: a source of candidates
// beside the lists (AdANNS, Rege et al., NeurIPS 2023, section 4.3 runs its idea on HNSW and
// DiskANN). Flat: a search enters at a sample of the nodes (entries.h).
//
// Threads: any number of readers, which take no lock, beside writers that exclude each other by a
// lock of the graph: Insert and MarkDead by the index's one writer, Repair by anyone. Links are
// published one by one; a reader that sees some old and some new ones of a node still sees nodes.
//
// A node that is taken out may be used again once no reader that could have met it is left: the
// owner says how far back snapshots reach (`oldest`).
#ifndef NESTOR_INDEX_GRAPH_GRAPH_H_
#define NESTOR_INDEX_GRAPH_GRAPH_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/base/mutex.h"
#include "index/graph/links.h"
#include "index/graph/nodes.h"
#include "index/graph/search.h"
#include "index/graph/space.h"
#include "index/schema.h"

namespace nestor {

class Graph {
 public:
  // `spec` is resolved.
  Graph(Metric metric, const GraphSpec& spec, const NodeVisibility* visibility);
  ~Graph();

  // --- Filling at once, before there are readers. Nodes 0..n-1 belong to slots 0..n-1. ---
  void Reserve(uint32_t n);
  // Any thread, any order, each once. `prefix` has dim floats.
  void Fill(uint32_t node, const float* prefix, bool integral);
  // Readers see all of them; `base` is the last sequence that bore one.
  void Publish(uint64_t base) { base_ = base; }
  // Then links all of them. With one thread the result depends on the rows and their order only.
  // False from `progress` (fraction, on the calling thread): Cancelled.
  absl::Status LinkAll(int threads, const std::function<bool(double)>& progress);

  // --- Writer ---
  // Encodes and links the row. ResourceExhausted when numbers run out.
  absl::Status Insert(uint32_t slot, const float* prefix, bool integral, uint64_t row,
                      uint64_t born);
  // The row is invisible from some snapshot on; NodeVisibility knows which.
  void MarkDead(uint32_t slot);

  // --- Readers ---
  const NodeStore& nodes() const { return nodes_; }
  const GraphSpace& space() const { return space_; }
  const GraphSpec& spec() const { return spec_; }
  const NodeVisibility* visibility() const { return visibility_; }
  const EntryTable& entries() const { return *entries_.load(std::memory_order_acquire); }
  // A snapshot as node states have it.
  uint32_t SnapshotOf(uint64_t sequence) const;
  uint64_t bytes() const;
  // Nodes that no search could reach when they were last counted, before they were mended.
  uint64_t mended() const { return mended_.load(std::memory_order_relaxed); }

 private:
  struct Writing;

  void Encode(uint32_t node, const float* prefix, bool integral, double* square);
  uint32_t StateOf(uint64_t born) const;
  // How many of `rows` nodes are entries.
  static uint32_t EntriesFor(uint64_t rows);
  bool IsEntry(uint64_t row, uint64_t rows) const;
  void AddEntry(uint32_t node);
  // Finds the node's neighbours, links it to them and them to it. `locked`: other threads do the
  // same.
  void Link(uint32_t node, bool locked, Writing* writing);
  void SetLinks(uint32_t node, std::span<const uint32_t> links);
  void LinkBack(uint32_t node, Neighbour added, Writing* writing);
  // Links every node that cannot be reached from the entries. Returns how many there were.
  uint64_t Mend(Writing* writing);
  Mutex& LockOf(uint32_t node) { return locks_[node % kLocks]; }

  static constexpr size_t kLocks = 1024;

  const GraphSpec spec_;
  uint64_t base_ = 0;
  const NodeVisibility* const visibility_;
  GraphSpace space_;
  NodeStore nodes_;
  Mutex mutex_;                     // writers
  std::unique_ptr<Mutex[]> locks_;  // of nodes' links, while several threads link
  Mutex entries_mutex_;
  std::vector<std::unique_ptr<EntryTable>> tables_;  // the last one is in use
  std::atomic<EntryTable*> entries_{nullptr};
  std::vector<double> squares_;  // |prefix|^2, while filling
  std::vector<uint32_t> node_of_slot_;
  std::unique_ptr<Writing> writing_;  // the writer's buffers
  std::atomic<uint64_t> mended_{0};
  std::atomic<uint64_t> dead_{0};
};

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_GRAPH_H_
