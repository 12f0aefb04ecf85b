// The graph of a generation in the store: its head and blocks of its nodes. Derived from the
// points, so written without a sync; what a crash takes is made again at the next open.
#ifndef NESTOR_SERVER_ENGINE_STORED_GRAPHS_H_
#define NESTOR_SERVER_ENGINE_STORED_GRAPHS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/graph/graph.h"
#include "index/schema.h"
#include "server/storage/store.h"

namespace nestor {

// nullopt where nothing is stored. DataLoss where it is damaged.
absl::StatusOr<std::optional<StoredGraph>> ReadGraph(const Store& store, uint32_t uid,
                                                     uint32_t generation,
                                                     const VectorSchema& schema);

// Writes the blocks that changed since the last call, and the head; how many blocks. What changes
// meanwhile may be left to the next call.
absl::StatusOr<uint64_t> WriteGraph(Store* store, uint32_t uid, uint32_t generation, Graph* graph);

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_STORED_GRAPHS_H_
