// The one writer of a collection. Concurrent callers form groups: the first of the queue leads,
// stages all waiting entries in order, appends them to the log as one atomic batch with one sync,
// applies them to memory in order, publishes the last sequence and wakes the others.
//
//   Stage   gives each entry its sequence and its rows, and turns it into changes of the store and
//           effects on memory. Deterministic: the state and the entries decide everything.
//   Append  makes the batch durable. Where it fails, memory is as before; the sequences and rows of
//           the group are never used again, since a failed sync may still reach the disk.
//   Apply   plays the effects on the generation. Deterministic.
//
// The builder and upkeep share the writer's lock: the one records what is written beside a build
// and swaps generations, the other removes what nobody sees any more.
#ifndef NESTOR_SERVER_ENGINE_WRITER_H_
#define NESTOR_SERVER_ENGINE_WRITER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/base/mutex.h"
#include "server/engine/generation.h"
#include "server/engine/log_entry.h"
#include "server/engine/point_codec.h"
#include "server/engine/snapshots.h"
#include "server/storage/records.h"
#include "server/storage/store.h"

namespace nestor {

// Counters of all collections.
struct WriteCounters {
  std::atomic<uint64_t> entries{0};
  std::atomic<uint64_t> groups{0};
};

struct Overlay;

class Writer {
 public:
  struct Written {
    uint64_t seq = 0;
    uint64_t upserted = 0;
    uint64_t deleted = 0;
    // Nothing was written: the generation of now takes other encodings than the entry has, or has
    // other lists than those of points whose encodings are to be made again.
    bool stale = false;
  };
  // What happened to the old generation beside a build. All rows that the builder hears of keep
  // their slots there, and stay in the store, until it ends; those that come and go before it asks
  // are never heard of.
  struct Change {
    uint32_t slot = 0;
    uint64_t seq = 0;  // that bore the row, or that it died at
  };
  struct Changes {
    std::vector<Change> dead;   // ascending by `seq`; to be played first
    std::vector<Change> added;  // likewise
    size_t size() const { return dead.size() + added.size(); }
  };
  struct BuildStart {
    std::shared_ptr<Generation> generation;
    uint64_t ticket = 0;          // of the snapshot, pinned; the builder unpins it
    std::vector<uint32_t> slots;  // the rows visible in it, unordered
  };

  // `on_unsynced` is told of every group that was written without a sync.
  Writer(Store* store, uint32_t uid, Snapshots* snapshots, std::shared_ptr<Generation> generation,
         const StateRecord& state, std::function<void()> on_unsynced, WriteCounters* counters);

  // Returns when the entry is durable (`sync`) or logged, and published.
  absl::StatusOr<Written> Submit(const LogEntry& entry, bool sync);

  // --- Builder ---
  absl::StatusOr<BuildStart> BeginBuild();
  // Since BeginBuild or the last call, whose changes the builder is through with: rows that were
  // kept for them are kept no longer.
  Changes TakeChanges();
  // Under the writer's lock: hands the last changes to `finish`, which brings the new generation up
  // to date and fills the batch; writes it with a sync and swaps. On failure the old generation
  // stays.
  absl::Status CommitBuild(std::shared_ptr<Generation> next,
                           absl::FunctionRef<absl::Status(const Changes&, Batch*)> finish);
  // Stops recording; the old generation stays.
  void AbandonBuild();
  // Under the writer's lock, all writes before it published: `work` on the present generation.
  // `closed` is OK, or why the collection is.
  absl::Status Exclude(
      absl::FunctionRef<absl::Status(Generation& generation, const absl::Status& closed)> work);

  // --- Upkeep ---
  // Takes what no reader sees any more out of the store and of memory, a part at a time. Whether
  // more is left.
  absl::StatusOr<bool> Sweep();

  // --- Owner ---
  // Later calls fail with `why`; returns when none is at work.
  void Close(absl::Status why);
  void Reopen();

  // Any thread; waits for nobody.
  uint64_t unpurged_rows() const { return unpurged_rows_.load(std::memory_order_relaxed); }

 private:
  struct Waiter {
    const LogEntry* entry;
    bool sync;
    bool done = false;
    absl::Status status;
    Written written;
    CondVar turn;
  };
  // On memory, in order.
  struct Effect {
    const LogOp* op = nullptr;
    uint64_t seq = 0;
    uint64_t row = 0;   // of an upsert
    uint32_t list = 0;  // of an upsert
    uint32_t slot = 0;  // of an upsert, once applied
    // The version that dies: what this earlier effect of the group made, else a slot, else none.
    int32_t old_effect = -1;
    uint32_t old_slot = 0;
    uint64_t old_row = 0;
  };
  struct Staged {
    explicit Staged(Store* store) : batch(store) {}
    Batch batch;
    std::vector<Effect> effects;
    size_t purged = 0;  // from the front of dead_rows_
    uint64_t points = 0;
  };
  struct DeadRow {
    uint64_t row = 0;
    uint64_t dead = 0;
  };

  void Commit(std::span<Waiter* const> group);
  Staged Stage(std::span<Waiter* const> group) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsStale(const LogEntry& entry) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StageOp(const LogOp& op, uint64_t seq, Staged* staged, Overlay* overlay, Written* written)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Into the batch: rows of the store that nobody sees any more; how many. Also frees their slots.
  size_t Purge(Batch* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // They are gone from the store.
  void Purged(size_t rows) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MarkDead(uint32_t slot, uint64_t row, uint64_t seq) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Changes TakeChangesLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What was held for the build and died up to `seq` goes as other dead rows do.
  void ReleaseHeld(uint64_t seq) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StopRecording() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Append(Staged* staged, bool sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Apply(Staged* staged) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // An upsert, into the generation: its slot. What the index takes is made anew in `space` where
  // the op does not have it.
  absl::StatusOr<uint32_t> Insert(const Effect& effect, PointCodec::Space* space)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Store* const store_;
  const uint32_t uid_;
  Snapshots* const snapshots_;
  const std::function<void()> on_unsynced_;
  WriteCounters* const counters_;

  Mutex queue_mutex_;
  std::deque<Waiter*> queue_ ABSL_GUARDED_BY(queue_mutex_);

  // The writer's lock.
  Mutex mutex_;
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Generation> generation_ ABSL_GUARDED_BY(mutex_);
  uint64_t seq_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_row_ ABSL_GUARDED_BY(mutex_);
  uint64_t points_ ABSL_GUARDED_BY(mutex_);
  // Still in the store, ascending by `dead`; the second those that a build may read.
  std::deque<DeadRow> dead_rows_ ABSL_GUARDED_BY(mutex_);
  std::deque<DeadRow> held_rows_ ABSL_GUARDED_BY(mutex_);
  // Of a build: what it has not taken yet, and up to which sequence it has.
  bool recording_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Change> dead_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint32_t, uint64_t> added_ ABSL_GUARDED_BY(mutex_);  // slot -> born

  // For those who do not wait for the lock.
  std::atomic<bool> has_graph_;             // generation_
  std::atomic<uint64_t> unpurged_rows_{0};  // dead_rows_ and held_rows_
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_WRITER_H_
