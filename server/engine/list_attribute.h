// The lists that points name themselves, by an attribute of theirs (IndexSpec.list_attribute). Free
// functions, any thread.
#ifndef NESTOR_SERVER_ENGINE_LIST_ATTRIBUTE_H_
#define NESTOR_SERVER_ENGINE_LIST_ATTRIBUTE_H_

#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/schema.h"
#include "server/engine/stored_points.h"

namespace nestor {

// Of a point's encoded attributes, which were checked when it was written: the value, which need
// not be one of the lists; nullopt where it is null.
absl::StatusOr<std::optional<int64_t>> ListAttribute(absl::string_view attributes,
                                                     absl::string_view name);

// For a build with this spec: the lists that stored points name, BuildSource::kNearest where they
// name none. FailedPrecondition: the first point, by row, whose value is none of the lists.
absl::Status ReadListAttributes(const StoredPoints& points, std::span<const uint64_t> rows,
                                const IndexSpec& spec, uint32_t* out);

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_LIST_ATTRIBUTE_H_
