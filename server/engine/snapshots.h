// Which state of a collection readers see, and which states are being read: the published sequence
// with the generation that shows it, and the snapshots that are pinned. Any thread; one mutex, held
// briefly.
#ifndef NESTOR_SERVER_ENGINE_SNAPSHOTS_H_
#define NESTOR_SERVER_ENGINE_SNAPSHOTS_H_

#include <cstdint>
#include <memory>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/base/mutex.h"
#include "server/engine/generation.h"
#include "server/engine/types.h"

namespace nestor {

class Snapshots {
 public:
  struct Pinned {
    std::shared_ptr<Generation> generation;
    uint64_t seq = 0;
    uint64_t points = 0;  // visible at seq
    uint64_t ticket = 0;  // for Unpin; ascending with time
  };

  Snapshots(std::shared_ptr<Generation> generation, uint64_t seq, uint64_t points);

  // --- Readers ---
  // Waits for `min_seq`. What the snapshot shows is kept until Unpin(ticket).
  absl::StatusOr<Pinned> Pin(uint64_t min_seq, const Patience& patience);
  void Unpin(uint64_t ticket);
  // Without a pin: for counts and statistics.
  Pinned Peek() const;
  uint64_t active() const;

  // --- Writer, builder ---
  // In order; everything up to `seq` has been applied to the generation.
  void Publish(uint64_t seq, uint64_t points);
  // The same sequence from now on read in another generation.
  void Swap(std::shared_ptr<Generation> generation);
  // Rows dead at or before this sequence are seen by no reader, now or later.
  uint64_t Horizon() const;
  // Close waits for Release; what is kept meanwhile is the caller's business.
  absl::Status Hold();
  void Release();
  // What readers who pinned up to now may hold goes by the ticket returned; it is theirs until
  // Oldest() is greater.
  uint64_t Retire();
  uint64_t Oldest() const;

  // --- Owner ---
  // Pin fails with `why` from now on, also where it already waits; then waits until nothing is
  // pinned or held.
  void Close(absl::Status why);
  void Reopen();

 private:
  mutable Mutex mutex_;
  CondVar published_;
  CondVar idle_;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  int holds_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
  Pinned current_ ABSL_GUARDED_BY(mutex_);
  struct Pins {
    uint64_t seq = 0;
    uint64_t count = 0;
  };
  absl::btree_map<uint64_t, Pins> pins_ ABSL_GUARDED_BY(mutex_);  // by ticket
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_SNAPSHOTS_H_
