// What every service works with: the engine once it is open, the pools, the counters. Owned by
// RpcServer, outlives the services.
#ifndef NESTOR_SERVER_RPC_BACKEND_H_
#define NESTOR_SERVER_RPC_BACKEND_H_

#include <atomic>
#include <chrono>
#include <cstdint>

#include "server/rpc/connections.h"
#include "server/rpc/request_counters.h"
#include "server/rpc/unread_replies.h"
#include "server/rpc/work_pool.h"

namespace nestor {

class Engine;

struct BackendOptions {
  int search_threads = 1;
  uint32_t search_queue = 1024;
  // Bytes of requests that wait or are worked on, all calls together; as many of those that have
  // begun to arrive.
  int64_t max_request_bytes = int64_t{1} << 30;
  // Bytes of replies that their callers have not taken yet, all calls together.
  int64_t max_reply_bytes = int64_t{512} << 20;
  // Searches slower than this are logged with their plan; zero = none.
  std::chrono::milliseconds slow_query{0};
};

struct Backend {
  // Writers block in the group commit, so there are many of them; waiting searches block until
  // their sequence number is there; reads block in the store.
  static constexpr int kWriteThreads = 16;
  static constexpr int kReadThreads = 4;
  static constexpr int kWaitThreads = 8;
  static constexpr size_t kWriteQueue = 256;
  static constexpr size_t kReadQueue = 256;
  static constexpr size_t kWaitQueue = 256;

  explicit Backend(const BackendOptions& options)
      : slow_query(options.slow_query),
        max_request_bytes(options.max_request_bytes),
        replies(options.max_reply_bytes),
        searches("search", options.search_threads, options.search_queue),
        writes("write", kWriteThreads, kWriteQueue, Priority::kWrites),
        reads("read", kReadThreads, kReadQueue),
        waits("wait", kWaitThreads, kWaitQueue) {}

  // Counts a request's bytes in; false, and they are not counted, where they go over the limit.
  bool TakeBytes(int64_t bytes) {
    if (request_bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes <= max_request_bytes)
      return true;
    ReturnBytes(bytes);
    return false;
  }
  void ReturnBytes(int64_t bytes) { request_bytes.fetch_sub(bytes, std::memory_order_relaxed); }

  const std::chrono::milliseconds slow_query;
  const int64_t max_request_bytes;
  const std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::atomic<Engine*> engine{nullptr};  // null until the store is open
  std::atomic<bool> loaded{false};       // all collections are
  std::atomic<bool> stopping{false};     // new calls are refused
  std::atomic<int> open_calls{0};        // unary ones whose reply is not sent yet
  std::atomic<int64_t> request_bytes{0};
  UnreadReplies replies;
  Connections connections;
  RequestCounters counters;
  WorkPool searches;
  WorkPool writes;
  WorkPool reads;
  WorkPool waits;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_BACKEND_H_
