// nestor.v1.MultiVectorService's messages <-> domain. Free functions, any thread. Spans borrow from
// the message or the buffer. INVALID_ARGUMENT names the field from the converted message on (see
// FieldError).
#ifndef NESTOR_SERVER_RPC_CONVERT_FDE_H_
#define NESTOR_SERVER_RPC_CONVERT_FDE_H_

#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/multi/fde_model.h"
#include "nestor/v1/multi.pb.h"
#include "server/rpc/point_schema.h"

namespace nestor {

struct FdeRequest {
  std::span<const float> tokens;
  FdeOptions options;
};
// Of a collection that may be SINGLE: then it is refused.
absl::StatusOr<FdeRequest> ToFdeRequest(const v1::EncodeFDERequest& request,
                                        const CollectionSpec& spec, std::vector<float>* buffer);
// `schema`: of all repetitions.
void FromFde(std::span<const float> fde, const VectorSchema& schema, v1::EncodeFDEResponse* out);

// The whole call: it needs no collection.
absl::Status EstimateFde(const v1::EstimateFDERequest& request, v1::EstimateFDEResponse* out);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CONVERT_FDE_H_
