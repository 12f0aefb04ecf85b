// Buffers of a search thread, reused from call to call, so that a warm search allocates little. One
// per thread, made at its first search.
#ifndef NESTOR_SERVER_RPC_SEARCH_MEMORY_H_
#define NESTOR_SERVER_RPC_SEARCH_MEMORY_H_

#include <vector>

#include "server/engine/types.h"

namespace nestor {

struct SearchMemory {
  SearchScratch scratch;
  SearchReply reply;
  std::vector<float> query;  // of queries that are not floats in place

  static SearchMemory& OfThread() {
    thread_local SearchMemory memory;
    return memory;
  }
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_SEARCH_MEMORY_H_
