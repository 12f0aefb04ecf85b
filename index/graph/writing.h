// The buffers of a thread that links nodes.
#ifndef NESTOR_INDEX_GRAPH_WRITING_H_
#define NESTOR_INDEX_GRAPH_WRITING_H_

#include <cstdint>
#include <vector>

#include "index/graph/graph.h"
#include "index/graph/links.h"
#include "index/graph/search.h"

namespace nestor {

struct Graph::Writing {
  Writing(const NodeStore& nodes, const GraphSpace& space) : chooser(nodes, space) {}

  LinkChooser chooser;
  GraphScratch scratch;
  std::vector<Neighbour> candidates;
  std::vector<uint32_t> chosen;
  std::vector<float> chosen_distances;
  std::vector<uint32_t> links;
  std::vector<uint32_t> others;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_WRITING_H_
