#include "index/graph/graph.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "index/shells.h"

namespace nestor {
namespace {

// Links come after the node's first thousand are in place: before, several threads would not see
// each other's nodes.
constexpr uint32_t kLinkedByOne = 1024;

uint64_t Hash(uint64_t x) {  // splitmix64
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

// What one writing thread needs.
struct Graph::Writing {
  explicit Writing(const Graph& graph) : chooser(graph.nodes_, graph.space_) {}
  LinkChooser chooser;
  GraphScratch scratch;
  std::vector<Neighbour> candidates;
  std::vector<uint32_t> chosen;
  std::vector<uint32_t> links;
  std::vector<uint32_t> back;
};

Graph::Graph(Metric metric, const GraphSpec& spec, const NodeVisibility* visibility)
    : spec_(spec),
      visibility_(visibility),
      space_{.metric = metric},
      nodes_(spec.dim, spec.degree),
      locks_(std::make_unique<Mutex[]>(kLocks)) {
  tables_.push_back(std::make_unique<EntryTable>(nodes_, metric, 256));
  entries_.store(tables_.back().get(), std::memory_order_release);
}

Graph::~Graph() = default;

uint32_t Graph::EntriesFor(uint64_t rows) {
  return static_cast<uint32_t>(std::max(16.0, 2 * std::sqrt(static_cast<double>(rows))));
}

bool Graph::IsEntry(uint64_t row, uint64_t rows) const {
  const double share = static_cast<double>(EntriesFor(rows)) / static_cast<double>(rows + 1);
  return static_cast<double>(Hash(row)) < share * 0x1p64;
}

void Graph::AddEntry(uint32_t node) {
  MutexLock lock(&entries_mutex_);
  EntryTable* table = tables_.back().get();
  if (table->full()) {
    auto larger = std::make_unique<EntryTable>(nodes_, space_.metric, 2 * table->capacity());
    for (uint32_t i = 0; i < table->count(); ++i) larger->Add(table->node(i));
    table = larger.get();
    tables_.push_back(std::move(larger));
  }
  table->Add(node);
  entries_.store(table, std::memory_order_release);
}

uint32_t Graph::SnapshotOf(uint64_t sequence) const {
  return sequence <= base_
             ? 0
             : static_cast<uint32_t>(std::min<uint64_t>(sequence - base_, NodeTail::kDead - 1));
}

uint32_t Graph::StateOf(uint64_t born) const {
  // Sequences that do not fit are looked up.
  return born <= base_ ? 0
                       : static_cast<uint32_t>(std::min<uint64_t>(born - base_, NodeTail::kDead));
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

void Graph::Reserve(uint32_t n) {
  nodes_.Grow(n, /*bulk=*/true);
  squares_.resize(n);
  node_of_slot_.resize(n);
}

void Graph::Fill(uint32_t node, const float* prefix, bool integral) {
  Encode(node, prefix, integral, &squares_[node]);
  NodeTail& tail = nodes_.tail(node);
  tail.slot = node;
  node_of_slot_[node] = node;
}

absl::Status Graph::LinkAll(int threads, const std::function<bool(double)>& progress) {
  const uint32_t n = nodes_.limit();
  if (!squares_.empty()) {
    space_.largest_norm = std::sqrt(*std::max_element(squares_.begin(), squares_.end()));
    if (space_.largest_norm == 0) space_.largest_norm = 1;
  }
  for (uint32_t node = 0; node < n; ++node) {
    space_.SetTail(nodes_.tail(node).scale, squares_[node], &nodes_.tail(node));
  }
  squares_ = {};
  if (n == 0) return absl::OkStatus();
  AddEntry(0);

  std::atomic<uint32_t> next{1};
  std::atomic<bool> stop{false};
  const auto work = [&](bool first, uint32_t end, bool locked) {
    Writing writing(*this);
    for (uint32_t node = next++; node < end && !stop; node = next++) {
      if (first && node % 256 == 0 && !progress(static_cast<double>(node) / n)) stop = true;
      Link(node, locked, &writing);
      if (IsEntry(node, n)) AddEntry(node);
    }
  };
  const uint32_t alone = threads == 1 ? n : std::min(n, kLinkedByOne);
  work(true, alone, /*locked=*/false);
  if (alone < n) {
    next = alone;
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(work, false, n, true);
    work(true, n, /*locked=*/true);
    for (std::thread& thread : others) thread.join();
  }
  if (stop) return absl::CancelledError("the build was cancelled");
  Writing writing(*this);
  mended_.store(Mend(&writing), std::memory_order_relaxed);
  return absl::OkStatus();
}

void Graph::SetLinks(uint32_t node, std::span<const uint32_t> links) {
  std::atomic<uint32_t>* out = nodes_.links(node);
  for (size_t i = 0; i < links.size(); ++i) out[i].store(links[i], std::memory_order_release);
  if (links.size() < spec_.degree) out[links.size()].store(kNoNode, std::memory_order_release);
}

void Graph::Link(uint32_t node, bool locked, Writing* writing) {
  GraphQuery query{.point = space_.FromNode(nodes_, node), .ef = spec_.ef_construction};
  GraphSearch search(nodes_, entries(), nullptr, query, &writing->scratch);
  search.Run();
  const NodePool& pool = writing->scratch.pool;
  writing->candidates.clear();
  for (size_t i = 0; i < pool.size(); ++i) {
    if (!pool.visible(i) || pool.node(i) == node) continue;
    writing->candidates.push_back({pool.distance(i), pool.node(i)});
  }
  writing->chooser.Choose(writing->candidates, spec_.degree, /*fill=*/spec_.degree / 2,
                          &writing->chosen);
  // The distances of the chosen ones, for the links back.
  if (locked) {
    MutexLock lock(&LockOf(node));
    SetLinks(node, writing->chosen);
  } else {
    SetLinks(node, writing->chosen);
  }
  for (const uint32_t chosen : writing->chosen) nodes_.PrefetchLinks(nodes_.codes(chosen));
  for (const uint32_t chosen : writing->chosen) {
    const auto distance = writing->chooser.Distances(space_.FromNode(nodes_, chosen), {&node, 1});
    if (locked) {
      MutexLock lock(&LockOf(chosen));
      LinkBack(chosen, {distance[0], node}, writing);
    } else {
      LinkBack(chosen, {distance[0], node}, writing);
    }
  }
}

void Graph::LinkBack(uint32_t node, Neighbour added, Writing* writing) {
  std::atomic<uint32_t>* links = nodes_.links(node);
  std::vector<uint32_t>& present = writing->back;
  present.clear();
  for (uint32_t i = 0; i < spec_.degree; ++i) {
    const uint32_t link = links[i].load(std::memory_order_acquire);
    if (link == kNoNode) break;
    if (link == added.node) return;
    present.push_back(link);
  }
  if (present.size() < spec_.degree) {
    if (present.size() + 1 < spec_.degree) {
      links[present.size() + 1].store(kNoNode, std::memory_order_relaxed);
    }
    links[present.size()].store(added.node, std::memory_order_release);
    return;
  }
  for (const uint32_t link : present) nodes_.Prefetch(nodes_.codes(link));
  if (writing->chooser.Exchange(node, added, &present)) SetLinks(node, present);
}

uint64_t Graph::Mend(Writing* writing) {
  const uint32_t n = nodes_.limit();
  std::vector<uint8_t> reached(n, 0);
  std::vector<uint32_t> queue;
  const auto reach = [&](uint32_t node) {
    if (reached[node]) return;
    reached[node] = 1;
    queue.push_back(node);
  };
  const auto spread = [&] {
    while (!queue.empty()) {
      const uint32_t node = queue.back();
      queue.pop_back();
      const std::atomic<uint32_t>* links = nodes_.links(node);
      for (uint32_t i = 0; i < spec_.degree; ++i) {
        const uint32_t link = links[i].load(std::memory_order_acquire);
        if (link == kNoNode) break;
        reach(link);
      }
    }
  };
  for (uint32_t i = 0; i < entries().count(); ++i) reach(entries().node(i));
  spread();
  uint64_t mended = 0;
  for (uint32_t node = 0; node < n; ++node) {
    if (reached[node] || nodes_.tail(node).state.load() >= NodeTail::kDead) continue;
    ++mended;
    // A search reaches only what is reached: the nearest of its nodes with room for a link.
    GraphQuery query{.point = space_.FromNode(nodes_, node), .ef = spec_.ef_construction};
    GraphSearch search(nodes_, entries(), nullptr, query, &writing->scratch);
    search.Run();
    const NodePool& pool = writing->scratch.pool;
    bool linked = false;
    for (size_t i = 0; i < pool.size() && !linked; ++i) {
      std::atomic<uint32_t>* links = nodes_.links(pool.node(i));
      for (uint32_t l = 0; l < spec_.degree && !linked; ++l) {
        if (links[l].load(std::memory_order_relaxed) != kNoNode) continue;
        if (l + 1 < spec_.degree) links[l + 1].store(kNoNode, std::memory_order_relaxed);
        links[l].store(node, std::memory_order_release);
        linked = true;
      }
    }
    if (!linked) AddEntry(node);
    reach(node);
    spread();
  }
  return mended;
}

absl::Status Graph::Insert(uint32_t slot, const float* prefix, bool integral, uint64_t row,
                           uint64_t born) {
  MutexLock lock(&mutex_);
  const uint32_t node = nodes_.limit();
  if (!nodes_.Grow(1, /*bulk=*/false)) {
    return absl::ResourceExhaustedError(absl::StrCat("the graph has used all ", node, " nodes"));
  }
  double square = 0;
  Encode(node, prefix, integral, &square);
  NodeTail& tail = nodes_.tail(node);
  space_.SetTail(tail.scale, square, &tail);
  tail.slot = slot;
  tail.state.store(StateOf(born), std::memory_order_release);
  if (node_of_slot_.size() <= slot) node_of_slot_.resize(slot + 1, kNoNode);
  node_of_slot_[slot] = node;
  if (writing_ == nullptr) writing_ = std::make_unique<Writing>(*this);
  Link(node, /*locked=*/false, writing_.get());
  if (entries().count() == 0 || IsEntry(row, node)) AddEntry(node);
  return absl::OkStatus();
}

void Graph::MarkDead(uint32_t slot) {
  MutexLock lock(&mutex_);
  nodes_.tail(node_of_slot_[slot]).state.store(NodeTail::kDead, std::memory_order_release);
  dead_.fetch_add(1, std::memory_order_relaxed);
}

uint64_t Graph::bytes() const {
  uint64_t bytes = uint64_t{nodes_.limit()} * (nodes_.record_bytes() + sizeof(uint32_t));
  return bytes + entries().bytes();
}

}  // namespace nestor
