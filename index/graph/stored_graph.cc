#include "index/graph/stored_graph.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "index/graph/nodes.h"

namespace nestor {
namespace {

// Blocks come in the order of their numbers, and a few may be lost. A key that is damaged must not
// make room for a graph that never was.
constexpr uint32_t kMaxGap = 4096;

constexpr size_t kHeadBytes = 3 * sizeof(uint32_t) + sizeof(double);

size_t NodeBytes(uint32_t degree) { return sizeof(uint64_t) + degree * sizeof(uint32_t); }

}  // namespace

std::string SerializeHead(const StoredGraph::Head& head) {
  const uint32_t numbers[] = {head.spec.dim, head.spec.degree, head.spec.ef_construction};
  std::string bytes(reinterpret_cast<const char*>(numbers), sizeof(numbers));
  bytes.append(reinterpret_cast<const char*>(&head.largest_norm), sizeof(double));
  return bytes;
}

absl::StatusOr<StoredGraph::Head> ParseHead(absl::string_view bytes, const VectorSchema& schema) {
  if (bytes.size() != kHeadBytes) {
    return absl::DataLossError(
        absl::StrCat("the graph's head has ", bytes.size(), " bytes, expected ", kHeadBytes));
  }
  uint32_t numbers[3];
  StoredGraph::Head head;
  std::memcpy(numbers, bytes.data(), sizeof(numbers));
  std::memcpy(&head.largest_norm, bytes.data() + sizeof(numbers), sizeof(double));
  head.spec = {numbers[0], numbers[1], numbers[2]};
  const bool resolved =
      head.spec.dim != 0 && head.spec.degree != 0 && head.spec.ef_construction != 0;
  if (!resolved || !ValidateSpec({.graph = head.spec}, schema).ok() ||
      !(head.largest_norm > 0 && std::isfinite(head.largest_norm))) {
    return absl::DataLossError(absl::StrCat(
        "the graph's head names dim ", head.spec.dim, ", degree ", head.spec.degree,
        ", ef_construction ", head.spec.ef_construction, " and norm ", head.largest_norm));
  }
  return head;
}

void AppendNode(uint64_t row, std::span<const uint32_t> links, uint32_t degree,
                std::string* block) {
  block->append(reinterpret_cast<const char*>(&row), sizeof(row));
  block->append(reinterpret_cast<const char*>(links.data()), links.size_bytes());
  block->append((degree - links.size()) * sizeof(uint32_t), '\xff');
}

absl::Status StoredGraph::Add(uint32_t number, absl::string_view bytes) {
  const uint32_t degree = head.spec.degree;
  const size_t each = NodeBytes(degree);
  const size_t nodes = bytes.size() / each;
  if (bytes.size() % each != 0 || nodes < 1 || nodes > kBlockNodes ||
      number >= kMaxNodes / kBlockNodes) {
    return absl::DataLossError(absl::StrCat("block ", number, " of the graph has ", bytes.size(),
                                            " bytes, expected 1 to ", kBlockNodes, " times ",
                                            each));
  }
  const size_t first = size_t{number} * kBlockNodes;
  if (first > rows.size() + size_t{kMaxGap} * kBlockNodes) {
    return absl::DataLossError(absl::StrCat("block ", number, " of the graph comes after ",
                                            rows.size() / kBlockNodes, ", which is more than ",
                                            kMaxGap, " lost ones"));
  }
  if (rows.size() < first + nodes) {
    rows.resize(first + nodes, kNoRow);
    links.resize(rows.size() * degree, kNoNode);
  }
  for (size_t i = 0; i < nodes; ++i) {
    const char* at = bytes.data() + i * each;
    std::memcpy(&rows[first + i], at, sizeof(uint64_t));
    std::memcpy(&links[(first + i) * degree], at + sizeof(uint64_t), degree * sizeof(uint32_t));
  }
  return absl::OkStatus();
}

}  // namespace nestor
