// A call that searches one snapshot, of a given sequence number at least. Where that number is not
// there yet, the call waits for it on a pool of its own, so that no search thread is held up.
#ifndef NESTOR_SERVER_RPC_SNAPSHOT_CALL_H_
#define NESTOR_SERVER_RPC_SNAPSHOT_CALL_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "server/engine/engine.h"
#include "server/rpc/call.h"

namespace nestor {

class SnapshotCall : public Call {
 protected:
  // `collection` and `min_seq` are the request's.
  SnapshotCall(Backend* backend, Method method, grpc::CallbackServerContext* context,
               const google::protobuf::Message* request, const std::string* collection,
               uint64_t min_seq)
      : Call(backend, method, context, request), collection_(*collection), min_seq_(min_seq) {}

  // On a search thread, with the snapshot. Completes the call, now or later.
  virtual void RunOn(SearchView view) = 0;

 private:
  enum class Step { kArrived, kWaiting, kReached };

  void Run() final;

  const std::string& collection_;
  const uint64_t min_seq_;
  Step step_ = Step::kArrived;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_SNAPSHOT_CALL_H_
