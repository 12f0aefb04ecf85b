// Builds of a collection's index, also those that encode its points anew, on the builder's thread.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "index/code_table.h"
#include "index/multi/stored_fde.h"
#include "server/engine/build_generation.h"
#include "server/engine/collection.h"
#include "server/engine/validate.h"
#include "server/storage/keys.h"
#include "server/storage/records.h"

namespace nestor {
namespace {

// Centroids, or a code, that were learnt elsewhere were learnt on the encodings of then: others
// they can neither be kept for nor be trained on without ceasing to be what was imported.
absl::Status CheckImported(const IvfIndex& built, const IndexSpec& next) {
  if (next.centroids == CentroidOrigin::kImported) {
    return absl::FailedPreconditionError(
        "the lists' centroids were imported, for the present encodings, and do not fit others; "
        "give an index spec without them");
  }
  const std::shared_ptr<const CodeTable> codes = built.codes();
  for (const CodeTable::Entry& entry : codes->ready) {
    const OpqSpec& spec = entry.code->spec();
    if (entry.code->origin() == CodeOrigin::kTrained) continue;
    if (std::find(next.codes.begin(), next.codes.end(), spec) == next.codes.end()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("the code ", OpqName(spec),
                     " was imported, for the present encodings, and does not fit others; drop it "
                     "first, or give an index spec without it"));
  }
  return absl::OkStatus();
}

// Matrices that are drawn of the same spec would be the same, but for another standard library's
// distributions: those that are there are kept.
absl::StatusOr<std::shared_ptr<const PointCodec>> CodecOf(const CollectionSpec& next,
                                                          const PointCodec& present) {
  std::shared_ptr<const FdeModel> fde = present.fde();
  if (fde->spec() != next.multi->fde) {
    absl::StatusOr<std::shared_ptr<const FdeModel>> drawn = FdeModel::Draw(next.multi->fde);
    if (!drawn.ok()) return drawn.status();
    fde = *std::move(drawn);
  }
  return std::make_shared<const PointCodec>(next, std::move(fde));
}

}  // namespace

absl::StatusOr<CollectionSpec> Collection::Reencoded(const Reencoding& reencoding) const {
  if (!multi_) {
    return absl::InvalidArgumentError(
        "the collection is of vectors (kind SINGLE): there is nothing to encode");
  }
  CollectionSpec next = *spec();
  const IndexSpec kept = std::exchange(next.index, reencoding.index.value_or(IndexSpec()));
  const std::shared_ptr<const Generation> present = snapshots_.Peek().generation;
  const bool same_fdes = present->codec().fde()->spec() == reencoding.fde;
  if (same_fdes) {
    if (absl::Status status = KeepCentroids(&next.index); !status.ok()) return status;
  }
  next.multi->fde = reencoding.fde;
  next.schema = reencoding.schema;
  if (absl::Status status = NormalizeCollectionSpec(&next); !status.ok()) return status;
  if (absl::Status status = ValidateCollectionSpec(next); !status.ok()) return status;
  if (!reencoding.index.has_value()) {
    // What it leaves to be chosen is chosen anew. What was declared is not dropped unasked.
    next.index = kept;
    if (absl::Status status = ValidateSpec(next.index, next.schema); !status.ok()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the collection's index spec does not fit the new encodings: ", status.message(),
          "; give an index spec that does"));
    }
  }
  if (same_fdes) return next;
  if (absl::Status status = CheckImported(*present->index, next.index); !status.ok()) return status;
  return next;
}

absl::Status Collection::KeepCentroids(IndexSpec* spec) const {
  return nestor::KeepCentroids(snapshots_.Peek().generation->index->spec(), spec);
}

absl::StatusOr<IndexCentroids> Collection::Centroids() {
  const absl::StatusOr<Snapshots::Pinned> pinned = snapshots_.Pin(0, {});
  if (!pinned.ok()) return pinned.status();
  const absl::Cleanup unpin = [&] { snapshots_.Unpin(pinned->ticket); };
  const IvfIndex& index = *pinned->generation->index;
  IndexCentroids centroids{index.shared_model(), index.spec().centroids, {}};
  if (!centroids.model->trained()) {
    return absl::FailedPreconditionError("the index has one list: there are no centroids");
  }
  centroids.rows.resize(centroids.model->lists);
  for (const uint32_t slot : index.SlotsAt(pinned->seq)) ++centroids.rows[index.ListAt(slot)];
  return centroids;
}

absl::Status Collection::Build(const BuildChange& change, Progress progress) {
  BuildTask task;
  task.store = context_->store;
  task.uid = uid_;
  task.codec = snapshots_.Peek().generation->points.shared_codec();
  task.id_kind = id_kind_;
  task.spec = spec()->index;
  if (const auto* reencoding = std::get_if<Reencoding>(&change)) {
    const absl::StatusOr<CollectionSpec> next = Reencoded(*reencoding);
    if (!next.ok()) return next.status();
    absl::StatusOr<std::shared_ptr<const PointCodec>> codec = CodecOf(*next, *task.codec);
    if (!codec.ok()) return codec.status();
    task.codec = *std::move(codec);
    task.spec = next->index;
    task.commit = [this, reencoding, &task](BuildTask::Swap swap) {
      return CommitReencoding(*reencoding, *task.codec, swap);
    };
  } else if (const auto* import = std::get_if<CentroidImport>(&change)) {
    task.spec = import->index;
    task.centroids = import->centroids;
    task.commit = [this, import](BuildTask::Swap swap) { return CommitCentroids(*import, swap); };
  } else {
    task.commit = [](BuildTask::Swap swap) { return swap([](Batch*) {}); };
  }
  if (multi_) task.spec = ChooseForFdes(task.spec, task.codec->schema());
  task.generation = last_generation_.fetch_add(1) + 1;
  task.writer = &writer_;
  task.snapshots = &snapshots_;
  task.threads = context_->build_threads;
  task.progress = std::move(progress);
  return BuildGeneration(task);
}

// With the model of the encodings.
absl::Status Collection::CommitReencoding(const Reencoding& reencoding, const PointCodec& codec,
                                          BuildTask::Swap swap) {
  MutexLock record(&record_mutex_);
  // Again: what was declared beside the build is kept, too.
  absl::StatusOr<CollectionSpec> next = Reencoded(reencoding);
  if (!next.ok()) return next.status();
  const std::string model = SerializeFde(*codec.fde());
  return CommitRecord(*std::move(next), swap,
                      [&](Batch* batch) { batch->Put(Family::kMeta, FdeKey(uid_), model); });
}

absl::Status Collection::CommitCentroids(const CentroidImport& import, BuildTask::Swap swap) {
  MutexLock record(&record_mutex_);
  CollectionSpec next = *spec();
  next.index = import.index;
  return CommitRecord(std::move(next), swap, [](Batch*) {});
}

absl::Status Collection::CommitRecord(CollectionSpec next, BuildTask::Swap swap,
                                      absl::FunctionRef<void(Batch*)> add) {
  const absl::Status swapped = swap([&](Batch* batch) {
    batch->Put(Family::kMeta, CollectionKey(uid_), EncodeCollection({next, created_micros_}));
    add(batch);
  });
  if (!swapped.ok()) return swapped;
  MutexLock lock(&spec_mutex_);
  spec_ = std::make_shared<const CollectionSpec>(std::move(next));
  return absl::OkStatus();
}

}  // namespace nestor
