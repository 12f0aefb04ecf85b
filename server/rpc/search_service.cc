#include "server/rpc/search_service.h"

#include "server/rpc/batch_search_call.h"
#include "server/rpc/search_call.h"

namespace nestor {

grpc::ServerUnaryReactor* SearchService::Search(grpc::CallbackServerContext* context,
                                                const grpc::ByteBuffer* in, grpc::ByteBuffer* out) {
  auto* call = new SearchCall(backend_, context, in, out);
  call->Start(&backend_->searches);
  return call;
}

grpc::ServerUnaryReactor* SearchService::BatchSearch(grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer* in,
                                                     grpc::ByteBuffer* out) {
  auto* call = new BatchSearchCall(backend_, context, in, out);
  call->Start(&backend_->searches);
  return call;
}

}  // namespace nestor
