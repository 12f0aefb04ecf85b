// A search's reply as tables: hits, then the plan and the cost of its stages.
#ifndef NESTOR_CLIENT_CLI_SEARCH_TEXT_H_
#define NESTOR_CLIENT_CLI_SEARCH_TEXT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nestor/v1/search.pb.h"

namespace nestor {

// `elapsed` is the time of the call as the client saw it.
absl::StatusOr<std::string> SearchText(const v1::SearchResponse& response, absl::Duration elapsed);

// stage, in, out, bytes, multiply-adds, micros: a row per stage under its head.
std::vector<std::vector<std::string>> StageRows(
    const google::protobuf::RepeatedPtrField<v1::Stage>& stages);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_SEARCH_TEXT_H_
