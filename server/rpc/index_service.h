// nestor.v1.IndexService over the engine. Handlers are called on gRPC threads, work on the pools.
#ifndef NESTOR_SERVER_RPC_INDEX_SERVICE_H_
#define NESTOR_SERVER_RPC_INDEX_SERVICE_H_

#include "nestor/v1/index.grpc.pb.h"
#include "server/rpc/backend.h"

namespace nestor {

// Every method takes bytes (wire.h says why).
using RawIndexService = v1::IndexService::WithRawCallbackMethod_GetIndex<
    v1::IndexService::WithRawCallbackMethod_GetCentroids<
        v1::IndexService::WithRawCallbackMethod_DropCode<
            v1::IndexService::WithRawCallbackMethod_ExportCode<
                v1::IndexService::WithRawCallbackMethod_ImportCode<
                    v1::IndexService::WithRawCallbackMethod_AddCode<
                        v1::IndexService::WithRawCallbackMethod_BuildIndex<
                            v1::IndexService::Service>>>>>>>;

class IndexService final : public RawIndexService {
 public:
  explicit IndexService(Backend* backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* BuildIndex(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* AddCode(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* ImportCode(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* ExportCode(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* DropCode(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* GetCentroids(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* in,
                                         grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* GetIndex(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;

 private:
  Backend* const backend_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_INDEX_SERVICE_H_
