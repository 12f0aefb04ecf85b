// Page tokens: a letter for the kind of the last entry, a colon and the entry itself. Opaque to
// callers. Free functions, any thread.
#ifndef NESTOR_SERVER_RPC_PAGE_TOKEN_H_
#define NESTOR_SERVER_RPC_PAGE_TOKEN_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/point_id.h"

namespace nestor {

// Default for 0; INVALID_ARGUMENT ("page_size") above kMaxPageSize.
absl::StatusOr<uint32_t> ToPageSize(uint32_t page_size);

std::string TokenOfName(absl::string_view name);
std::string TokenOfPoint(const PointId& id);
std::string TokenOfOperation(uint64_t id);

// INVALID_ARGUMENT ("page_token") for what is no token of that kind.
absl::StatusOr<std::string> NameOfToken(absl::string_view token);
absl::StatusOr<PointId> PointOfToken(absl::string_view token);
absl::StatusOr<uint64_t> OperationOfToken(absl::string_view token);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_PAGE_TOKEN_H_
