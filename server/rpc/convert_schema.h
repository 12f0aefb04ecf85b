// nestor.v1 schema messages <-> domain: enums, collection spec, index spec. Free functions, any
// thread. INVALID_ARGUMENT names the field from the converted message on (see FieldError).
#ifndef NESTOR_SERVER_RPC_CONVERT_SCHEMA_H_
#define NESTOR_SERVER_RPC_CONVERT_SCHEMA_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nestor/v1/collection.pb.h"
#include "nestor/v1/types.pb.h"
#include "server/engine/types.h"

namespace nestor {

// INVALID_ARGUMENT: a number that is not set, or that this version does not know.
absl::Status UnknownEnum(int number);
absl::StatusOr<Dtype> ToDtype(v1::Dtype dtype);
absl::StatusOr<Metric> ToMetric(v1::Metric metric);
absl::StatusOr<AttributeType> ToAttributeType(v1::AttributeType type);
v1::Dtype FromDtype(Dtype dtype);
v1::Metric FromMetric(Metric metric);
v1::AttributeType FromAttributeType(AttributeType type);

// UNSPECIFIED stands for `defaults`' value: those of the spec that is replaced, or IndexSpec's own.
OpqSpec ToCodeSpec(const v1::CodeSpec& code);
void FromCodeSpec(const OpqSpec& code, v1::CodeSpec* out);
absl::StatusOr<IndexSpec> ToIndexSpec(const v1::IndexSpec& spec, const IndexSpec& defaults);
// What an index of a MULTI collection cannot have.
absl::Status CheckMultiIndex(const v1::IndexSpec& spec);
void FromIndexSpec(const IndexSpec& spec, v1::IndexSpec* out);

// With every default filled in; not validated beyond what the conversion needs.
absl::StatusOr<CollectionSpec> ToCollectionSpec(const v1::CollectionSpec& spec);
void FromCollectionSpec(const CollectionSpec& spec, v1::CollectionSpec* out);
void FromCollectionInfo(const CollectionInfo& info, v1::Collection* out);

// What an UpdateCollection asks for, given the present spec (semantics 7): a field that may not
// change must be unset or repeat its value.
absl::StatusOr<CollectionUpdate> ToCollectionUpdate(const v1::CollectionSpec& wanted,
                                                    const CollectionSpec& present);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CONVERT_SCHEMA_H_
