// Buffers of a search thread, reused from call to call, so that a warm search allocates little. One
// per thread, made at its first search.
#ifndef NESTOR_SERVER_RPC_SEARCH_MEMORY_H_
#define NESTOR_SERVER_RPC_SEARCH_MEMORY_H_

#include <array>

#include "server/engine/types.h"
#include "server/rpc/query_rows.h"

namespace nestor {

struct SearchMemory {
  SearchScratch scratch;
  SearchReply reply;
  QueryRows::Space query;
  std::array<QueryRows::Space, QueryFeed::kLanes> batch;  // queries of a batch, by lane

  static SearchMemory& OfThread() {
    thread_local SearchMemory memory;
    return memory;
  }
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_SEARCH_MEMORY_H_
