// absl::Status <-> grpc::Status: the canonical codes, and google.rpc details in the trailing
// grpc-status-details-bin. A status carries what the details need as payloads. Free functions, any
// thread.
#ifndef NESTOR_SERVER_RPC_STATUS_H_
#define NESTOR_SERVER_RPC_STATUS_H_

#include <chrono>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace nestor {

// INVALID_ARGUMENT about one field of a message: "<field>: <what>". `field` is its path from that
// message on, "nesting[2]"; empty for the message itself.
absl::Status FieldError(absl::string_view field, absl::string_view what);
// The status seen from further out: `field` is put before the path of a FieldError, and an
// INVALID_ARGUMENT (or OUT_OF_RANGE) of a layer that knows no fields becomes one. Other statuses
// stay as they are.
absl::Status AtField(absl::string_view field, const absl::Status& status);
// The same, with an ErrorInfo.reason other than the code's name.
absl::Status WithReason(absl::string_view reason, absl::Status status);
// RESOURCE_EXHAUSTED or UNAVAILABLE: try again after `delay`, not a usual time.
absl::Status WithRetry(std::chrono::milliseconds delay, absl::Status status);

// ErrorInfo always, BadRequest where a field is named, RetryInfo where a delay is, or on
// RESOURCE_EXHAUSTED and UNAVAILABLE.
google::rpc::Status ToRpcStatus(const absl::Status& status);
grpc::Status ToGrpcStatus(const absl::Status& status);
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_STATUS_H_
