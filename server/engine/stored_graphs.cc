#include "server/engine/stored_graphs.h"

#include <string>
#include <utility>
#include <vector>

#include "index/base/crash_point.h"
#include "server/storage/keys.h"

namespace nestor {
namespace {

// 1 MB at 28 links: the graph's lock, which inserts wait for, is held for 1 to 3 ms.
constexpr size_t kBlocksAtATime = 128;

}  // namespace

absl::StatusOr<std::optional<StoredGraph>> ReadGraph(const Store& store, uint32_t uid,
                                                     uint32_t generation,
                                                     const VectorSchema& schema) {
  const absl::StatusOr<std::optional<std::string>> bytes =
      store.Get(Family::kGraphs, GraphHeadKey(uid, generation));
  if (!bytes.ok()) return bytes.status();
  if (!bytes->has_value()) return std::nullopt;
  const absl::StatusOr<StoredGraph::Head> head = ParseHead(**bytes, schema);
  if (!head.ok()) return head.status();
  StoredGraph graph{.head = *head};
  Scan scan = store.NewScan(Family::kGraphs, GraphBlockKey(uid, generation, 0),
                            GenerationBegin(uid, generation + 1), {.bulk = true});
  for (; scan.Valid(); scan.Next()) {
    const absl::StatusOr<uint32_t> block = ParseGraphBlockKey(scan.key());
    if (!block.ok()) return block.status();
    if (absl::Status status = graph.Add(*block, scan.value()); !status.ok()) return status;
  }
  if (!scan.status().ok()) return scan.status();
  return graph;
}

absl::StatusOr<uint64_t> WriteGraph(Store* store, uint32_t uid, uint32_t generation, Graph* graph) {
  uint64_t written = 0;
  // Once through all blocks: under writes some have always changed again.
  for (uint32_t next = 0;;) {
    const std::vector<StoredGraph::Block> blocks = graph->TakeChanged(&next, kBlocksAtATime);
    if (blocks.empty()) return written;
    Batch batch(store);
    batch.Put(Family::kGraphs, GraphHeadKey(uid, generation), SerializeHead(graph->StoredHead()));
    for (const StoredGraph::Block& block : blocks) {
      batch.Put(Family::kGraphs, GraphBlockKey(uid, generation, block.number), block.bytes);
    }
    Pass(CrashPoint::kBlocksTaken);
    absl::Status status = store->Write(std::move(batch), /*sync=*/false);
    if (!status.ok()) {
      graph->PutBack(blocks);
      return status;
    }
    written += blocks.size();
    Pass(CrashPoint::kBlocksStored);
  }
}

}  // namespace nestor
