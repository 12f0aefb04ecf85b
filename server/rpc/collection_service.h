// nestor.v1.CollectionService over the engine. Handlers are called on gRPC threads, work on the
// pools.
#ifndef NESTOR_SERVER_RPC_COLLECTION_SERVICE_H_
#define NESTOR_SERVER_RPC_COLLECTION_SERVICE_H_

#include "index/base/mutex.h"
#include "nestor/v1/collection.grpc.pb.h"
#include "server/rpc/backend.h"

namespace nestor {

// Every method takes bytes (wire.h says why).
using RawCollectionService = v1::CollectionService::WithRawCallbackMethod_DeleteCollection<
    v1::CollectionService::WithRawCallbackMethod_UpdateCollection<
        v1::CollectionService::WithRawCallbackMethod_ListCollections<
            v1::CollectionService::WithRawCallbackMethod_GetCollection<
                v1::CollectionService::WithRawCallbackMethod_CreateCollection<
                    v1::CollectionService::Service>>>>>;

class CollectionService final : public RawCollectionService {
 public:
  explicit CollectionService(Backend* backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* CreateCollection(grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer* in,
                                             grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* GetCollection(grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* in,
                                          grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* ListCollections(grpc::CallbackServerContext* context,
                                            const grpc::ByteBuffer* in,
                                            grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* UpdateCollection(grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer* in,
                                             grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* DeleteCollection(grpc::CallbackServerContext* context,
                                             const grpc::ByteBuffer* in,
                                             grpc::ByteBuffer* out) override;

 private:
  Backend* const backend_;
  Mutex schema_mutex_;  // schemas change one after the other: what was read still holds when it is
                        // written
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_COLLECTION_SERVICE_H_
