// A call that searches one snapshot, of a given sequence number at least. Where that number is not
// there yet, the call waits for it on a pool of its own, so that no search thread is held up.
#ifndef NESTOR_SERVER_RPC_SNAPSHOT_CALL_H_
#define NESTOR_SERVER_RPC_SNAPSHOT_CALL_H_

#include <utility>

#include "absl/status/statusor.h"
#include "server/engine/engine.h"
#include "server/rpc/call.h"
#include "server/rpc/status.h"

namespace nestor {

// `Request` has a collection and a min_seq.
template <typename Request, typename Reply>
class SnapshotCall : public MessageCall<Request, Reply> {
 protected:
  using MessageCall<Request, Reply>::MessageCall;

  // On a search thread, with the snapshot. Completes the call, now or later.
  virtual void RunOn(SearchView view) = 0;

 private:
  enum class Step { kArrived, kWaiting, kReached };

  void Run() final {
    absl::Status status = this->Admit();
    if (status.ok() && step_ == Step::kArrived) status = this->Decode();
    if (!status.ok()) return this->Complete(status);

    const Request& request = this->request();
    if (step_ == Step::kArrived && request.min_seq() > 0) {
      const absl::StatusOr<uint64_t> seq = this->engine().Sequence(request.collection());
      if (!seq.ok()) return this->Complete(AtField("collection", seq.status()));
      if (*seq < request.min_seq()) {
        step_ = Step::kWaiting;
        if (!this->backend().waits.Submit(this)) this->Complete(QueueFull(this->backend().waits));
        return;
      }
    }
    absl::StatusOr<SearchView> view =
        this->engine().Pin(request.collection(), request.min_seq(), this->patience());
    if (!view.ok()) return this->Complete(AtField("collection", view.status()));
    if (step_ == Step::kWaiting) {
      // Back to the search threads; the number stays reached.
      step_ = Step::kReached;
      return this->backend().searches.Continue(this);
    }
    RunOn(*std::move(view));
  }

  Step step_ = Step::kArrived;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_SNAPSHOT_CALL_H_
