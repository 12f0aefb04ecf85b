// One Search: convert, pin a snapshot, search, reply; all on one thread of the search pool.
#ifndef NESTOR_SERVER_RPC_SEARCH_CALL_H_
#define NESTOR_SERVER_RPC_SEARCH_CALL_H_

#include "nestor/v1/search.pb.h"
#include "server/rpc/snapshot_call.h"

namespace nestor {

class SearchCall final : public SnapshotCall<v1::SearchRequest, v1::SearchResponse> {
 public:
  SearchCall(Backend* backend, grpc::CallbackServerContext* context, const grpc::ByteBuffer* in,
             grpc::ByteBuffer* out)
      : SnapshotCall(backend, Method::kSearch, context, in, out) {}

 private:
  void RunOn(SearchView view) override;
  absl::Status Search(const SearchView& view, SearchReply* found);
  // Counts the time spent and logs what was slow.
  void Observe(const SearchReply& found, std::chrono::steady_clock::time_point begun);
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_SEARCH_CALL_H_
