#include "server/rpc/search_service.h"

#include "server/rpc/batch_search_call.h"
#include "server/rpc/search_call.h"

namespace nestor {

grpc::ServerUnaryReactor* SearchService::Search(grpc::CallbackServerContext* context,
                                                const v1::SearchRequest* request,
                                                v1::SearchResponse* reply) {
  auto* call = new SearchCall(backend_, context, request, reply);
  call->Start(&backend_->searches);
  return call;
}

grpc::ServerUnaryReactor* SearchService::BatchSearch(grpc::CallbackServerContext* context,
                                                     const v1::BatchSearchRequest* request,
                                                     v1::BatchSearchResponse* reply) {
  auto* call = new BatchSearchCall(backend_, context, request, reply);
  call->Start(&backend_->searches);
  return call;
}

}  // namespace nestor
