#include "server/engine/collection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "index/base/crash_point.h"
#include "index/code_table.h"
#include "server/engine/validate.h"
#include "server/storage/keys.h"
#include "server/storage/records.h"

namespace nestor {
namespace {

// From here on a search would be faster with lists (semantics 7).
constexpr uint64_t kRowsWorthBuilding = 1000;

}  // namespace

Collection::Collection(CollectionContext* context, uint32_t uid, const CollectionRecord& record,
                       const LoadedCollection& loaded)
    : context_(context),
      uid_(uid),
      created_micros_(record.created_micros),
      id_kind_(record.spec.id_kind),
      multi_(record.spec.multi.has_value()),
      snapshots_(loaded.generation, loaded.state.seq, loaded.generation->ids.size()),
      writer_(context->store, uid, &snapshots_, loaded.generation, loaded.state,
              context->on_unsynced, &context->writes),
      last_generation_(loaded.generation->number),
      spec_(std::make_shared<const CollectionSpec>(record.spec)) {}

std::shared_ptr<const CollectionSpec> Collection::spec() const {
  MutexLock lock(&spec_mutex_);
  return spec_;
}

// Never trained, or trained when it was too small for more than one list.
uint64_t Collection::Unbuilt(const Generation& generation, uint64_t points) {
  const bool built = generation.index->model().trained() || generation.index->graph() != nullptr;
  if (built || generation.rows_at_build >= kRowsWorthBuilding) {
    return 0;
  }
  return points >= kRowsWorthBuilding ? points : 0;
}

CollectionInfo Collection::Info() const {
  const Snapshots::Pinned state = snapshots_.Peek();
  CollectionInfo info;
  info.spec = *spec();
  // The record changes a moment after the generation.
  info.spec.schema = state.generation->schema();
  if (multi_) info.spec.multi = *state.generation->codec().multi();
  info.uid = uid_;
  info.created_micros = created_micros_;
  info.points = state.points;
  info.seq = state.seq;
  info.generation = state.generation->number;
  info.unbuilt = Unbuilt(*state.generation, state.points);
  return info;
}

IndexInfo Collection::Index() const {
  const Snapshots::Pinned state = snapshots_.Peek();
  const IvfIndex& index = *state.generation->index;
  IndexInfo info;
  info.generation = state.generation->number;
  info.spec = index.spec();
  const std::shared_ptr<const CodeTable> codes = index.codes();
  info.spec.codes = codes->Specs();
  for (const CodeTable::Entry& entry : codes->ready) {
    info.code_origins.push_back(entry.code->origin());
  }
  for (const CodeTable::Building& one : codes->building) {
    info.building_codes.push_back({one.spec, one.progress->load(std::memory_order_relaxed)});
  }
  info.next_spec = spec()->index;
  info.lists = index.model().lists;
  info.coarse_dim = index.model().coarse_dim;
  info.rows = state.points;
  const uint64_t slots = index.slot_limit() - index.free_slots();
  info.dead_rows = slots > state.points ? slots - state.points : 0;
  info.rows_at_build = state.generation->rows_at_build;
  info.built_micros = state.generation->built_micros;
  info.unbuilt = Unbuilt(*state.generation, state.points);
  info.memory = index.Memory();
  info.id_map_bytes = state.generation->ids.bytes();
  const PointCodec& codec = state.generation->codec();
  if (const MultiSpec* multi = codec.multi(); multi != nullptr) {
    const VectorSchema& token = multi->tokens.token;
    const TokenRows& tokens = *state.generation->tokens;
    info.token_bytes = tokens.bytes();
    info.store_vector_bytes = tokens.tokens() * token.dim * DtypeBytes(token.dtype);
  } else if (info.spec.exact_vectors == ExactVectors::kStore) {
    info.store_vector_bytes = state.points * codec.vector_bytes();
  }
  return info;
}

CollectionStats Collection::Stats() {
  CollectionStats stats;
  stats.name = spec()->name;
  stats.uid = uid_;
  stats.index = Index();
  stats.points = points();
  stats.seq = seq();
  stats.active_readers = snapshots_.active();
  stats.unpurged_rows = writer_.unpurged_rows();
  // A pin keeps the store open.
  absl::StatusOr<Snapshots::Pinned> pinned = snapshots_.Pin(0, {});
  if (!pinned.ok()) return stats;
  for (Family family :
       {Family::kIds, Family::kPoints, Family::kPostings, Family::kModels, Family::kGraphs}) {
    stats.disk_bytes +=
        context_->store->ApproximateBytes(family, UidBegin(uid_), UidBegin(uid_ + 1));
  }
  snapshots_.Unpin(pinned->ticket);
  return stats;
}

absl::Status Collection::Update(const CollectionUpdate& update) {
  MutexLock record(&record_mutex_);
  CollectionSpec next = *spec();
  if (update.durability.has_value()) next.durability = *update.durability;
  if (update.index.has_value()) {
    next.index = *update.index;
    if (absl::Status status = KeepCentroids(&next.index); !status.ok()) return status;
  }
  if (update.exact_vectors.has_value()) next.index.exact_vectors = *update.exact_vectors;
  if (update.memory_limit_bytes.has_value()) next.memory_limit_bytes = *update.memory_limit_bytes;
  if (absl::Status status = AddFields(update.add_attributes, &next.attributes); !status.ok()) {
    return status;
  }
  if (absl::Status status = NormalizeCollectionSpec(&next); !status.ok()) return status;
  if (absl::Status status = ValidateCollectionSpec(next); !status.ok()) return status;
  Batch batch(context_->store);
  batch.Put(Family::kMeta, CollectionKey(uid_), EncodeCollection({next, created_micros_}));
  absl::Status status = context_->store->Write(std::move(batch), /*sync=*/true);
  if (!status.ok()) return status;
  Pass(CrashPoint::kUpdateStored);
  MutexLock lock(&spec_mutex_);
  spec_ = std::make_shared<const CollectionSpec>(std::move(next));
  return absl::OkStatus();
}

void Collection::Close(const absl::Status& why) {
  writer_.Close(why);
  CloseGraph();
  snapshots_.Close(why);
}

void Collection::Reopen() {
  writer_.Reopen();
  snapshots_.Reopen();
  ReopenGraph();
}

}  // namespace nestor
