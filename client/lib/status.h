// Errors of the wire as absl::Status and back to text for people. An absl::Status made here keeps
// the google.rpc details as a payload. Pure functions.
#ifndef NESTOR_CLIENT_LIB_STATUS_H_
#define NESTOR_CLIENT_LIB_STATUS_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"

namespace nestor {

// Code and message are kept; details that do not parse as google.rpc.Status are left out.
absl::Status ToAbslStatus(const grpc::Status& status);
// For stream items and operations. A code outside the canonical ones becomes UNKNOWN.
absl::Status ToAbslStatus(const google::rpc::Status& status);

// The details as google.rpc.Status; empty details where there are none.
google::rpc::Status ToRpcStatus(const absl::Status& status);

// Whether the server's own code gave the error (it always adds ErrorInfo), rather than a broken
// connection or gRPC itself.
bool HasErrorInfo(const absl::Status& status);

// RetryInfo's delay, where there is one.
std::optional<absl::Duration> RetryDelay(const absl::Status& status);

// "INVALID_ARGUMENT: create collection: dim 0 is ...", then a line per detail, indented by two
// spaces: fields of BadRequest, the reason and metadata of ErrorInfo, the delay of RetryInfo.
std::string DescribeError(const absl::Status& status);

}  // namespace nestor

#endif  // NESTOR_CLIENT_LIB_STATUS_H_
