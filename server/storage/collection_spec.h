// What a collection is, as its creator declared it, or a build that encoded its points anew. Plain
// values; enum numbers are on disk and never change.
#ifndef NESTOR_SERVER_STORAGE_COLLECTION_SPEC_H_
#define NESTOR_SERVER_STORAGE_COLLECTION_SPEC_H_

#include <optional>
#include <string>
#include <vector>

#include "index/multi/multi_spec.h"
#include "index/point_id.h"
#include "index/schema.h"
#include "server/storage/attribute.h"

namespace nestor {

// kSync: acknowledged means synced to disk. kAsync: synced at most 100 ms later; a power loss may
// take the last writes, always a suffix.
enum class Durability : uint8_t { kSync = 1, kAsync = 2 };

struct CollectionSpec {
  std::string name;
  VectorSchema schema;             // of what is indexed: of the points' vectors, or of their FDEs
  std::optional<MultiSpec> multi;  // the points are token matrices (kind MULTI)
  IdKind id_kind = IdKind::kNum;
  Durability durability = Durability::kSync;
  IndexSpec index;  // of the next build; exact_vectors also of the next restart
  std::vector<AttributeField> attributes;  // ascending by name
  uint64_t memory_limit_bytes = 0;         // of the index in memory; 0 = none

  bool operator==(const CollectionSpec&) const = default;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_COLLECTION_SPEC_H_
