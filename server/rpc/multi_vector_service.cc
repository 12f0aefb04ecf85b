#include "server/rpc/multi_vector_service.h"

#include <vector>

#include "server/engine/engine.h"
#include "server/rpc/call.h"
#include "server/rpc/convert_fde.h"
#include "server/rpc/status.h"

namespace nestor {

grpc::ServerUnaryReactor* MultiVectorService::EncodeFDE(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* in,
                                                        grpc::ByteBuffer* out) {
  return StartCall<v1::EncodeFDERequest, v1::EncodeFDEResponse>(
      backend_, &backend_->searches, Method::kEncodeFde, context, in, out,
      [](Engine& engine, const v1::EncodeFDERequest& request,
         v1::EncodeFDEResponse* reply) -> absl::Status {
        const absl::StatusOr<CollectionInfo> info = engine.GetCollection(request.collection());
        if (!info.ok()) return AtField("collection", info.status());
        std::vector<float> buffer;
        const absl::StatusOr<FdeRequest> wanted = ToFdeRequest(request, info->spec, &buffer);
        if (!wanted.ok()) return wanted.status();
        std::vector<float> fde;
        VectorSchema schema;
        const absl::Status encoded =
            engine.EncodeFde(request.collection(), wanted->tokens, wanted->options, &fde, &schema);
        if (!encoded.ok()) return AtField("tokens", encoded);
        FromFde(fde, schema, reply);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* MultiVectorService::EstimateFDE(grpc::CallbackServerContext* context,
                                                          const grpc::ByteBuffer* in,
                                                          grpc::ByteBuffer* out) {
  return StartCall<v1::EstimateFDERequest, v1::EstimateFDEResponse>(
      backend_, &backend_->reads, Method::kEstimateFde, context, in, out,
      [](Engine&, const v1::EstimateFDERequest& request, v1::EstimateFDEResponse* reply) {
        return EstimateFde(request, reply);
      });
}

}  // namespace nestor
