// nestor.v1.CollectionService over the engine. Handlers are called on gRPC threads, work on the
// pools.
#ifndef NESTOR_SERVER_RPC_COLLECTION_SERVICE_H_
#define NESTOR_SERVER_RPC_COLLECTION_SERVICE_H_

#include "index/base/mutex.h"
#include "nestor/v1/collection.grpc.pb.h"
#include "server/rpc/backend.h"

namespace nestor {

class CollectionService final : public v1::CollectionService::CallbackService {
 public:
  explicit CollectionService(Backend* backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* CreateCollection(grpc::CallbackServerContext* context,
                                             const v1::CreateCollectionRequest* request,
                                             v1::Collection* reply) override;
  grpc::ServerUnaryReactor* GetCollection(grpc::CallbackServerContext* context,
                                          const v1::GetCollectionRequest* request,
                                          v1::Collection* reply) override;
  grpc::ServerUnaryReactor* ListCollections(grpc::CallbackServerContext* context,
                                            const v1::ListCollectionsRequest* request,
                                            v1::ListCollectionsResponse* reply) override;
  grpc::ServerUnaryReactor* UpdateCollection(grpc::CallbackServerContext* context,
                                             const v1::UpdateCollectionRequest* request,
                                             v1::Collection* reply) override;
  grpc::ServerUnaryReactor* DeleteCollection(grpc::CallbackServerContext* context,
                                             const v1::DeleteCollectionRequest* request,
                                             v1::DeleteCollectionResponse* reply) override;

 private:
  Backend* const backend_;
  Mutex schema_mutex_;  // schemas change one after the other: what was read still holds when it is
                        // written
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_COLLECTION_SERVICE_H_
