// What a restart makes of a stored graph whose links may be anything: blocks are written one by
// one, so that they may even be of different times.
#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "index/graph/graph.h"
#include "index/graph/search.h"
#include "index/shells.h"
#include "tests/fuzz/targets.h"

namespace nestor {
namespace {

constexpr uint32_t kDim = 64;
constexpr uint32_t kDegree = 4;
constexpr uint32_t kMostRows = 64;
constexpr uint32_t kMostNodes = 96;
constexpr uint64_t kAlive = ~uint64_t{0};

// Row number = slot; all born at 1.
class Rows : public NodeRows {
 public:
  explicit Rows(uint32_t slots) : dead_(slots, kAlive) {}
  void Kill(uint32_t slot, uint64_t dead) { dead_[slot] = dead; }
  size_t CountAlive() const {
    return static_cast<size_t>(std::count(dead_.begin(), dead_.end(), kAlive));
  }

  bool Visible(uint32_t slot, uint64_t snapshot) const override {
    return snapshot >= 1 && snapshot < dead_[slot];
  }
  bool Gone(uint32_t slot, uint64_t oldest) const override { return dead_[slot] <= oldest; }
  uint64_t RowOf(uint32_t slot) const override { return slot; }

 private:
  std::vector<uint64_t> dead_;
};

const float* VectorOf(uint32_t slot) {
  static const std::vector<float> vectors = [] {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> values(kMostRows * kDim);
    for (float& x : values) x = normal(random);
    return values;
  }();
  return &vectors[size_t{slot} * kDim];
}

// With a pool that has room for all, a search meets every row that its snapshot shows.
void RequireReachable(const Graph& graph, const Rows& rows, uint64_t snapshot) {
  std::vector<int8_t> codes(graph.nodes().code_bytes());
  const float scale = QuantizeInt8(VectorOf(0), kDim, codes.data());
  const GraphQuery query = {.point = graph.space().FromQuery(codes.data(), scale, 1),
                            .ef = kMaxEf,
                            .k = kMaxEf,
                            .snapshot = snapshot,
                            .state = graph.StateOf(snapshot)};
  GraphScratch scratch;
  GraphSearch search(graph.nodes(), graph.entries(), &rows, query, &scratch);
  search.Run();
  Require(scratch.pool.results() == rows.CountAlive(), "every row can be reached");
}

uint32_t LinkOf(std::byte byte) {
  const auto node = static_cast<uint32_t>(byte);
  return node == 0xff ? kNoNode : node == 0xfe ? kMaxNodes : node;
}

StoredGraph MadeUp(FuzzInput nodes) {
  StoredGraph stored{.head = {.spec = {kDim, kDegree, 16}, .largest_norm = 12}};
  for (; nodes.size() > kDegree && stored.rows.size() < kMostNodes;
       nodes = nodes.subspan(1 + kDegree)) {
    const auto row = static_cast<uint64_t>(nodes[0]);
    stored.rows.push_back(row == 0xff ? StoredGraph::kNoRow : row);
    for (const std::byte link : nodes.subspan(1, kDegree)) stored.links.push_back(LinkOf(link));
  }
  return stored;
}

StoredGraph Built(Metric metric, uint32_t slots, FuzzInput changes) {
  const Rows rows(slots);
  Graph graph(metric, {kDim, kDegree, 16}, rows);
  graph.Reserve(slots);
  for (uint32_t slot = 0; slot < slots; ++slot) graph.Fill(slot, slot, VectorOf(slot), false);
  graph.Publish(1);
  Require(graph.LinkAll(1, nullptr).ok(), "a graph is built");
  StoredGraph stored{.head = graph.StoredHead()};
  uint32_t next = 0;
  for (const StoredGraph::Block& block : graph.TakeChanged(&next, kMostNodes)) {
    Require(stored.Add(block.number, block.bytes).ok(), "a block that was taken can be added");
  }
  Require(stored.rows.size() == slots, "all nodes are stored");
  for (; changes.size() >= 2; changes = changes.subspan(2)) {
    stored.links[static_cast<size_t>(changes[0]) % stored.links.size()] = LinkOf(changes[1]);
  }
  return stored;
}

}  // namespace

// The first byte: the metric, and by its highest bit whether the graph is made up or built. The
// second: the number of rows. Made up, nodes follow: the row of each (0xff: none) and its links, a
// byte each. Built, links follow that are changed: which and to what. A link of 0xff is none, 0xfe
// a node that there is not.
bool FuzzAdoptedGraph(FuzzInput input) {
  if (input.size() < 2) return false;
  constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kL2};
  const auto first = static_cast<uint32_t>(input[0]);
  const Metric metric = kMetrics[(first & 0x7f) % 3];
  const uint32_t slots = 1 + static_cast<uint32_t>(input[1]) % kMostRows;
  StoredGraph stored =
      (first & 0x80) == 0 ? MadeUp(input.subspan(2)) : Built(metric, slots, input.subspan(2));

  const GraphSpec spec = stored.head.spec;
  Rows rows(slots);
  Graph graph(metric, spec, rows);
  graph.Reserve(slots, std::move(stored));
  for (uint32_t slot = 0; slot < slots; ++slot) graph.Fill(slot, slot, VectorOf(slot), false);
  graph.Publish(1);
  const std::vector<uint32_t> missing = graph.Adopt();
  for (const uint32_t slot : missing) {
    Require(graph.Insert(slot, VectorOf(slot), false, slot, 1).ok(), "a missing row is inserted");
  }
  graph.EnsureReachable();
  RequireReachable(graph, rows, 1);

  for (uint32_t slot = 1; slot < slots; slot += 3) {
    rows.Kill(slot, 2);
    graph.MarkDead(slot, 2);
  }
  RequireReachable(graph, rows, 2);
  graph.SetOldest(2);
  Require(graph.Repair(nullptr).ok(), "dead rows are taken out");
  RequireReachable(graph, rows, 2);
  return missing.empty();
}

}  // namespace nestor
