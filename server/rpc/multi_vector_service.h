// nestor.v1.MultiVectorService over the engine. Handlers are called on gRPC threads, work on the
// pools.
#ifndef NESTOR_SERVER_RPC_MULTI_VECTOR_SERVICE_H_
#define NESTOR_SERVER_RPC_MULTI_VECTOR_SERVICE_H_

#include "nestor/v1/multi.grpc.pb.h"
#include "server/rpc/backend.h"

namespace nestor {

// Every method takes bytes (wire.h says why).
using RawMultiVectorService = v1::MultiVectorService::WithRawCallbackMethod_EstimateFDE<
    v1::MultiVectorService::WithRawCallbackMethod_EncodeFDE<v1::MultiVectorService::Service>>;

class MultiVectorService final : public RawMultiVectorService {
 public:
  explicit MultiVectorService(Backend* backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* EncodeFDE(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* EstimateFDE(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;

 private:
  Backend* const backend_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_MULTI_VECTOR_SERVICE_H_
