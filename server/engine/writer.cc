#include "server/engine/writer.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/base/crash_point.h"
#include "index/base/release_held.h"
#include "index/graph/graph.h"
#include "server/storage/keys.h"

namespace nestor {
namespace {

// Bounds what one sync and one stretch under the lock carry; an entry above it goes alone.
constexpr uint64_t kGroupBytes = 8 << 20;
// .. and, where there is a graph, which takes in some 10,000 points a second.
constexpr uint64_t kGraphGroupPoints = 2000;
// Deletes of purged rows that ride in one batch.
constexpr size_t kPurgePerGroup = 20000;
// Rows that upkeep copies under the lock, some 0.2 us each; a list is copied as a whole.
constexpr uint64_t kRewrittenRows = 10000;

const std::byte* Bytes(absl::string_view text) {
  return reinterpret_cast<const std::byte*>(text.data());
}

}  // namespace

// What earlier entries of the group did to an id: the effect that made its newest version, or
// kGone.
struct Overlay {
  static constexpr int32_t kGone = -1;
  absl::flat_hash_map<PointId, int32_t> ids;
};

Writer::Writer(Store* store, uint32_t uid, Snapshots* snapshots,
               std::shared_ptr<Generation> generation, const StateRecord& state,
               std::function<void()> on_unsynced, WriteCounters* counters)
    : store_(store),
      uid_(uid),
      snapshots_(snapshots),
      on_unsynced_(std::move(on_unsynced)),
      counters_(counters),
      generation_(std::move(generation)),
      seq_(state.seq),
      next_row_(state.next_row),
      points_(generation_->ids.size()),
      has_graph_(generation_->index->graph() != nullptr) {}

absl::StatusOr<Writer::Written> Writer::Submit(const LogEntry& entry, bool sync) {
  Waiter self;
  self.entry = &entry;
  self.sync = sync;
  std::vector<Waiter*> group;
  {
    MutexLock lock(&queue_mutex_);
    queue_.push_back(&self);
    while (!self.done && queue_.front() != &self) self.turn.Wait(&queue_mutex_);
    if (!self.done) {
      const uint64_t max_points =
          has_graph_.load(std::memory_order_relaxed) ? kGraphGroupPoints : ~uint64_t{0};
      uint64_t bytes = 0, points = 0;
      for (Waiter* waiter : queue_) {
        bytes += waiter->entry->bytes;
        points += waiter->entry->ops.size();
        if (!group.empty() && (bytes > kGroupBytes || points > max_points)) break;
        group.push_back(waiter);
      }
    }
  }
  if (!group.empty()) {
    Commit(group);
    MutexLock lock(&queue_mutex_);
    for (Waiter* waiter : group) {
      queue_.pop_front();
      waiter->done = true;
      if (waiter != &self) waiter->turn.NotifyOne();
    }
    if (!queue_.empty()) queue_.front()->turn.NotifyOne();
  }
  if (!self.status.ok()) return self.status;
  return self.written;
}

void Writer::Commit(std::span<Waiter* const> group) {
  const bool sync =
      std::any_of(group.begin(), group.end(), [](const Waiter* waiter) { return waiter->sync; });
  MutexLock lock(&mutex_);
  absl::Status status = closed_;
  if (status.ok()) {
    Staged staged = Stage(group);
    if (!staged.effects.empty()) {
      status = Append(&staged, sync);
      if (status.ok()) status = Apply(&staged);
      if (status.ok()) snapshots_->Publish(seq_, points_);
      counters_->groups.fetch_add(1, std::memory_order_relaxed);
    }
  }
  uint64_t written = 0;
  for (Waiter* waiter : group) {
    waiter->status = status;
    if (status.ok() && !waiter->written.stale) ++written;
  }
  counters_->entries.fetch_add(written, std::memory_order_relaxed);
}

Writer::Staged Writer::Stage(std::span<Waiter* const> group) {
  Staged staged(store_);
  staged.points = points_;
  Overlay overlay;
  // Ids are unique within an entry, so a group of one needs no overlay.
  Overlay* const shared = group.size() > 1 ? &overlay : nullptr;
  for (Waiter* waiter : group) {
    waiter->written.stale = IsStale(*waiter->entry);
    if (waiter->written.stale) continue;
    const size_t before = staged.effects.size();
    for (const LogOp& op : waiter->entry->ops) {
      StageOp(op, seq_ + 1, &staged, shared, &waiter->written);
    }
    // An entry that changes nothing takes no sequence.
    if (staged.effects.size() != before) ++seq_;
    waiter->written.seq = seq_;
  }
  if (staged.effects.empty()) return staged;
  staged.batch.Put(Family::kMeta, StateKey(uid_), EncodeState({seq_, next_row_}));
  staged.purged = Purge(&staged.batch);
  return staged;
}

bool Writer::IsStale(const LogEntry& entry) const {
  if (entry.codec == nullptr) return false;
  if (entry.codec.get() != &generation_->codec()) return true;
  return std::any_of(entry.ops.begin(), entry.ops.end(), [&](const LogOp& op) {
    return op.indexed.empty() && op.generation != generation_->number;
  });
}

void Writer::StageOp(const LogOp& op, uint64_t seq, Staged* staged, Overlay* overlay,
                     Written* written) {
  const IvfIndex& index = *generation_->index;
  Effect effect;
  effect.op = &op;
  effect.seq = seq;
  effect.old_slot = kNoSlot;
  bool staged_before = false;
  if (overlay != nullptr) {
    const auto it = overlay->ids.find(op.id);
    staged_before = it != overlay->ids.end();
    if (staged_before) effect.old_effect = it->second;
  }
  if (!staged_before) effect.old_slot = generation_->ids.Find(op.id);
  const bool exists = effect.old_slot != kNoSlot || effect.old_effect >= 0;
  const bool upsert = op.kind == LogOp::Kind::kUpsert;
  if (!upsert && !exists) return;

  if (exists) {
    const Effect* old = effect.old_effect >= 0 ? &staged->effects[effect.old_effect] : nullptr;
    effect.old_row = old != nullptr ? old->row : index.RowAt(effect.old_slot);
    if (generation_->number > 0) {
      const uint32_t list = old != nullptr ? old->list : index.ListAt(effect.old_slot);
      staged->batch.Delete(Family::kPostings,
                           PostingKey(uid_, generation_->number, list, effect.old_row));
    }
  }
  if (upsert) {
    effect.row = next_row_++;
    effect.list = op.generation == generation_->number
                      ? op.list
                      : generation_->ListOf(op.attributes, Bytes(op.indexed));
    staged->batch.Put(Family::kPoints, PointKey(uid_, effect.row),
                      EncodePointHeader(seq, op.id, op.attributes, op.stored.size()), op.stored);
    staged->batch.Put(Family::kIds, IdKey(uid_, op.id), EncodeRow(effect.row));
    if (generation_->number > 0) {
      staged->batch.Put(Family::kPostings,
                        PostingKey(uid_, generation_->number, effect.list, effect.row), "");
    }
    ++written->upserted;
    if (!exists) ++staged->points;
  } else {
    staged->batch.Delete(Family::kIds, IdKey(uid_, op.id));
    ++written->deleted;
    --staged->points;
  }
  staged->effects.push_back(effect);
  if (overlay != nullptr) {
    overlay->ids[op.id] =
        upsert ? static_cast<int32_t>(staged->effects.size() - 1) : Overlay::kGone;
  }
}

size_t Writer::Purge(Batch* batch) {
  const uint64_t horizon = snapshots_->Horizon();
  // Before the slots, which it names.
  generation_->ids.Forget(horizon);
  if (Graph* graph = generation_->index->graph(); graph != nullptr) graph->SetOldest(horizon);
  generation_->index->ReclaimSlots(horizon);
  size_t purged = 0;
  for (; purged < std::min(dead_rows_.size(), kPurgePerGroup); ++purged) {
    if (dead_rows_[purged].dead > horizon) break;
    batch->Delete(Family::kPoints, PointKey(uid_, dead_rows_[purged].row));
  }
  return purged;
}

void Writer::Purged(size_t rows) {
  dead_rows_.erase(dead_rows_.begin(), dead_rows_.begin() + rows);
  unpurged_rows_.store(dead_rows_.size() + held_rows_.size(), std::memory_order_relaxed);
}

void Writer::MarkDead(uint32_t slot, uint64_t row, uint64_t seq) {
  const bool held = recording_ && added_.erase(slot) == 0;
  generation_->index->MarkDead(slot, seq, held);
  (held ? held_rows_ : dead_rows_).push_back({row, seq});
  if (held) dead_.push_back({slot, seq});
}

absl::StatusOr<bool> Writer::Sweep() {
  MutexLock lock(&mutex_);
  if (!closed_.ok()) return false;
  Batch batch(store_);
  const size_t purged = Purge(&batch);
  if (purged > 0) {
    Pass(CrashPoint::kPurgeStaged);
    // Lost, it is done again at the next start.
    if (absl::Status status = store_->Write(std::move(batch), /*sync=*/false); !status.ok()) {
      return status;
    }
    Pass(CrashPoint::kPurged);
    Purged(purged);
  }
  IvfIndex& index = *generation_->index;
  index.FreeLists(snapshots_->Oldest());
  // Who pins beside the rewriting may still find what was there, so the ticket ends behind it.
  const bool more = index.RewriteLists(kRewrittenRows, snapshots_->Peek().ticket);
  snapshots_->Retire();
  return more || purged == kPurgePerGroup;
}

absl::Status Writer::Append(Staged* staged, bool sync) {
  Pass(CrashPoint::kWriteStaged);
  if (absl::Status status = store_->Write(std::move(staged->batch), sync); !status.ok()) {
    return status;
  }
  Pass(CrashPoint::kWriteLogged);
  if (!sync) on_unsynced_();
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> Writer::Insert(const Effect& effect, PointCodec::Space* space) {
  const LogOp& op = *effect.op;
  absl::string_view indexed = op.indexed;
  if (indexed.empty()) {
    const absl::StatusOr<EncodedPoint> point = generation_->codec().Decode(op.stored, space);
    if (!point.ok()) return point.status();
    indexed = point->indexed;
  }
  return generation_->Append(effect.list, op.id, effect.row, effect.seq, Bytes(indexed), op.tokens);
}

absl::Status Writer::Apply(Staged* staged) {
  PointCodec::Space space;
  for (Effect& effect : staged->effects) {
    const LogOp& op = *effect.op;
    const uint32_t old_slot =
        effect.old_effect >= 0 ? staged->effects[effect.old_effect].slot : effect.old_slot;
    if (op.kind == LogOp::Kind::kUpsert) {
      const absl::StatusOr<uint32_t> slot = Insert(effect, &space);
      if (!slot.ok()) {
        // It is in the log, so memory is behind the store: only a restart can bring them together.
        closed_ = absl::Status(
            slot.status().code(),
            absl::StrCat("writes stopped until a restart: sequence ", effect.seq,
                         " is logged and cannot be applied: ", slot.status().message()));
        return closed_;
      }
      effect.slot = *slot;
    } else {
      generation_->ids.Erase(op.id, effect.seq);
    }
    if (old_slot != kNoSlot) {
      MarkDead(old_slot, effect.old_row, effect.seq);
    }
    if (recording_ && op.kind == LogOp::Kind::kUpsert) added_.emplace(effect.slot, effect.seq);
  }
  Purged(staged->purged);
  points_ = staged->points;
  return absl::OkStatus();
}

absl::StatusOr<Writer::BuildStart> Writer::BeginBuild() {
  MutexLock lock(&mutex_);
  if (!closed_.ok()) return closed_;
  absl::StatusOr<Snapshots::Pinned> pinned = snapshots_->Pin(0, {});
  if (!pinned.ok()) return pinned.status();
  recording_ = true;
  taken_ = 0;
  return BuildStart{generation_, pinned->ticket, generation_->ids.Slots()};
}

Writer::Changes Writer::TakeChanges() {
  MutexLock lock(&mutex_);
  ReleaseHeld(taken_);
  taken_ = seq_;
  return TakeChangesLocked();
}

Writer::Changes Writer::TakeChangesLocked() {
  Changes changes;
  changes.dead.swap(dead_);
  changes.added.reserve(added_.size());
  for (const auto& [slot, born] : added_) changes.added.push_back({slot, born});
  added_ = {};
  std::sort(changes.added.begin(), changes.added.end(), [](const Change& a, const Change& b) {
    return a.seq != b.seq ? a.seq < b.seq : a.slot < b.slot;
  });
  return changes;
}

absl::Status Writer::CommitBuild(std::shared_ptr<Generation> next,
                                 absl::FunctionRef<absl::Status(const Changes&, Batch*)> finish) {
  MutexLock lock(&mutex_);
  if (!closed_.ok()) return closed_;
  Batch batch(store_);
  if (absl::Status status = finish(TakeChangesLocked(), &batch); !status.ok()) return status;
  Pass(CrashPoint::kCommitStaged);
  if (absl::Status status = store_->Write(std::move(batch), /*sync=*/true); !status.ok()) {
    return status;
  }
  Pass(CrashPoint::kCommitted);
  StopRecording();
  has_graph_.store(next->index->graph() != nullptr, std::memory_order_relaxed);
  generation_ = next;
  snapshots_->Swap(std::move(next));
  Pass(CrashPoint::kSwapped);
  return absl::OkStatus();
}

void Writer::AbandonBuild() {
  MutexLock lock(&mutex_);
  if (recording_) StopRecording();
}

void Writer::StopRecording() {
  recording_ = false;
  dead_ = {};
  added_ = {};
  ReleaseHeld(seq_);
}

void Writer::ReleaseHeld(uint64_t seq) {
  generation_->index->ReleaseHeld(seq);
  nestor::ReleaseHeld(seq, &held_rows_, &dead_rows_);
}

absl::Status Writer::Exclude(
    absl::FunctionRef<absl::Status(Generation& generation, const absl::Status& closed)> work) {
  MutexLock lock(&mutex_);
  return work(*generation_, closed_);
}

void Writer::Close(absl::Status why) {
  MutexLock lock(&mutex_);
  closed_ = std::move(why);
}

void Writer::Reopen() {
  MutexLock lock(&mutex_);
  closed_ = absl::OkStatus();
}

}  // namespace nestor
