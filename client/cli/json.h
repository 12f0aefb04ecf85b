// Points, hits and plans as JSON: integers, and floats by their shortest text; vectors as arrays of
// numbers, timestamps in RFC 3339, as `nestor load` reads them.
#ifndef NESTOR_CLIENT_CLI_JSON_H_
#define NESTOR_CLIENT_CLI_JSON_H_

#include <span>
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
// {"id", "seq", "attributes"?, "vector"?}: the last two where the message has them; of a token
// matrix "tokens", an array per token, in place of "vector".
absl::StatusOr<Json> ToJson(const v1::Point& point);
// {"hits", "score_dim", "unbuilt", "plan" (null when exact), "stages", "seq"}; hits with "matches",
// {"token", "score"} for each token of the query, where the message has them.
absl::StatusOr<Json> ToJson(const v1::SearchResponse& response);

// The coordinates as floats, of all tokens where it is a matrix. InvalidArgument where the dtype is
// unknown, the length no multiple or the count of tokens does not fit.
absl::StatusOr<std::vector<float>> VectorValues(const v1::Vector& vector);
// The tokens of a matrix, given its values.
std::vector<std::span<const float>> TokensOf(const v1::Vector& vector,
                                             std::span<const float> values);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_JSON_H_
