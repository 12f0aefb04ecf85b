// The values in the store (keys.h says which key holds which). Every record starts with a tag byte
// that tells its kind; layouts are told in prose at each function in records.cc. Parsers check
// everything and answer DataLoss on anything malformed; none reads past its input. Layouts change
// only together with kFormatVersion.
#ifndef NESTOR_SERVER_STORAGE_RECORDS_H_
#define NESTOR_SERVER_STORAGE_RECORDS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/point_id.h"
#include "index/schema.h"
#include "server/storage/attribute.h"
#include "server/storage/collection_spec.h"

namespace nestor {

// Of the whole directory: keys, records, meaning of numbers. 4 added codes to specs and models,
// 5 memory_dim to specs, 6 token matrices and the memory limit to collections, 7 the caller's lists
// to specs and models; what 3 wrote means the same.
inline constexpr uint32_t kFormatVersion = 7;
inline constexpr uint32_t kOldestFormatVersion = 3;

std::string EncodeFormatVersion(uint32_t version);
absl::StatusOr<uint32_t> ParseFormatVersion(absl::string_view bytes);

std::string EncodeNextUid(uint32_t uid);
absl::StatusOr<uint32_t> ParseNextUid(absl::string_view bytes);

struct CollectionRecord {
  CollectionSpec spec;
  int64_t created_micros = 0;  // since 1970-01-01 UTC
  bool operator==(const CollectionRecord&) const = default;
};
std::string EncodeCollection(const CollectionRecord& collection);
absl::StatusOr<CollectionRecord> ParseCollection(absl::string_view bytes);

struct StateRecord {
  uint64_t seq = 0;       // of the last entry
  uint64_t next_row = 1;  // rows below are taken, for ever
  bool operator==(const StateRecord&) const = default;
};
std::string EncodeState(const StateRecord& state);
absl::StatusOr<StateRecord> ParseState(absl::string_view bytes);

struct GenerationRecord {
  uint32_t generation = 0;
  IndexSpec spec;  // as built, resolved
  uint64_t rows_at_build = 0;
  int64_t built_micros = 0;  // since 1970-01-01 UTC
  bool operator==(const GenerationRecord&) const = default;
};
std::string EncodeGeneration(const GenerationRecord& generation);
absl::StatusOr<GenerationRecord> ParseGeneration(absl::string_view bytes);

std::string EncodeRow(uint64_t row);
absl::StatusOr<uint64_t> ParseRow(absl::string_view bytes);

// A point's value is header + vector bytes, so that a writer need not copy the vector.
std::string EncodeAttributes(const Attributes& attributes);  // names ascending and unique
absl::StatusOr<Attributes> ParseAttributes(absl::string_view bytes);
std::string EncodePointHeader(uint64_t seq, const PointId& id, absl::string_view attributes,
                              size_t vector_bytes);
struct PointView {  // borrows from the record, but for a string id
  uint64_t seq = 0;
  PointId id;
  absl::string_view attributes;  // for ParseAttributes
  absl::string_view vector;
};
absl::StatusOr<PointView> ParsePoint(absl::string_view bytes);

struct OperationRecord {
  std::string kind;
  std::string collection;
  uint32_t collection_uid = 0;
  uint8_t state = 1;  // OperationState of server/engine/types.h
  int64_t created_micros = 0;
  int64_t started_micros = 0;
  int64_t ended_micros = 0;
  uint32_t error_code = 0;  // absl::StatusCode
  std::string error_message;
  bool operator==(const OperationRecord&) const = default;
};
inline constexpr uint8_t kLastOperationState = 6;
std::string EncodeOperation(const OperationRecord& operation);
absl::StatusOr<OperationRecord> ParseOperation(absl::string_view bytes);

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_RECORDS_H_
