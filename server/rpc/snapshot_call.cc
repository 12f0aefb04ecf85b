#include "server/rpc/snapshot_call.h"

#include <utility>

#include "server/rpc/status.h"

namespace nestor {

void SnapshotCall::Run() {
  const absl::Status admitted = Admit();
  if (!admitted.ok()) return Complete(admitted);

  if (step_ == Step::kArrived && min_seq_ > 0) {
    const absl::StatusOr<uint64_t> seq = engine().Sequence(collection_);
    if (!seq.ok()) return Complete(AtField("collection", seq.status()));
    if (*seq < min_seq_) {
      step_ = Step::kWaiting;
      if (!backend().waits.Submit(this)) Complete(QueueFull(backend().waits));
      return;
    }
  }
  absl::StatusOr<SearchView> view = engine().Pin(collection_, min_seq_, patience());
  if (!view.ok()) return Complete(AtField("collection", view.status()));
  if (step_ == Step::kWaiting) {
    // Back to the search threads; the number stays reached.
    step_ = Step::kReached;
    return backend().searches.Continue(this);
  }
  RunOn(*std::move(view));
}

}  // namespace nestor
