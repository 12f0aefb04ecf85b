// nestor.v1.SearchService over the engine. Handlers are called on gRPC threads, work on the pools.
#ifndef NESTOR_SERVER_RPC_SEARCH_SERVICE_H_
#define NESTOR_SERVER_RPC_SEARCH_SERVICE_H_

#include "nestor/v1/search.grpc.pb.h"
#include "server/rpc/backend.h"

namespace nestor {

class SearchService final : public v1::SearchService::CallbackService {
 public:
  explicit SearchService(Backend* backend) : backend_(backend) {}

  grpc::ServerUnaryReactor* Search(grpc::CallbackServerContext* context,
                                   const v1::SearchRequest* request,
                                   v1::SearchResponse* reply) override;
  grpc::ServerUnaryReactor* BatchSearch(grpc::CallbackServerContext* context,
                                        const v1::BatchSearchRequest* request,
                                        v1::BatchSearchResponse* reply) override;

 private:
  Backend* const backend_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_SEARCH_SERVICE_H_
