// Which neighbours a node links to. Greedy pruning in order of distance: a candidate is left out
// when a neighbour already chosen is nearer to it, by the factor alpha, than the node is (HNSW,
// Malkov and Yashunin, TPAMI 2020, algorithm 4; alpha: DiskANN, Subramanya et al., NeurIPS 2019,
// algorithm 2). Distances are squared.
#ifndef NESTOR_INDEX_GRAPH_LINKS_H_
#define NESTOR_INDEX_GRAPH_LINKS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "index/graph/nodes.h"
#include "index/graph/space.h"
#include "index/kernels/kernels.h"

namespace nestor {

inline constexpr float kPruneAlpha = 1.1f;

struct Neighbour {
  float distance = 0;
  uint32_t node = 0;
};

// Distances and choices, with the buffers for them. One thread.
class LinkChooser {
 public:
  LinkChooser(const NodeStore& nodes, const GraphSpace& space) : nodes_(nodes), space_(space) {}

  // The distances from `point` to the nodes; at most 65,536.
  std::span<const float> Distances(const GraphPoint& point, std::span<const uint32_t> nodes);

  // `candidates` nearest first. The chosen ones, nearest first: at most `degree`, and at least
  // `fill` where there are as many, filled up with the nearest pruned ones.
  void Choose(std::span<const Neighbour> candidates, uint32_t degree, uint32_t fill,
              std::vector<uint32_t>* chosen);

  // Whether `links` of `node`, which are full, change by the new neighbour; if so, `links` become
  // what they should be. Links to `fixed` nodes stay. `must`: it gets in wherever one can go.
  bool Exchange(uint32_t node, Neighbour added, absl::FunctionRef<bool(uint32_t)> fixed, bool must,
                std::vector<uint32_t>* links);

 private:
  const NodeStore& nodes_;
  const GraphSpace& space_;
  const Kernels& kernels_ = ActiveKernels();
  std::vector<const int8_t*> rows_;
  std::vector<int32_t> sums_;
  std::vector<float> distances_;
  std::vector<uint32_t> rest_;  // positions of candidates that are still in
  std::vector<uint32_t> rest_nodes_;
  std::vector<uint32_t> pruned_;
  std::vector<float> own_;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_LINKS_H_
