// The column families and every key in them: the only place that encodes keys. Integers are
// big-endian, so that key order is numeric order. A collection's keys start with its uid; uid 0 is
// the server's own. Numbers and names here are on disk: never renumber, never reuse.
//
//   family     key                                                value (records.h)
//   meta       0, kFormat                                         format version
//              0, kNextUid                                        the uid of the next collection
//              0, kOperation, number u64                          operation
//              uid, kCollection                                   collection
//              uid, kState                                        state: last sequence, next row
//              uid, kGeneration                                   generation: which one is current
//              uid, kFde                                          index/multi/stored_fde.h
//   ids        uid, id (u64, or the bytes of the string)          row
//   points     uid, row u64                                       point
//   postings   uid, generation u32, list u32, row u64             empty
//   models     uid, generation u32                                index/model.h
//              uid, generation u32, code dim, bytes, bits u32     index/stored_code.h
//   graphs     uid, generation u32                                head: index/graph/stored_graph.h
//              uid, generation u32, block u32                     block of nodes, likewise
#ifndef NESTOR_SERVER_STORAGE_KEYS_H_
#define NESTOR_SERVER_STORAGE_KEYS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/codes/spec.h"
#include "index/point_id.h"

namespace nestor {

enum class Family : uint8_t {
  kMeta = 0,
  kIds = 1,
  kPoints = 2,
  kPostings = 3,
  kModels = 4,
  kGraphs = 5
};
inline constexpr int kFamilies = 6;
absl::string_view FamilyName(Family family);

enum class MetaKind : uint8_t {
  kFormat = 1,
  kNextUid = 2,
  kOperation = 3,
  kCollection = 4,
  kState = 5,
  kGeneration = 6,
  kFde = 7,  // of token matrices, as the current generation has them; from format 6 on
};

std::string FormatKey();
std::string NextUidKey();
std::string OperationKey(uint64_t number);
std::string OperationsBegin();  // range of all operations
std::string OperationsEnd();
std::string CollectionKey(uint32_t uid);
std::string StateKey(uint32_t uid);
std::string GenerationKey(uint32_t uid);
std::string FdeKey(uint32_t uid);
std::string IdKey(uint32_t uid, const PointId& id);
std::string PointKey(uint32_t uid, uint64_t row);
std::string PostingKey(uint32_t uid, uint32_t generation, uint32_t list, uint64_t row);
std::string ModelKey(uint32_t uid, uint32_t generation);
std::string CodeKey(uint32_t uid, uint32_t generation, const OpqSpec& code);
std::string GraphHeadKey(uint32_t uid, uint32_t generation);
std::string GraphBlockKey(uint32_t uid, uint32_t generation, uint32_t block);

// [UidBegin(uid), UidBegin(uid + 1)) holds every key of the collection in a family.
std::string UidBegin(uint32_t uid);
// [GenerationBegin(uid, g), GenerationBegin(uid, g + 1)) likewise in postings, models and graphs.
std::string GenerationBegin(uint32_t uid, uint32_t generation);
// The smallest key above `key`: where a page after it begins.
std::string KeyAfter(absl::string_view key);

// Back. DataLoss where the key has another shape.
struct MetaKeyParts {
  uint32_t uid = 0;
  MetaKind kind = MetaKind::kFormat;
};
absl::StatusOr<MetaKeyParts> ParseMetaKey(absl::string_view key);
absl::StatusOr<uint64_t> ParseOperationKey(absl::string_view key);
absl::StatusOr<uint64_t> ParsePointKey(absl::string_view key);  // row
struct PostingKeyParts {
  uint32_t generation = 0;
  uint32_t list = 0;
  uint64_t row = 0;
};
absl::StatusOr<PostingKeyParts> ParsePostingKey(absl::string_view key);
absl::StatusOr<OpqSpec> ParseCodeKey(absl::string_view key);
absl::StatusOr<uint32_t> ParseGraphBlockKey(absl::string_view key);  // block

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_KEYS_H_
