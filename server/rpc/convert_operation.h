// Operations and indexes -> nestor.v1. Free functions, any thread.
#ifndef NESTOR_SERVER_RPC_CONVERT_OPERATION_H_
#define NESTOR_SERVER_RPC_CONVERT_OPERATION_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nestor/v1/index.pb.h"
#include "nestor/v1/operation.pb.h"
#include "server/engine/types.h"

namespace nestor {

// The API numbers operations, the engine calls them "op-17". 0 is INVALID_ARGUMENT ("id").
absl::StatusOr<std::string> ToOperationId(uint64_t number);
// 0 for what is no operation's id.
uint64_t FromOperationId(absl::string_view id);

void FromOperation(const Operation& operation, v1::Operation* out);
void FromIndexInfo(const IndexInfo& info, v1::Index* out);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CONVERT_OPERATION_H_
