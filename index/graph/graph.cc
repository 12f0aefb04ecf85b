#include "index/graph/graph.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/graph/writing.h"
#include "index/shells.h"

namespace nestor {
namespace {

uint64_t Hash(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

Graph::Graph(Metric metric, const GraphSpec& spec, const NodeRows& rows)
    : spec_(spec),
      rows_(rows),
      space_{.metric = metric},
      nodes_(spec.dim, spec.degree),
      locks_(std::make_unique<Mutex[]>(kLocks)) {
  tables_.push_back({std::make_unique<EntryTable>(nodes_, metric, 128)});
  entries_.store(tables_.back().table.get(), std::memory_order_release);
}

Graph::~Graph() = default;

uint32_t Graph::StateOf(uint64_t sequence) const {
  return sequence < base_
             ? 0
             : static_cast<uint32_t>(std::min<uint64_t>(sequence - base_ + 1, NodeTail::kLookUp));
}

bool Graph::IsEntry(uint64_t row, uint64_t rows) {
  const double entries = std::max(16.0, 2 * std::sqrt(static_cast<double>(rows)));
  return static_cast<double>(Hash(row)) < entries / static_cast<double>(rows + 1) * 0x1p64;
}

void Graph::AddEntry(uint32_t node) {
  MutexLock lock(&entries_mutex_);
  EntryTable* table = tables_.back().table.get();
  if (table->full()) {
    auto larger = std::make_unique<EntryTable>(nodes_, space_.metric, 2 * table->capacity());
    for (uint32_t i = 0; i < table->count(); ++i) larger->Add(table->node(i));
    table = larger.get();
    tables_.back().replaced_at = last_sequence_;
    tables_.push_back({std::move(larger)});
  }
  table->Add(node);
  entries_.store(table, std::memory_order_release);
}

void Graph::ReplaceEntries(std::span<const uint32_t> nodes) {
  MutexLock lock(&entries_mutex_);
  const uint64_t oldest = oldest_.load(std::memory_order_acquire);
  std::erase_if(tables_, [&](const Table& table) {
    return table.table.get() != entries_.load(std::memory_order_relaxed) &&
           table.replaced_at < oldest;
  });
  auto table = std::make_unique<EntryTable>(
      nodes_, space_.metric, std::max<uint32_t>(256, static_cast<uint32_t>(nodes.size()) * 2));
  for (const uint32_t node : nodes) table->Add(node);
  entries_.store(table.get(), std::memory_order_release);
  tables_.back().replaced_at = last_sequence_;
  tables_.push_back({std::move(table)});
}

void Graph::Encode(uint32_t node, const float* prefix, bool integral, double* square) {
  int8_t* codes = nodes_.codes(node);
  float scale = 1;
  if (integral) {
    CopyInt8(prefix, spec_.dim, codes);
  } else {
    scale = QuantizeInt8(prefix, spec_.dim, codes);
  }
  std::memset(codes + spec_.dim, 0, nodes_.code_bytes() - spec_.dim);
  *square = ActiveKernels().dot_f64(prefix, prefix, spec_.dim);
  nodes_.tail(node).scale = scale;
}

void Graph::GrowParents() {
  while (parents_.size() < nodes_.limit()) parents_.emplace_back(kNoNode);
}

void Graph::FreeRetired() {
  const uint64_t oldest = oldest_.load(std::memory_order_acquire);
  for (; !retired_.empty() && retired_.front().last < oldest; retired_.pop_front()) {
    const uint32_t node = retired_.front().node;
    free_nodes_.push_back(node);
    freed_slots_.push_back(nodes_.tail(node).slot);
  }
}

std::vector<uint32_t> Graph::TakeFreedSlots() {
  MutexLock lock(&mutex_);
  FreeRetired();
  return std::exchange(freed_slots_, {});
}

absl::StatusOr<uint32_t> Graph::TakeNode() {
  FreeRetired();
  if (!free_nodes_.empty()) {
    const uint32_t node = free_nodes_.front();
    free_nodes_.pop_front();
    SetParent(node, kNoNode);
    return node;
  }
  const uint32_t node = nodes_.limit();
  if (!nodes_.Grow(1, /*bulk=*/false)) {
    return absl::ResourceExhaustedError(absl::StrCat("the graph has used all ", node, " nodes"));
  }
  GrowParents();
  return node;
}

absl::Status Graph::Insert(uint32_t slot, const float* prefix, bool integral, uint64_t row,
                           uint64_t born) {
  MutexLock lock(&mutex_);
  const absl::StatusOr<uint32_t> taken = TakeNode();
  if (!taken.ok()) return taken.status();
  const uint32_t node = *taken;
  double square = 0;
  Encode(node, prefix, integral, &square);
  NodeTail& tail = nodes_.tail(node);
  // Nothing was there to measure the longest of: later rows may well be longer than the first.
  if (space_.largest_norm == 0) space_.largest_norm = square > 0 ? 2 * std::sqrt(square) : 1;
  space_.SetTail(tail.scale, square, &tail);
  tail.slot = slot;
  tail.state.store(StateOf(born), std::memory_order_release);
  if (node_of_slot_.size() <= slot) node_of_slot_.resize(slot + 1, kNoNode);
  node_of_slot_[slot] = node;
  last_sequence_ = std::max(last_sequence_, born);
  used_.fetch_add(1, std::memory_order_relaxed);
  if (writing_ == nullptr) writing_ = std::make_unique<Writing>(nodes_, space_);
  Link(node, /*shared=*/false, writing_.get());
  MarkChanged(node);
  if (entries().count() == 0 || IsEntry(row, used_.load(std::memory_order_relaxed))) {
    AddEntry(node);
  }
  return absl::OkStatus();
}

void Graph::MarkDead(uint32_t slot, uint64_t dead) {
  MutexLock lock(&mutex_);
  last_sequence_ = std::max(last_sequence_, dead);
  nodes_.tail(node_of_slot_[slot])
      .state.store(NodeTail::kDead + StateOf(dead), std::memory_order_release);
  dead_.fetch_add(1, std::memory_order_relaxed);
}

void Graph::SetLinks(uint32_t node, std::span<const uint32_t> links) {
  std::atomic<uint32_t>* out = nodes_.links(node);
  for (size_t i = 0; i < links.size(); ++i) out[i].store(links[i], std::memory_order_release);
  if (links.size() < spec_.degree) out[links.size()].store(kNoNode, std::memory_order_release);
}

bool Graph::AddLink(uint32_t node, uint32_t link) {
  std::atomic<uint32_t>* links = nodes_.links(node);
  for (uint32_t i = 0; i < spec_.degree; ++i) {
    if (links[i].load(std::memory_order_relaxed) != kNoNode) continue;
    // What lies behind the end is left over from longer lists.
    if (i + 1 < spec_.degree) links[i + 1].store(kNoNode, std::memory_order_relaxed);
    links[i].store(link, std::memory_order_release);
    return true;
  }
  return false;
}

void Graph::ReadLinks(uint32_t node, std::vector<uint32_t>* links) const {
  links->clear();
  const std::atomic<uint32_t>* at = nodes_.links(node);
  for (uint32_t i = 0; i < spec_.degree; ++i) {
    const uint32_t link = at[i].load(std::memory_order_acquire);
    if (link == kNoNode) return;
    links->push_back(link);
  }
}

void Graph::Link(uint32_t node, bool shared, Writing* writing) {
  const GraphQuery query{.point = space_.FromNode(nodes_, node), .ef = spec_.ef_construction};
  GraphSearch(nodes_, entries(), nullptr, query, &writing->scratch).Run();
  const NodePool& pool = writing->scratch.pool;
  writing->candidates.clear();
  for (size_t i = 0; i < pool.size(); ++i) {
    if (!pool.visible(i) || pool.node(i) == node) continue;
    writing->candidates.push_back({pool.distance(i), pool.node(i)});
  }
  writing->chooser.Choose(writing->candidates, spec_.degree, spec_.degree / 2, &writing->chosen);
  if (shared) {
    MutexLock lock(&locks_[node % kLocks]);
    SetLinks(node, writing->chosen);
  } else {
    SetLinks(node, writing->chosen);
  }
  for (const uint32_t chosen : writing->chosen) nodes_.PrefetchLinks(nodes_.codes(chosen));
  const auto distances = writing->chooser.Distances(space_.FromNode(nodes_, node), writing->chosen);
  writing->chosen_distances.assign(distances.begin(), distances.end());
  for (const bool must : {false, true}) {
    for (size_t i = 0; i < writing->chosen.size(); ++i) {
      const uint32_t chosen = writing->chosen[i];
      const Neighbour added{writing->chosen_distances[i], node};
      if (shared) {
        MutexLock lock(&locks_[chosen % kLocks]);
        LinkBack(chosen, added, must, writing);
      } else if (LinkBack(chosen, added, must, writing)) {
        MarkChanged(chosen);
      }
      if (must && ParentOf(node) != kNoNode) return;
    }
    // No neighbour found a link back worth it: then the nearest that can.
    if (ParentOf(node) != kNoNode) return;
  }
  // All links of all neighbours lead to their children, as those of many equal rows do.
  if (writing->chosen.empty() || !Interpose(writing->chosen.front(), node, shared)) AddEntry(node);
}

bool Graph::Interpose(uint32_t parent, uint32_t node, bool shared) {
  std::vector<uint32_t> links;
  ReadLinks(parent, &links);
  for (const uint32_t child : links) {
    if (child == node || ParentOf(child) != parent) continue;
    {
      std::optional<MutexLock> lock;
      if (shared) lock.emplace(&locks_[node % kLocks]);
      ReadLinks(node, &links);
      if (std::find(links.begin(), links.end(), child) == links.end() && !AddLink(node, child)) {
        const auto last = std::find_if(links.rbegin(), links.rend(),
                                       [&](uint32_t link) { return ParentOf(link) != node; });
        if (last == links.rend()) return false;
        *last = child;
        SetLinks(node, links);
      }
    }
    std::optional<MutexLock> lock;
    if (shared) lock.emplace(&locks_[parent % kLocks]);
    ReadLinks(parent, &links);
    const auto at = std::find(links.begin(), links.end(), child);
    // Another thread came first: the end of the build mends what is left.
    if (at == links.end() || ParentOf(child) != parent) return false;
    *at = node;
    SetLinks(parent, links);
    SetParent(child, node);
    SetParent(node, parent);
    if (!shared) MarkChanged(parent);
    return true;
  }
  return false;
}

bool Graph::LinkBack(uint32_t node, Neighbour added, bool must, Writing* writing) {
  std::vector<uint32_t>& links = writing->links;
  ReadLinks(node, &links);
  bool linked = std::find(links.begin(), links.end(), added.node) != links.end();
  bool changed = false;
  if (!linked && links.size() < spec_.degree) {
    linked = changed = AddLink(node, added.node);
  } else if (!linked) {
    for (const uint32_t link : links) nodes_.Prefetch(nodes_.codes(link));
    const auto is_child = [&](uint32_t link) { return ParentOf(link) == node; };
    linked = changed = writing->chooser.Exchange(node, added, is_child, must, &links);
    if (changed) SetLinks(node, links);
  }
  if (linked && ParentOf(added.node) == kNoNode) SetParent(added.node, node);
  return changed;
}

void Graph::MarkChanged(uint32_t node) {
  const size_t block = node / StoredGraph::kBlockNodes;
  if (changed_.size() <= block) changed_.resize(block + 1, 0);
  if (changed_[block] == 0) changed_blocks_.fetch_add(1, std::memory_order_relaxed);
  changed_[block] = 1;
}

void Graph::PutBack(std::span<const StoredGraph::Block> blocks) {
  MutexLock lock(&mutex_);
  for (const StoredGraph::Block& block : blocks) {
    MarkChanged(block.number * StoredGraph::kBlockNodes);
  }
}

uint64_t Graph::changed_nodes() const {
  return changed_blocks_.load(std::memory_order_relaxed) * StoredGraph::kBlockNodes;
}

StoredGraph::Head Graph::StoredHead() const {
  return {.spec = spec_, .largest_norm = space_.largest_norm};
}

std::vector<StoredGraph::Block> Graph::TakeChanged(uint32_t* next, size_t max_blocks) {
  MutexLock lock(&mutex_);
  std::vector<StoredGraph::Block> blocks;
  std::vector<uint32_t> links;
  for (; *next < changed_.size() && blocks.size() < max_blocks; ++*next) {
    const uint32_t b = *next;
    if (changed_[b] == 0) continue;
    changed_[b] = 0;
    changed_blocks_.fetch_sub(1, std::memory_order_relaxed);
    StoredGraph::Block& block = blocks.emplace_back();
    block.number = b;
    const uint32_t first = b * StoredGraph::kBlockNodes;
    const uint32_t end = std::min(nodes_.limit(), first + StoredGraph::kBlockNodes);
    for (uint32_t node = first; node < end; ++node) {
      // A dead row's node is stored too: others are linked by way of it.
      const bool used = InUse(node);
      ReadLinks(node, &links);
      if (!used) links.clear();
      AppendNode(used ? rows_.RowOf(nodes_.tail(node).slot) : StoredGraph::kNoRow, links,
                 spec_.degree, &block.bytes);
    }
  }
  return blocks;
}

double Graph::DeadShare() const {
  const uint64_t used = used_.load(std::memory_order_relaxed);
  return used == 0 ? 0
                   : static_cast<double>(dead_.load(std::memory_order_relaxed)) /
                         static_cast<double>(used);
}

GraphMemory Graph::Memory() const {
  MutexLock lock(&mutex_);
  const uint64_t nodes = nodes_.limit();
  GraphMemory memory;
  memory.codes = nodes * nodes_.code_bytes();
  memory.tails = nodes * sizeof(NodeTail);
  memory.links = nodes * nodes_.record_bytes() - memory.codes - memory.tails;
  memory.tables = parents_.size() * sizeof(uint32_t) + node_of_slot_.capacity() * sizeof(uint32_t) +
                  retired_.size() * sizeof(Retired) +
                  (free_nodes_.size() + freed_slots_.capacity()) * sizeof(uint32_t) +
                  changed_.capacity();
  if (writing_ != nullptr) memory.tables += writing_->scratch.visited.bytes();
  MutexLock entries_lock(&entries_mutex_);
  for (const Table& table : tables_) memory.entries += table.table->bytes();
  return memory;
}

}  // namespace nestor
