// Brings one collection from the store into memory at a restart, without building anything: `ids`
// tells which rows live, `postings` in which list each lies, and one pass over `points` in row
// order fills the index. Shells are encoded anew from the vectors, which is deterministic and costs
// about a microsecond a row: less than reading them from the store beside the vectors would.
//
// What a crash may leave behind (rows that no id names, generations that never became current) is
// removed.
#ifndef NESTOR_SERVER_ENGINE_LOADER_H_
#define NESTOR_SERVER_ENGINE_LOADER_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "server/engine/generation.h"
#include "server/engine/stored_points.h"
#include "server/storage/collection_spec.h"
#include "server/storage/records.h"
#include "server/storage/store.h"

namespace nestor {

struct LoadedCollection {
  std::shared_ptr<Generation> generation;
  StateRecord state;
  uint64_t orphan_rows = 0;      // removed
  uint64_t orphan_postings = 0;  // removed
  uint64_t inserted_nodes = 0;   // rows that the stored graph lacked; all, where none was stored
  uint64_t mended_postings = 0;  // rows without one: assigned by the model again
};

// An empty generation 0.
std::shared_ptr<Generation> NewGeneration(const CollectionSpec& spec, StoredPoints points);

// DataLoss names what is damaged. False from `go_on`, which every thread asks: Cancelled.
absl::StatusOr<LoadedCollection> LoadCollection(Store* store, uint32_t uid,
                                                const CollectionSpec& spec, int threads,
                                                const std::function<bool()>& go_on);

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_LOADER_H_
