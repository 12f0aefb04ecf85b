// One BatchSearch: its queries are searched on one snapshot, by as many tasks as there are search
// threads. A task takes a few queries at a time, two of them under way at once (SearchMany), and
// then goes to the end of the queue if others wait, so that a big batch does not keep single
// searches waiting.
#ifndef NESTOR_SERVER_RPC_BATCH_SEARCH_CALL_H_
#define NESTOR_SERVER_RPC_BATCH_SEARCH_CALL_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nestor/v1/search.pb.h"
#include "server/rpc/query_rows.h"
#include "server/rpc/snapshot_call.h"

namespace nestor {

class BatchSearchCall final : public SnapshotCall<v1::BatchSearchRequest, v1::BatchSearchResponse> {
 public:
  BatchSearchCall(Backend* backend, grpc::CallbackServerContext* context,
                  const grpc::ByteBuffer* in, grpc::ByteBuffer* out)
      : SnapshotCall(backend, Method::kBatchSearch, context, in, out) {}

 private:
  static constexpr uint32_t kQueriesAtATime = 16;

  // One task: takes the next queries while there are any, and puts their hits where they belong in
  // the reply. Tasks share nothing else that they write.
  struct Share final : WorkPool::Task, QueryFeed {
    void Run() override { call->Work(this); }
    std::optional<std::span<const float>> Next(size_t lane) override;
    std::span<const uint32_t> Lists(size_t lane) const override;
    void Take(size_t lane, const SearchReply& found) override;

    BatchSearchCall* call = nullptr;
    uint32_t next = 0;                                  // query
    uint32_t end = 0;                                   // of those that it took last
    uint32_t last = 0;                                  // query that it handed out
    bool yielded = false;                               // it stopped for others' sake
    std::array<uint32_t, QueryFeed::kLanes> queries{};  // under way
    absl::InlinedVector<StageCost, 8> stages;
  };

  absl::Status Decode(const grpc::ByteBuffer* in, v1::BatchSearchRequest* request) override {
    return queries_.Decode(*in, request);
  }
  void RunOn(SearchView view) override;
  absl::Status Prepare();
  void Work(Share* share);
  // Keeps the first error; the other tasks stop at their next query.
  void Fail(const absl::Status& status);
  // By the task that ends last.
  void FinishBatch();
  // Moves the hits together where queries found fewer than the limit.
  void Compact();
  void Observe();

  std::optional<SearchView> view_;
  QueryRows queries_;
  SearchRequest search_;             // all of them, but for vectors and lists of each
  std::vector<uint64_t> list_ends_;  // by query, in search_.lists; empty where none are named
  SearchHow ran_;                    // what the first query did
  IdKind id_kind_ = IdKind::kNum;
  // Of the reply: query i's hits from i x limit on.
  uint32_t* counts_ = nullptr;
  float* scores_ = nullptr;
  uint64_t* nums_ = nullptr;       // ids of the one kind
  std::vector<std::string> strs_;  // or of the other
  std::unique_ptr<Share[]> shares_;
  uint32_t share_count_ = 0;
  std::atomic<uint32_t> next_query_{0};
  std::atomic<uint32_t> shares_left_{0};
  std::atomic<bool> failed_{false};
  Mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_BATCH_SEARCH_CALL_H_
