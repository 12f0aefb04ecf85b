// nestor.v1.AdminService over the engine. Handlers are called on gRPC threads, work on the pools.
#ifndef NESTOR_SERVER_RPC_ADMIN_SERVICE_H_
#define NESTOR_SERVER_RPC_ADMIN_SERVICE_H_

#include "nestor/v1/admin.grpc.pb.h"
#include "server/rpc/backend.h"

namespace nestor {

// Every method takes bytes (wire.h says why).
using RawAdminService = v1::AdminService::WithRawCallbackMethod_CancelOperation<
    v1::AdminService::WithRawCallbackMethod_ListOperations<
        v1::AdminService::WithRawCallbackMethod_GetOperation<
            v1::AdminService::WithRawCallbackMethod_GetStats<
                v1::AdminService::WithRawCallbackMethod_GetServerInfo<
                    v1::AdminService::Service>>>>>;

class AdminService final : public RawAdminService {
 public:
  explicit AdminService(Backend* backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* in,
                                          grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* GetOperation(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* in,
                                         grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* ListOperations(grpc::CallbackServerContext* context,
                                           const grpc::ByteBuffer* in,
                                           grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* CancelOperation(grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* in,
                                            grpc::ByteBuffer* out) override;

 private:
  Backend* const backend_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_ADMIN_SERVICE_H_
