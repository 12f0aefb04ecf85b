#include "server/engine/build_generation.h"

#include <algorithm>
#include <memory>
#include <ranges>
#include <span>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "index/base/crash_point.h"
#include "index/build.h"
#include "index/code_table.h"
#include "server/engine/clock.h"
#include "server/engine/list_attribute.h"
#include "server/engine/priority.h"
#include "server/engine/row_source.h"
#include "server/engine/stored_codes.h"
#include "server/engine/stored_graphs.h"
#include "server/engine/validate.h"
#include "server/storage/keys.h"
#include "server/storage/records.h"

namespace nestor {
namespace {

// Share of the whole that building the index takes; the rest is storing and catching up.
constexpr double kIndexShare = 0.9;
// Changes that the last round, under the writer's lock, may find left over; rounds before giving up
// on that.
constexpr size_t kFewChanges = 500;
constexpr size_t kPostingsABatch = 10000;
constexpr int kRounds = 16;
// Share of dead nodes at which a round takes them out of the graph: that takes as long as inserting
// as many, so below it is left to upkeep.
constexpr double kRepairAt = 0.25;

// The slot that the row had, kNoSlot where it is none of them. `rows` ascend by row number.
uint32_t OldSlot(const RowSource& rows, uint64_t row) {
  const auto all = std::views::iota(uint64_t{0}, rows.size());
  const auto it = std::ranges::lower_bound(all, row, {}, [&](uint64_t i) { return rows.row(i); });
  return it != all.end() && rows.row(*it) == row ? rows.slot(*it) : kNoSlot;
}

class Build {
 public:
  explicit Build(const BuildTask& task)
      : task_(task),
        multi_(task.codec->multi() != nullptr),
        points_(task.store, task.uid, task.codec) {}

  absl::Status Run();

 private:
  absl::Status BuildIndex();
  absl::Status StorePostings();
  absl::Status CatchUp();
  absl::Status TidyUp(const Writer::Changes& replayed, const std::function<bool()>& go_on);
  absl::Status Replay(const Writer::Changes& changes, Batch* batch);
  absl::Status Add(const Writer::Change& added, Batch* batch);
  absl::Status Kill(const Writer::Change& dead, Batch* batch);
  absl::Status Commit();
  absl::Status Swap(absl::FunctionRef<void(Batch*)> add);
  void RemoveTraces();

