// Codes that come from elsewhere and go there, between the API and the index library.
#ifndef NESTOR_SERVER_RPC_CONVERT_CODE_H_
#define NESTOR_SERVER_RPC_CONVERT_CODE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/code.h"
#include "nestor/v1/index.pb.h"

namespace nestor {

// InvalidArgument: a field is missing, or the file is damaged or holds another code than is named.
absl::StatusOr<GivenCode> ToGivenCode(const v1::ImportCodeRequest& request);

// InvalidArgument: the reply would exceed the limit of a message.
absl::Status FromCode(const Code& code, v1::ExportCodeResponse* out);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CONVERT_CODE_H_
