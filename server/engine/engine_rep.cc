#include "server/engine/engine_rep.h"

#include "absl/strings/str_cat.h"
#include "index/base/crash_point.h"
#include "index/multi/stored_fde.h"
#include "server/engine/clock.h"
#include "server/engine/loader.h"
#include "server/engine/validate.h"
#include "server/storage/keys.h"

namespace nestor {
namespace {

// Never given out: it ends the range of all uids.
constexpr uint32_t kNoUid = 0xffffffffu;
// Bytes of deleted collections, approximate (to a few blocks), without blobs.
constexpr uint64_t kWorthCompacting = 64 << 10;

absl::Status NoCollection(absl::string_view name) {
  return absl::NotFoundError(absl::StrCat("no collection \"", name, "\""));
}

absl::Status NotLoaded(absl::string_view name) {
  return absl::UnavailableError(absl::StrCat("collection \"", name, "\" is being loaded"));
}

}  // namespace

absl::Status Engine::Rep::Open() {
  StoreOptions store;
  store.data_dir = options_.data_dir;
  store.cache_bytes = options_.cache_bytes;
  store.write_buffer_bytes = options_.write_buffer_bytes;
  store.env = options_.env;
  store.compact_after = options_.compact_after;
  store.on_change = [log = options_.log](const absl::Status& status) {
    if (status.ok()) {
      log(Severity::kInfo, "writes are accepted again");
    } else {
      log(Severity::kError, absl::StrCat("writes are refused: ", status.ToString()));
    }
  };
  absl::StatusOr<std::unique_ptr<Store>> opened = Store::Open(std::move(store));
  if (!opened.ok()) return opened.status();
  store_ = *std::move(opened);
  absl::StatusOr<std::unique_ptr<Operations>> operations = Operations::Load(store_.get());
  if (!operations.ok()) return operations.status();
  operations_ = *std::move(operations);
  syncer_ = std::make_unique<LogSyncer>(store_.get(), [this](const absl::Status& status) {
    options_.log(Severity::kError, status.ToString());
  });
  context_.store = store_.get();
  context_.build_threads = options_.build_threads;
  context_.upkeep = options_.upkeep;
  memory_ = std::make_unique<MemoryLimit>(options_.memory_limit_bytes, [this] {
    uint64_t bytes = 0;
    for (const auto& collection : All()) bytes += collection->free_bytes();
    return bytes;
  });
  context_.memory = memory_.get();
  disk_ = std::make_unique<DiskReserve>(options_.disk_reserve_bytes,
                                        [this] { return DiskReserve::Free(options_.data_dir); });
  context_.disk = disk_.get();
  context_.on_unsynced = [syncer = syncer_.get()] { syncer->Notify(); };
  if (absl::Status status = ReadCollections(); !status.ok()) return status;
  builder_ = std::make_unique<Builder>(operations_.get(), options_.log);
  return absl::OkStatus();
}

absl::Status Engine::Rep::ReadCollections() {
  MutexLock change(&change_mutex_);
  absl::StatusOr<std::optional<std::string>> next = store_->Get(Family::kMeta, NextUidKey());
  if (!next.ok()) return next.status();
  if (next->has_value()) {
    absl::StatusOr<uint32_t> uid = ParseNextUid(**next);
    if (!uid.ok()) return uid.status();
    next_uid_ = *uid;
  }
  std::vector<std::pair<uint32_t, std::string>> records;
  Scan scan = store_->NewScan(Family::kMeta, UidBegin(1), UidBegin(kNoUid));
  for (; scan.Valid(); scan.Next()) {
    absl::StatusOr<MetaKeyParts> key = ParseMetaKey(scan.key());
    if (!key.ok()) return key.status();
    if (key->uid >= next_uid_) {
      return absl::DataLossError(
          absl::StrCat("collection uid ", key->uid, " is used and the next uid is ", next_uid_));
    }
    if (key->kind == MetaKind::kCollection) records.emplace_back(key->uid, scan.value());
  }
  if (!scan.status().ok()) return scan.status();
  // Deleted, and not all of their space had come back.
  uint32_t gap = 1;
  for (size_t i = 0; i <= records.size(); ++i) {
    const uint32_t uid = i < records.size() ? records[i].first : next_uid_;
    if (gap < uid && store_->ApproximateBytes(UidBegin(gap), UidBegin(uid)) >= kWorthCompacting) {
      store_->CompactSoon(UidBegin(gap), UidBegin(uid));
    }
    gap = uid + 1;
  }
  for (const auto& [uid, record] : records) {
    if (absl::Status status = ReadOne(uid, record); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Engine::Rep::ReadOne(uint32_t uid, absl::string_view bytes) {
  absl::StatusOr<CollectionRecord> record = ParseCollection(bytes);
  if (!record.ok()) return record.status();
  if (absl::Status status = ValidateCollectionSpec(record->spec); !status.ok()) {
    return absl::DataLossError(absl::StrCat("collection with uid ", uid, ": ", status.message()));
  }
  const std::string name = record->spec.name;
  unloaded_.push_back({uid, *std::move(record)});
  MutexLock lock(&mutex_);
  if (!entries_.emplace(name, Entry()).second) {
    return absl::DataLossError(absl::StrCat("two collections have the name \"", name, "\""));
  }
  return absl::OkStatus();
}

absl::Status Engine::Rep::LoadCollections(const std::function<bool()>& go_on) {
  for (const auto& [uid, record] : unloaded_) {
    if (absl::Status status = LoadOne(uid, record, go_on); !status.ok()) return status;
    options_.on_collections();
  }
  unloaded_.clear();
  keeper_ = std::make_unique<Keeper>(
      Keeper::Owner{
          .collections = [this] { return All(); },
          .build = [this](const auto& collection,
                          absl::string_view why) { return BuildUnasked(collection, why); },
          .log = options_.log},
      options_.upkeep);
  return absl::OkStatus();
}

absl::Status Engine::Rep::LoadOne(uint32_t uid, const CollectionRecord& record,
                                  const std::function<bool()>& go_on) {
  const CollectionSpec* const spec = &record.spec;
  absl::StatusOr<LoadedCollection> loaded =
      LoadCollection(store_.get(), uid, *spec, options_.load_threads, go_on);
  if (!loaded.ok()) return loaded.status();
  options_.log(
      loaded->mended_postings == 0 ? Severity::kInfo : Severity::kWarning,
      absl::StrCat(
          "loaded collection ", spec->name, ": ", loaded->generation->ids.size(),
          " points, sequence ", loaded->state.seq, ", generation ", loaded->generation->number,
          "; removed ", loaded->orphan_rows, " old rows and ", loaded->orphan_postings,
          " postings, restored ", loaded->mended_postings, " postings",
          loaded->generation->index->graph() == nullptr
              ? ""
              : absl::StrCat("; graph: inserted ", loaded->inserted_nodes, " rows again")));
  auto collection = std::make_shared<Collection>(&context_, uid, record, *loaded);
  MutexLock lock(&mutex_);
  entries_.find(spec->name)->second.collection = std::move(collection);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Collection>> Engine::Rep::Find(absl::string_view name) const {
  MutexLock lock(&mutex_);
  if (!closed_.ok()) return closed_;
  const auto it = entries_.find(name);
  if (it == entries_.end() || it->second.deleting) return NoCollection(name);
  if (it->second.collection == nullptr) return NotLoaded(name);
  return it->second.collection;
}

std::vector<std::shared_ptr<Collection>> Engine::Rep::All() const {
  MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<Collection>> all;
  if (!closed_.ok()) return all;
  for (const auto& [name, entry] : entries_) {
    if (!entry.deleting && entry.collection != nullptr) all.push_back(entry.collection);
  }
  return all;
}

absl::StatusOr<std::shared_ptr<Collection>> Engine::Rep::Create(const CollectionSpec& given) {
  CollectionRecord record{given, NowMicros()};
  CollectionSpec& spec = record.spec;
  if (absl::Status status = NormalizeCollectionSpec(&spec); !status.ok()) return status;
  if (spec.index.centroids == CentroidOrigin::kImported) {
    return absl::InvalidArgumentError(
        "the index spec keeps imported centroids; a new collection has none: give them to a build");
  }
  if (absl::Status status = ValidateCollectionSpec(spec); !status.ok()) return status;
  std::shared_ptr<const FdeModel> fde;
  if (spec.multi.has_value()) {
    absl::StatusOr<std::shared_ptr<const FdeModel>> drawn = FdeModel::Draw(spec.multi->fde);
    if (!drawn.ok()) return drawn.status();
    fde = *std::move(drawn);
  }
  MutexLock change(&change_mutex_);
  {
    MutexLock lock(&mutex_);
    if (!closed_.ok()) return closed_;
    if (entries_.contains(spec.name)) {
      return absl::AlreadyExistsError(absl::StrCat("collection \"", spec.name, "\" exists"));
    }
  }
  const uint32_t uid = next_uid_;
  if (uid == kNoUid) return absl::ResourceExhaustedError("no collection uid is left");
  LoadedCollection empty;
  empty.generation = NewGeneration(
      spec, StoredPoints(store_.get(), uid, std::make_shared<const PointCodec>(spec, fde)));
  Batch batch(store_.get());
  batch.Put(Family::kMeta, NextUidKey(), EncodeNextUid(uid + 1));
  batch.Put(Family::kMeta, CollectionKey(uid), EncodeCollection(record));
  batch.Put(Family::kMeta, StateKey(uid), EncodeState(empty.state));
  if (fde != nullptr) batch.Put(Family::kMeta, FdeKey(uid), SerializeFde(*fde));
  // Not used again even where this fails: a failed sync may still reach the disk.
  next_uid_ = uid + 1;
  Pass(CrashPoint::kCreateBegun);
  absl::Status status = store_->Write(std::move(batch), /*sync=*/true);
  if (!status.ok()) return status;
  Pass(CrashPoint::kCreateStored);
  auto collection = std::make_shared<Collection>(&context_, uid, record, empty);
  {
    MutexLock lock(&mutex_);
    entries_.emplace(spec.name, Entry{collection});
  }
  options_.on_collections();
  return collection;
}

absl::Status Engine::Rep::EraseFromStore(uint32_t uid) {
  Batch batch(store_.get());
  for (int i = 0; i < kFamilies; ++i) {
    batch.DeleteRange(static_cast<Family>(i), UidBegin(uid), UidBegin(uid + 1));
  }
  return store_->Write(std::move(batch), /*sync=*/true);
}

absl::Status Engine::Rep::Delete(absl::string_view name) {
  MutexLock change(&change_mutex_);
  std::shared_ptr<Collection> collection;
  {
    MutexLock lock(&mutex_);
    if (!closed_.ok()) return closed_;
    const auto it = entries_.find(name);
    if (it == entries_.end()) return NoCollection(name);
    if (it->second.collection == nullptr) return NotLoaded(name);
    it->second.deleting = true;
    collection = it->second.collection;
  }
  operations_->CancelOf(collection->uid());
  collection->Close(absl::NotFoundError(absl::StrCat("collection \"", name, "\" was deleted")));
  Pass(CrashPoint::kDeleteBegun);
  absl::Status status = EraseFromStore(collection->uid());
  if (!status.ok()) {
    collection->Reopen();
    MutexLock lock(&mutex_);
    entries_.find(name)->second.deleting = false;
    return status;
  }
  Pass(CrashPoint::kRangesDeleted);
  // Not worth an error: what stays is compacted away.
  const std::string begin = UidBegin(collection->uid());
  const std::string end = UidBegin(collection->uid() + 1);
  store_->DropFiles(begin, end).IgnoreError();
  Pass(CrashPoint::kFilesDropped);
  store_->CompactSoon(begin, end);
  {
    MutexLock lock(&mutex_);
    entries_.erase(entries_.find(name));
  }
  options_.on_collections();
  return absl::OkStatus();
}

absl::Status Engine::Rep::Update(absl::string_view name, const CollectionUpdate& update) {
  MutexLock change(&change_mutex_);
  absl::StatusOr<std::shared_ptr<Collection>> collection = Find(name);
  if (!collection.ok()) return collection.status();
  return (*collection)->Update(update);
}

// Close waits for mutex_ before it closes the store.
StoreSizes Engine::Rep::Sizes() const {
  MutexLock lock(&mutex_);
  return closed_.ok() ? store_->Sizes() : StoreSizes();
}

absl::Status Engine::Rep::Close() {
  MutexLock change(&change_mutex_);
  if (stopped_ || store_ == nullptr) return absl::OkStatus();
  stopped_ = true;
  const absl::Status closing = absl::UnavailableError("the server is shutting down");
  std::vector<std::shared_ptr<Collection>> collections = All();
  {
    MutexLock lock(&mutex_);
    closed_ = closing;
  }
  Pass(CrashPoint::kClosing);
  // Before the builder, to which it hands builds.
  if (keeper_ != nullptr) keeper_->Stop();
  if (builder_ != nullptr) builder_->Stop();
  for (const auto& collection : collections) {
    collection->Close(closing);
    // Lost, the changes would be made again at the next start.
    if (absl::Status stored = collection->StoreGraph(); !stored.ok()) {
      options_.log(
          Severity::kWarning,
          absl::StrCat("graph of collection ", collection->spec()->name, ": ", stored.ToString()));
    }
  }
  if (syncer_ != nullptr) syncer_->Stop();
  Pass(CrashPoint::kGraphsStored);
  return store_->Close();
}

}  // namespace nestor
