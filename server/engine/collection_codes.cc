// Codes that come to and leave a collection's index beside reads and writes, on the builder's
// thread.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "index/base/crash_point.h"
#include "index/code_table.h"
#include "index/train_code.h"
#include "server/engine/collection.h"
#include "server/engine/priority.h"
#include "server/engine/row_source.h"
#include "server/engine/stored_codes.h"
#include "server/storage/keys.h"
#include "server/storage/records.h"

namespace nestor {
namespace {

// The share of the whole that training takes; the rest is coding the rows.
constexpr double kTrained = 0.8;
// Rows whose codes are put in under the writer's lock at once: some 50 us.
constexpr size_t kChunkRows = 256;

std::vector<uint32_t> ListsOf(const IvfIndex& index, const RowSource& rows) {
  std::vector<uint32_t> lists;
  lists.reserve(rows.size());
  for (uint64_t i = 0; i < rows.size(); ++i) lists.push_back(index.ListAt(rows.slot(i)));
  return lists;
}

}  // namespace

absl::Status Collection::AddCode(const OpqSpec& spec, const std::optional<GivenCode>& given,
                                 const Progress& progress) {
  absl::Status status =
      writer_.Exclude([&](Generation& current, const absl::Status& closed) -> absl::Status {
        if (!closed.ok()) return closed;
        current.index->FreeLists(snapshots_.Oldest());
        if (current.number == 0) {
          return absl::FailedPreconditionError(absl::StrCat(
              "the code ", OpqName(spec), " needs an index that was built; this one never was"));
        }
        // Points may have been encoded anew since it was asked for.
        if (absl::Status s = ValidateOpq(spec, current.schema()); !s.ok()) return s;
        return current.index->BeginCode(spec);
      });
  if (!status.ok()) return status;
  Pass(CrashPoint::kCodeBegun);
  status = TrainAndPublish(spec, given, progress);
  if (status.ok()) return status;
  // Also where the collection is closed: it may open again.
  writer_
      .Exclude([&](Generation& current, const absl::Status&) {
        TakeOut(spec, current.index.get());
        return absl::OkStatus();
      })
      .IgnoreError();
  return status;
}

absl::StatusOr<std::shared_ptr<const Code>> Collection::FindCode(const OpqSpec& spec) const {
  const std::shared_ptr<const CodeTable> codes = snapshots_.Peek().generation->index->codes();
  for (const CodeTable::Entry& entry : codes->ready) {
    if (entry.code->spec() == spec) return entry.code;
  }
  for (const CodeTable::Building& one : codes->building) {
    if (one.spec != spec) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("the code ", OpqName(spec), " is being added: ",
                     static_cast<int>(100 * one.progress->load(std::memory_order_relaxed)), " %"));
  }
  return absl::NotFoundError(
      absl::StrCat("no code ", OpqName(spec), "; the index has ", CodesText(codes->Specs())));
}

