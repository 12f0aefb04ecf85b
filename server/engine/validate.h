// What the engine refuses at the door: names, specs, attributes, ids, vectors. Pure functions;
// every failure, but where it says otherwise, is InvalidArgument with the value and the limit.
#ifndef NESTOR_SERVER_ENGINE_VALIDATE_H_
#define NESTOR_SERVER_ENGINE_VALIDATE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/engine/types.h"

namespace nestor {

// [A-Za-z0-9_.-]{1,128}, not starting with a dot. `what`: "collection" or "attribute".
absl::Status ValidateName(absl::string_view what, absl::string_view name);

// Sorts the fields by name.
absl::Status NormalizeFields(std::vector<AttributeField>* fields);
// `added` joins `fields`; a field that is there with the same type is no change.
absl::Status AddFields(const std::vector<AttributeField>& added,
                       std::vector<AttributeField>* fields);

// Sorts the attributes by name; the index of token matrices reads what is exact from the store.
absl::Status NormalizeCollectionSpec(CollectionSpec* spec);
absl::Status ValidateCollectionSpec(const CollectionSpec& spec);

// Of what the collection indexes, and with the attributes that it has.
absl::Status ValidateIndexSpec(const IndexSpec& index, const CollectionSpec& spec);

// For a spec whose centroids are imported, and which comes without any: lists and coarse_dim, where
// they are not given, become those of the index as built, which is to be of imported ones.
// FailedPrecondition: it is not.
absl::Status KeepCentroids(const IndexSpec& built, IndexSpec* spec);
// Whether a build with this spec, which is complete, may take them.
absl::Status CheckKeptCentroids(const IndexSpec& built, const IndexSpec& spec);

// Whether a point may name this list, or what these attributes name: 0..lists - 1, where the spec
// has a list_attribute.
absl::Status CheckListValue(const IndexSpec& index, int64_t value);
absl::Status CheckListAttribute(const IndexSpec& index, const Attributes& attributes);

// The lists that a query names, of an index of this spec, as built: 1..kMaxProbes of its lists.
// FailedPrecondition where their numbers are not the caller's.
absl::Status CheckNamedLists(const IndexSpec& built, std::span<const uint32_t> lists);

// The kind of the collection; strings of 1..256 bytes.
absl::Status ValidateId(IdKind kind, const PointId& id);
std::string FormatId(const PointId& id);  // for messages

// Sorted by name and encoded. `fields` ascending by name.
absl::StatusOr<std::string> EncodeCheckedAttributes(const std::vector<AttributeField>& fields,
                                                    Attributes attributes);

// Checks a vector and brings it into the schema's dtype: into `out` (dim x dtype bytes), unless it
// has that dtype already. Returns the bytes to store, in `out` or borrowed from the input.
// `floats`: dim floats of space.
absl::StatusOr<absl::string_view> EncodeCheckedVector(const VectorSchema& schema,
                                                      const VectorInput& input, float* floats,
                                                      std::byte* out);

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_VALIDATE_H_
