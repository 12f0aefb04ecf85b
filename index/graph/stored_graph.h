// The stored form of a graph: the row behind each node and its links, by node number. Codes are
// made again from the rows' vectors. Blocks are written one by one, as they change, so a stored
// graph may mix states: whoever adopts it keeps what fits the rows.
#ifndef NESTOR_INDEX_GRAPH_STORED_GRAPH_H_
#define NESTOR_INDEX_GRAPH_STORED_GRAPH_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/schema.h"

namespace nestor {

struct StoredGraph {
  static constexpr uint32_t kBlockNodes = 64;
  static constexpr uint64_t kNoRow = ~uint64_t{0};

  // What does not change as nodes come and go.
  struct Head {
    GraphSpec spec;
    double largest_norm = 1;  // GraphSpace
    bool operator==(const Head&) const = default;
  };
  // Nodes number * kBlockNodes and on, at most kBlockNodes: of each its row (u64), then `degree`
  // links (u32, kNoNode behind the last), little-endian.
  struct Block {
    uint32_t number = 0;
    std::string bytes;
  };

  Head head;
  std::vector<uint64_t> rows;   // by node; kNoRow: none
  std::vector<uint32_t> links;  // nodes x degree; kNoNode: none

  // Takes a block in; in the order of their numbers. DataLoss where the bytes are no block of a
  // graph of this degree, or the number is far beyond that of the block before.
  absl::Status Add(uint32_t number, absl::string_view bytes);
};

std::string SerializeHead(const StoredGraph::Head& head);
absl::StatusOr<StoredGraph::Head> ParseHead(absl::string_view bytes, const VectorSchema& schema);
void AppendNode(uint64_t row, std::span<const uint32_t> links, uint32_t degree, std::string* block);

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_STORED_GRAPH_H_
