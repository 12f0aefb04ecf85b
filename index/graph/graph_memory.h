// Memory of a graph by part, in bytes.
#ifndef NESTOR_INDEX_GRAPH_GRAPH_MEMORY_H_
#define NESTOR_INDEX_GRAPH_GRAPH_MEMORY_H_

#include <cstdint>

namespace nestor {

struct GraphMemory {
  // Records of the nodes, also of those that wait to be used again.
  uint64_t codes = 0;
  uint64_t tails = 0;    // scale, norm, slot and state
  uint64_t links = 0;    // with what fills the record's last cache line
  uint64_t entries = 0;  // tables of entries, also those that some reader may still hold
  uint64_t tables = 0;   // the writer's: parents, slot -> node, nodes to use again, its buffers
  uint64_t Total() const { return codes + tails + links + entries + tables; }
};

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_GRAPH_MEMORY_H_
