// Points, hits and plans as JSON: integers, and floats by their shortest text; vectors as arrays of
// numbers, timestamps in RFC 3339, as `nestor load` reads them.
#ifndef NESTOR_CLIENT_CLI_JSON_H_
#define NESTOR_CLIENT_CLI_JSON_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nestor/v1/search.pb.h"
#include "nestor/v1/types.pb.h"
#include "nlohmann/json.hpp"

namespace nestor {

// Keeps the order in which fields are written.
using Json = nlohmann::ordered_json;

// One line; what is not UTF-8 becomes U+FFFD.
std::string ToLine(const Json& json);

Json ToJson(const v1::PointId& id);
Json ToJson(const google::protobuf::Map<std::string, v1::AttributeValue>& attributes);
// {"id", "seq", "attributes"?, "vector"?}: the last two where the message has them.
absl::StatusOr<Json> ToJson(const v1::Point& point);
// {"hits", "score_dim", "unbuilt", "plan" (null when exact), "stages", "seq"}
absl::StatusOr<Json> ToJson(const v1::SearchResponse& response);

// The coordinates as floats. InvalidArgument where the dtype is unknown or the length no multiple.
absl::StatusOr<std::vector<float>> VectorValues(const v1::Vector& vector);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_JSON_H_