  const BuildTask& task_;
  const bool multi_;
  const StoredPoints points_;  // as the new generation takes them
  Writer::BuildStart start_;
  std::shared_ptr<Generation> next_;
};

absl::Status Build::BuildIndex() {
  const IvfIndex& old = *start_.generation->index;
  std::sort(start_.slots.begin(), start_.slots.end(),
            [&old](uint32_t a, uint32_t b) { return old.RowAt(a) < old.RowAt(b); });
  const RowSource source(old, points_, std::move(start_.slots));
  task_.snapshots->Unpin(start_.ticket);
  BuildOptions options;
  options.threads = task_.threads;
  const std::shared_ptr<const CodeTable> codes = old.codes();
  const bool same_values = task_.codec->fde() == start_.generation->codec().fde();
  for (const CodeTable::Entry& entry : codes->ready) {
    if (same_values && entry.code->origin() != CodeOrigin::kTrained) {
      options.given_codes.push_back(entry.code->given());
    }
  }
  if (task_.spec.centroids == CentroidOrigin::kImported) {
    if (task_.centroids == nullptr) {
      if (absl::Status s = CheckKeptCentroids(old.spec(), task_.spec); !s.ok()) return s;
    }
    options.centroids = task_.centroids == nullptr ? old.model().centroids : *task_.centroids;
  }
  options.progress = [this](const char* phase, double fraction) {
    return task_.progress(phase, fraction * kIndexShare);
  };
  absl::StatusOr<std::unique_ptr<IvfIndex>> index =
      BuildIvfIndex(task_.codec->schema(), task_.spec, task_.id_kind, source, options);
  if (!index.ok()) return index.status();
  next_ = std::make_shared<Generation>(
      GenerationRecord{task_.generation, (*index)->spec(), source.size(), NowMicros()}, points_,
      *std::move(index), task_.id_kind);
  const IvfIndex& built = *next_->index;
  next_->ids.Reserve(source.size());
  if (multi_) next_->tokens->Grow(built.slot_limit());
  for (uint32_t slot = 0; slot < built.slot_limit(); ++slot) {
    const uint32_t old_slot = OldSlot(source, built.RowAt(slot));
    if (old_slot == kNoSlot) continue;
    next_->ids.Put(built.IdAt(slot), slot, built.BornAt(slot));
    if (multi_) next_->tokens->Put(slot, start_.generation->tokens->At(old_slot));
  }
  if (next_->ids.size() != source.size()) {
    return absl::InternalError(
        absl::StrCat("the new index has ", next_->ids.size(), " rows of ", source.size()));
  }
  return absl::OkStatus();
}

// Through the log, at 20 bytes a row: a file that RocksDB ingests is written once, but where the
// disk is full just when the MANIFEST is synced, RocksDB 7.8 removes the file and leaves its name
// in there, and the directory can never be opened again.
absl::Status Build::StorePostings() {
  const IvfIndex& built = *next_->index;
  std::vector<std::pair<uint32_t, uint64_t>> postings;  // list, row
  for (uint32_t slot : next_->ids.Slots()) {
    postings.emplace_back(built.ListAt(slot), built.RowAt(slot));
  }
  std::sort(postings.begin(), postings.end());
  for (size_t begin = 0; begin < postings.size(); begin += kPostingsABatch) {
    if (!task_.progress("store", kIndexShare)) return absl::CancelledError("build cancelled");
    Batch batch(task_.store);
    const size_t end = std::min(postings.size(), begin + kPostingsABatch);
    for (const auto& [list, row] : std::span(postings).subspan(begin, end - begin)) {
      batch.Put(Family::kPostings, PostingKey(task_.uid, task_.generation, list, row), "");
    }
    // The commit's sync covers it.
    if (absl::Status s = task_.store->Write(std::move(batch), /*sync=*/false); !s.ok()) return s;
    Pass(CrashPoint::kPostingsWritten);
  }
  return absl::OkStatus();
}

// Rounds beside the writer, until so little is left that it may wait for the rest.
absl::Status Build::CatchUp() {
  for (int round = 0; round < kRounds; ++round) {
    const auto go_on = [&] { return task_.progress("catch up", 0.95 + 0.04 * round / kRounds); };
    if (!go_on()) return absl::CancelledError("build cancelled");
    const Writer::Changes changes = task_.writer->TakeChanges();
    Batch batch(task_.store);
    if (absl::Status status = Replay(changes, &batch); !status.ok()) return status;
    if (!batch.empty()) {
      // The commit's sync covers it.
      absl::Status status = task_.store->Write(std::move(batch), /*sync=*/false);
      if (!status.ok()) return status;
    }
    if (changes.size() <= kFewChanges) break;
    if (absl::Status status = TidyUp(changes, go_on); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// What died beside a long build, or in the rounds before, gives room to what comes. There are no
// readers yet, and none will look further back than what was replayed.
absl::Status Build::TidyUp(const Writer::Changes& replayed, const std::function<bool()>& go_on) {
  IvfIndex& index = *next_->index;
  uint64_t seq = 0;
  if (!replayed.dead.empty()) seq = replayed.dead.back().seq;
  if (!replayed.added.empty()) seq = std::max(seq, replayed.added.back().seq);
  next_->ids.Forget(seq);
  if (Graph* graph = index.graph(); graph != nullptr) {
    graph->SetOldest(seq + 1);
    if (graph->DeadShare() >= kRepairAt) {
      if (absl::Status status = graph->Repair(go_on).status(); !status.ok()) return status;
    }
  }
  index.ReclaimSlots(seq);
  index.RewriteLists(index.slot_limit(), /*ticket=*/0);
  index.FreeLists(/*oldest=*/1);
  return absl::OkStatus();
}

absl::Status Build::Replay(const Writer::Changes& changes, Batch* batch) {
  for (const Writer::Change& dead : changes.dead) {
    if (absl::Status status = Kill(dead, batch); !status.ok()) return status;
  }
  for (const Writer::Change& added : changes.added) {
    if (absl::Status status = Add(added, batch); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Build::Add(const Writer::Change& added, Batch* batch) {
  const IvfIndex& old = *start_.generation->index;
  const uint64_t row = old.RowAt(added.slot);
  const std::byte* vector = old.VectorAt(added.slot);
  std::vector<std::byte> fetched;
  if (vector == nullptr) {
    fetched.resize(task_.codec->vector_bytes());
    if (absl::Status s = points_.Fetch({&row, 1}, fetched.data()); !s.ok()) return s;
    vector = fetched.data();
  }
  const PointId id = old.IdAt(added.slot);
  uint32_t list = BuildSource::kNearest;
  if (const IndexSpec& spec = next_->index->spec(); !spec.list_attribute.empty()) {
    if (absl::Status s = ReadListAttributes(points_, {&row, 1}, spec, &list); !s.ok()) return s;
  }
  if (list == BuildSource::kNearest) list = next_->index->Assign(vector);
  const absl::Status appended =
      next_
          ->Append(list, id, row, added.seq, vector,
                   multi_ ? start_.generation->tokens->At(added.slot) : nullptr)
          .status();
  if (!appended.ok()) return appended;
  batch->Put(Family::kPostings, PostingKey(task_.uid, task_.generation, list, row), "");
  return absl::OkStatus();
}

absl::Status Build::Kill(const Writer::Change& dead, Batch* batch) {
  const IvfIndex& old = *start_.generation->index;
  const PointId id = old.IdAt(dead.slot);
  const uint64_t row = old.RowAt(dead.slot);
  const uint32_t slot = next_->ids.Find(id);
  if (slot == kNoSlot || next_->index->RowAt(slot) != row) {
    return absl::InternalError(absl::StrCat("the new index lacks row ", row, " of the old one"));
  }
  next_->index->MarkDead(slot, dead.seq);
  next_->ids.Erase(id, dead.seq);
  batch->Delete(Family::kPostings,
                PostingKey(task_.uid, task_.generation, next_->index->ListAt(slot), row));
  return absl::OkStatus();
}

absl::Status Build::Commit() {
  return task_.commit([this](absl::FunctionRef<void(Batch*)> add) { return Swap(add); });
}

absl::Status Build::Swap(absl::FunctionRef<void(Batch*)> add) {
  const std::string model = SerializeModel(next_->index->model());
  const GenerationRecord record{task_.generation, next_->index->spec(), next_->rows_at_build,
                                next_->built_micros};
  return task_.writer->CommitBuild(
      next_, [&](const Writer::Changes& changes, Batch* batch) -> absl::Status {
        if (absl::Status status = Replay(changes, batch); !status.ok()) return status;
        batch->Put(Family::kModels, ModelKey(task_.uid, task_.generation), model);
        PutCodes(task_.uid, task_.generation, *next_->index->codes(), batch);
        batch->Put(Family::kMeta, GenerationKey(task_.uid), EncodeGeneration(record));
        add(batch);
        for (Family family : {Family::kPostings, Family::kModels, Family::kGraphs}) {
          batch->DeleteRange(family, UidBegin(task_.uid),
                             GenerationBegin(task_.uid, task_.generation));
        }
        return absl::OkStatus();
      });
}

// Best effort: the next restart removes what is left of a generation that never became current.
void Build::RemoveTraces() {
  task_.writer->AbandonBuild();
  Batch batch(task_.store);
  for (Family family : {Family::kPostings, Family::kGraphs}) {
    batch.DeleteRange(family, GenerationBegin(task_.uid, task_.generation),
                      GenerationBegin(task_.uid, task_.generation + 1));
  }
  task_.store->Write(std::move(batch), /*sync=*/false).IgnoreError();
}

absl::Status Build::Run() {
  if (absl::Status status = task_.snapshots->Hold(); !status.ok()) return status;
  const absl::Cleanup release = [this] { task_.snapshots->Release(); };
  absl::StatusOr<Writer::BuildStart> start = task_.writer->BeginBuild();
  if (!start.ok()) return start.status();
  start_ = *std::move(start);
  absl::Status status;
  RunWithPriority(Priority::kBuilds, [&] { status = BuildIndex(); });
  Pass(CrashPoint::kRowsRead);
  if (status.ok()) status = StorePostings();
  Pass(CrashPoint::kPostingsStored);
  if (status.ok() && next_->index->graph() != nullptr) {
    status = WriteGraph(task_.store, task_.uid, task_.generation, next_->index->graph()).status();
    Pass(CrashPoint::kGraphStored);
  }
  if (status.ok()) status = CatchUp();
  Pass(CrashPoint::kCaughtUp);
  if (status.ok()) status = Commit();
  if (!status.ok()) RemoveTraces();
  return status;
}

}  // namespace

absl::Status BuildGeneration(const BuildTask& task) { return Build(task).Run(); }

}  // namespace nestor
