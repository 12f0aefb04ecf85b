// One BatchSearch: its queries are searched on one snapshot, by as many tasks as there are search
// threads. A task takes a few queries at a time and then goes to the end of the queue if others
// wait, so that a big batch does not keep single searches waiting.
#ifndef NESTOR_SERVER_RPC_BATCH_SEARCH_CALL_H_
#define NESTOR_SERVER_RPC_BATCH_SEARCH_CALL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
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

  // What one task found; tasks share nothing that they write.
  struct Share final : WorkPool::Task {
    void Run() override { call->Work(this); }
    BatchSearchCall* call = nullptr;
    absl::InlinedVector<StageCost, 8> stages;
  };
  // Hits of `kQueriesAtATime` queries, one block of them after the other in the reply.
  struct Block {
    std::vector<uint32_t> counts;
    std::vector<uint64_t> nums;     // ids of the one kind
    std::vector<std::string> strs;  // or of the other
    std::vector<float> scores;
  };

  absl::Status Decode(const grpc::ByteBuffer* in, v1::BatchSearchRequest* request) override {
    return queries_.Decode(*in, request);
  }
  void RunOn(SearchView view) override;
  absl::Status Prepare();
  void Work(Share* share);
  absl::Status SearchBlock(uint32_t block, Share* share);
  // Keeps the first error; the other tasks stop at their next block.
  void Fail(const absl::Status& status);
  // By the task that ends last.
  void FinishBatch();
  void Observe();

  std::optional<SearchView> view_;
  QueryRows queries_;
  SearchHow how_;
  IdKind id_kind_ = IdKind::kNum;
  std::vector<Block> blocks_;
  std::unique_ptr<Share[]> shares_;
  uint32_t share_count_ = 0;
  std::atomic<uint32_t> next_block_{0};
  std::atomic<uint32_t> shares_left_{0};
  std::atomic<bool> failed_{false};
  Mutex mutex_;
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_BATCH_SEARCH_CALL_H_
