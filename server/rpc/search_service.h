// nestor.v1.SearchService over the engine. Handlers are called on gRPC threads, work on the pools.
#ifndef NESTOR_SERVER_RPC_SEARCH_SERVICE_H_
#define NESTOR_SERVER_RPC_SEARCH_SERVICE_H_

#include "nestor/v1/search.grpc.pb.h"
#include "server/rpc/backend.h"

namespace nestor {

// Every method takes bytes (wire.h says why).
using RawSearchService = v1::SearchService::WithRawCallbackMethod_BatchSearch<
    v1::SearchService::WithRawCallbackMethod_Search<v1::SearchService::Service>>;

class SearchService final : public RawSearchService {
 public:
  explicit SearchService(Backend* backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* Search(grpc::CallbackServerContext* context, const grpc::ByteBuffer* in,
                                   grpc::ByteBuffer* out) override;
  grpc::ServerUnaryReactor* BatchSearch(grpc::CallbackServerContext* context,
                                        const grpc::ByteBuffer* in, grpc::ByteBuffer* out) override;

 private:
  Backend* const backend_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_SEARCH_SERVICE_H_