absl::Status Collection::TrainAndPublish(const OpqSpec& spec, const std::optional<GivenCode>& given,
                                         const Progress& progress) {
  const double trained_share = given.has_value() ? 0 : kTrained;
  std::shared_ptr<const Code> code;
  {
    const absl::StatusOr<Snapshots::Pinned> pinned = snapshots_.Pin(0, {});
    if (!pinned.ok()) return pinned.status();
    absl::Cleanup unpin = [&] { snapshots_.Unpin(pinned->ticket); };
    const Generation& generation = *pinned->generation;
    const IvfIndex& index = *generation.index;
    const RowSource rows(index, generation.points, index.SlotsAt(pinned->seq));
    CodeTraining training{.spec = spec, .threads = context_->build_threads, .given = given};
    training.progress = [&](double fraction) {
      index.ReportCode(trained_share * fraction);
      return progress("train", trained_share * fraction);
    };
    // Nothing is kept for it while it trains.
    training.rows_read = [&] { std::move(unpin).Invoke(); };
    absl::StatusOr<std::shared_ptr<const Code>> trained = absl::InternalError("not trained");
    RunWithPriority(Priority::kBuilds, [&] {
      trained = TrainCode(generation.schema(), index.model(), rows, ListsOf(index, rows), training);
    });
    if (!trained.ok()) return trained.status();
    code = *std::move(trained);
  }
  Pass(CrashPoint::kCodeTrained);
  // What is written from here on is coded by the writer, the rest of this snapshot here.
  absl::StatusOr<Snapshots::Pinned> pinned = absl::InternalError("not pinned");
  absl::Status status =
      writer_.Exclude([&](Generation& current, const absl::Status& closed) -> absl::Status {
        if (!closed.ok()) return closed;
        pinned = snapshots_.Pin(0, {});
        if (!pinned.ok()) return pinned.status();
        current.index->AttachCode(code);
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  const absl::Cleanup unpin = [&] { snapshots_.Unpin(pinned->ticket); };
  Pass(CrashPoint::kCodeAttached);
  status = CodeRows(*pinned, *code, trained_share, progress);
  if (!status.ok()) return status;
  Pass(CrashPoint::kRowsCoded);
  return StoreCodes(
      [&](std::vector<OpqSpec>* built, std::vector<OpqSpec>* next, Batch* batch) -> absl::Status {
        built->push_back(spec);
        if (std::find(next->begin(), next->end(), spec) == next->end() &&
            next->size() < kMaxCodes) {
          next->push_back(spec);
        }
        PutCode(uid_, pinned->generation->number, *code, batch);
        return absl::OkStatus();
      },
      [&](IvfIndex* index) { index->PublishCode(pinned->seq); });
}

absl::Status Collection::CodeRows(const Snapshots::Pinned& pinned, const Code& code, double begun,
                                  const Progress& progress) {
  const Generation& generation = *pinned.generation;
  const IvfIndex& index = *generation.index;
  const VectorSchema& schema = generation.schema();
  const RowSource rows(index, generation.points, index.SlotsAt(pinned.seq));
  const size_t vector_bytes = generation.codec().vector_bytes();
  std::vector<std::byte> bytes(kChunkRows * vector_bytes);
  std::vector<float> values(schema.dim), prepared;
  std::vector<uint8_t> one, codes(kChunkRows * code.spec().bytes);
  std::vector<float> half_squares(kChunkRows);
  for (uint64_t first = 0; first < rows.size(); first += kChunkRows) {
    const double done =
        begun + (1 - begun) * static_cast<double>(first) / static_cast<double>(rows.size());
    index.ReportCode(done);
    if (!progress("encode", done)) return absl::CancelledError("adding the code was cancelled");
    const uint64_t n = std::min<uint64_t>(kChunkRows, rows.size() - first);
    if (absl::Status s = rows.Read(first, n, bytes.data()); !s.ok()) return s;
    for (uint64_t i = 0; i < n; ++i) {
      DecodeVector(schema.dtype, bytes.data() + i * vector_bytes, schema.dim, values.data());
      half_squares[i] =
          code.Encode(values.data(), index.ListAt(rows.slot(first + i)), &prepared, &one);
      std::copy(one.begin(), one.end(), codes.begin() + static_cast<ptrdiff_t>(i * one.size()));
    }
    // The writer moves rows from run to run.
    const absl::Status put =
        writer_.Exclude([&](Generation& current, const absl::Status& closed) -> absl::Status {
          if (!closed.ok()) return closed;
          for (uint64_t i = 0; i < n; ++i) {
            current.index->PutCode(rows.slot(first + i), codes.data() + i * code.spec().bytes,
                                   half_squares[i]);
          }
          return absl::OkStatus();
        });
    if (!put.ok()) return put;
  }
  return absl::OkStatus();
}

// One batch for the generation's record, the collection's and what is stored of codes; then memory.
absl::Status Collection::StoreCodes(const CodeChange& change,
                                    absl::FunctionRef<void(IvfIndex*)> apply) {
  MutexLock record(&record_mutex_);
  CollectionSpec next = *spec();
  absl::Status status =
      writer_.Exclude([&](Generation& generation, const absl::Status& closed) -> absl::Status {
        if (!closed.ok()) return closed;
        IvfIndex& index = *generation.index;
        GenerationRecord built{generation.number, index.spec(), generation.rows_at_build,
                               generation.built_micros};
        built.spec.codes = index.codes()->Specs();
        Batch batch(context_->store);
        if (absl::Status s = change(&built.spec.codes, &next.index.codes, &batch); !s.ok()) {
          return s;
        }
        if (next.index.no_lists) next.index.codes.clear();
        batch.Put(Family::kMeta, GenerationKey(uid_), EncodeGeneration(built));
        batch.Put(Family::kMeta, CollectionKey(uid_), EncodeCollection({next, created_micros_}));
        if (absl::Status s = context_->store->Write(std::move(batch), /*sync=*/true); !s.ok()) {
          return s;
        }
        Pass(CrashPoint::kCodeStored);
        apply(&index);
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  Pass(CrashPoint::kCodePublished);
  MutexLock lock(&spec_mutex_);
  spec_ = std::make_shared<const CollectionSpec>(std::move(next));
  return absl::OkStatus();
}

// Under the writer's lock. Readers who pin before Retire may still find it.
void Collection::TakeOut(const OpqSpec& spec, IvfIndex* index) {
  index->DropCode(spec, snapshots_.Peek().ticket).IgnoreError();
  snapshots_.Retire();
}

absl::Status Collection::DropCode(const OpqSpec& spec) {
  absl::Status status = StoreCodes(
      [&](std::vector<OpqSpec>* built, std::vector<OpqSpec>* next, Batch* batch) -> absl::Status {
        if (std::erase(*built, spec) == 0) {
          return absl::NotFoundError(absl::StrCat("no code ", OpqName(spec),
                                                  " to drop; the index has ", CodesText(*built)));
        }
        std::erase(*next, spec);
        batch->Delete(Family::kModels, CodeKey(uid_, snapshots_.Peek().generation->number, spec));
        return absl::OkStatus();
      },
      [&](IvfIndex* index) { TakeOut(spec, index); });
  Pass(CrashPoint::kCodeRemoved);
  return status;
}

}  // namespace nestor
