// nestor.v1.IndexService over the engine. Handlers are called on gRPC threads, work on the pools.
#ifndef NESTOR_SERVER_RPC_INDEX_SERVICE_H_
#define NESTOR_SERVER_RPC_INDEX_SERVICE_H_

#include "nestor/v1/index.grpc.pb.h"
#include "server/rpc/backend.h"

namespace nestor {

class IndexService final : public v1::IndexService::CallbackService {
 public:
  explicit IndexService(Backend* backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* BuildIndex(grpc::CallbackServerContext* context,
                                       const v1::BuildIndexRequest* request,
                                       v1::Operation* reply) override;
  grpc::ServerUnaryReactor* GetIndex(grpc::CallbackServerContext* context,
                                     const v1::GetIndexRequest* request, v1::Index* reply) override;

 private:
  Backend* const backend_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_INDEX_SERVICE_H_
