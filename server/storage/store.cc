#include "server/storage/store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/base/mutex.h"
#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/listener.h"
#include "rocksdb/sst_file_writer.h"
#include "rocksdb/write_batch.h"
#include "server/storage/options.h"
#include "server/storage/records.h"

namespace nestor {
namespace {

rocksdb::Slice ToSlice(absl::string_view text) { return rocksdb::Slice(text.data(), text.size()); }
absl::string_view ToView(const rocksdb::Slice& slice) {
  return absl::string_view(slice.data(), slice.size());
}

absl::Status ToStatus(absl::string_view action, const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat(action, ": ", status.ToString());
  if (status.IsCorruption()) return absl::DataLossError(message);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(message);
  if (status.IsIOError() || status.IsShutdownInProgress() || status.IsBusy() ||
      status.IsTryAgain() || status.IsTimedOut()) {
    return absl::UnavailableError(message);
  }
  return absl::InternalError(message);
}

// Remembers that a disk error made RocksDB stop accepting writes.
class ErrorListener : public rocksdb::EventListener {
 public:
  explicit ErrorListener(std::function<void(const absl::Status&)> on_error)
      : on_error_(std::move(on_error)) {}

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    if (error == nullptr || error->ok()) return;
    const absl::Status status = ToStatus(
        absl::StrCat("RocksDB background error (reason ", static_cast<int>(reason), ")"), *error);
    {
      MutexLock lock(&mutex_);
      if (!status_.ok()) return;
      status_ = status;
    }
    if (on_error_) on_error_(status);
  }

  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override {
    if (!info.new_bg_error.ok()) return;
    MutexLock lock(&mutex_);
    status_ = absl::OkStatus();
  }

  absl::Status status() const {
    MutexLock lock(&mutex_);
    return status_;
  }

 private:
  const std::function<void(const absl::Status&)> on_error_;
  mutable Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

class Store::Rep {
 public:
  explicit Rep(StoreOptions options)
      : options_(std::move(options)),
        env_(options_.env != nullptr ? options_.env : rocksdb::Env::Default()),
        cache_(rocksdb::NewLRUCache(options_.cache_bytes, -1, false, 0.5)),
        listener_(std::make_shared<ErrorListener>(options_.on_error)) {}

  ~Rep() { Close().IgnoreError(); }

  absl::Status Open();
  absl::Status Close();

  rocksdb::ColumnFamilyHandle* handle(Family family) const {
    return handles_[static_cast<size_t>(family)];
  }

  std::string db_dir() const { return absl::StrCat(options_.data_dir, "/rocksdb"); }
  std::string ingest_dir() const { return absl::StrCat(options_.data_dir, "/ingest"); }

  const StoreOptions options_;
  rocksdb::Env* const env_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  const std::shared_ptr<ErrorListener> listener_;
  rocksdb::FileLock* lock_ = nullptr;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* default_handle_ = nullptr;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> handles_{};
  std::atomic<uint64_t> next_file_{0};

 private:
  absl::Status Lock();
  absl::Status RefuseUnknownFamilies();
  absl::Status CheckFormat();
};

absl::Status Store::Rep::Lock() {
  const std::string path = absl::StrCat(options_.data_dir, "/LOCK");
  rocksdb::FileLock* lock = nullptr;
  const rocksdb::Status status = env_->LockFile(path, &lock);
  if (!status.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot lock data directory ", options_.data_dir,
                     ": another server is running on it (", status.ToString(), ")"));
  }
  lock_ = lock;
  return absl::OkStatus();
}

// A later format may have more families, with which RocksDB would not open; its version says so
// better.
absl::Status Store::Rep::RefuseUnknownFamilies() {
  if (!env_->FileExists(absl::StrCat(db_dir(), "/CURRENT")).ok()) return absl::OkStatus();
  std::vector<std::string> names;
  rocksdb::DBOptions options;
  options.env = env_;
  rocksdb::Status status = rocksdb::DB::ListColumnFamilies(options, db_dir(), &names);
  if (!status.ok()) return ToStatus(absl::StrCat("cannot read ", db_dir()), status);
  std::string unknown;
  for (const std::string& name : names) {
    bool known = name == rocksdb::kDefaultColumnFamilyName;
    for (int i = 0; i < kFamilies; ++i) {
      known = known || ToSlice(FamilyName(static_cast<Family>(i))) == rocksdb::Slice(name);
    }
    if (!known) unknown = name;
  }
  if (unknown.empty()) return absl::OkStatus();

  std::string version = "unknown";
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, {}}, {std::string(FamilyName(Family::kMeta)), {}}};
  if (rocksdb::DB::OpenForReadOnly(options, db_dir(), families, &handles, &db).ok()) {
    std::string value;
    if (db->Get({}, handles[1], FormatKey(), &value).ok()) {
      if (auto parsed = ParseFormatVersion(value); parsed.ok()) version = absl::StrCat(*parsed);
    }
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  return absl::FailedPreconditionError(
      absl::StrCat("data directory ", options_.data_dir, " has format version ", version,
                   " (with column family ", unknown, "), this server reads ", kFormatVersion));
}

absl::Status Store::Rep::Open() {
  std::error_code error;
  std::filesystem::create_directories(options_.data_dir, error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot make data directory ", options_.data_dir, ": ", error.message()));
  }
  if (absl::Status status = Lock(); !status.ok()) return status;
  if (absl::Status status = RefuseUnknownFamilies(); !status.ok()) return status;

  rocksdb::DBOptions options = MakeDbOptions(options_);
  options.listeners.push_back(listener_);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (int i = 0; i < kFamilies; ++i) {
    const Family family = static_cast<Family>(i);
    families.emplace_back(std::string(FamilyName(family)),
                          MakeFamilyOptions(family, options_, cache_));
  }
  // RocksDB insists on it; nothing is kept there.
  families.emplace_back(rocksdb::kDefaultColumnFamilyName,
                        MakeFamilyOptions(Family::kMeta, options_, cache_));
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::Status status = rocksdb::DB::Open(options, db_dir(), families, &handles, &db);
  if (!status.ok()) return ToStatus(absl::StrCat("cannot open ", db_dir()), status);
  db_.reset(db);
  std::copy_n(handles.begin(), kFamilies, handles_.begin());
  default_handle_ = handles.back();
  if (absl::Status checked = CheckFormat(); !checked.ok()) return checked;

  // What a crash left of files that were never ingested.
  std::filesystem::remove_all(ingest_dir(), error);
  std::filesystem::create_directories(ingest_dir(), error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot make directory ", ingest_dir(), ": ", error.message()));
  }
  return absl::OkStatus();
}

absl::Status Store::Rep::CheckFormat() {
  std::string value;
  rocksdb::Status status = db_->Get({}, handle(Family::kMeta), FormatKey(), &value);
  if (status.ok()) {
    absl::StatusOr<uint32_t> version = ParseFormatVersion(value);
    if (!version.ok()) return version.status();
    if (*version == kFormatVersion) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat("data directory ", options_.data_dir,
                                                      " has format version ", *version,
                                                      ", this server reads ", kFormatVersion));
  }
  if (!status.IsNotFound()) return ToStatus("cannot read the format version", status);
  // Only a directory that is new, or whose first open was cut short, has none.
  std::unique_ptr<rocksdb::Iterator> any(db_->NewIterator({}, handle(Family::kMeta)));
  any->SeekToFirst();
  if (any->Valid()) {
    return absl::DataLossError(
        absl::StrCat("data directory ", options_.data_dir, " has data but no format version"));
  }
  rocksdb::WriteOptions sync;
  sync.sync = true;
  return ToStatus(
      "cannot write the format version",
      db_->Put(sync, handle(Family::kMeta), FormatKey(), EncodeFormatVersion(kFormatVersion)));
}

absl::Status Store::Rep::Close() {
  absl::Status result;
  if (db_ != nullptr) {
    // Best effort: what is not flushed is in the log.
    if (listener_->status().ok()) {
      rocksdb::FlushOptions flush;
      for (rocksdb::ColumnFamilyHandle* handle : handles_) {
        if (handle == nullptr) continue;
        const rocksdb::Status status = db_->Flush(flush, handle);
        if (!status.ok()) result.Update(ToStatus("cannot flush", status));
      }
    }
    rocksdb::CancelAllBackgroundWork(db_.get(), true);
    for (rocksdb::ColumnFamilyHandle*& handle : handles_) {
      if (handle != nullptr) db_->DestroyColumnFamilyHandle(std::exchange(handle, nullptr));
    }
    if (default_handle_ != nullptr) {
      db_->DestroyColumnFamilyHandle(std::exchange(default_handle_, nullptr));
    }
    result.Update(ToStatus("cannot close the store", db_->Close()));
    db_.reset();
  }
  if (lock_ != nullptr) env_->UnlockFile(std::exchange(lock_, nullptr));
  return result;
}

// --- Batch ---

Batch::Batch(Store* store)
    : store_(store), batch_(std::make_unique<rocksdb::WriteBatch>(0, 0, 8, 0)) {}
Batch::Batch(Batch&&) noexcept = default;
Batch::~Batch() = default;

void Batch::Put(Family family, absl::string_view key, absl::string_view value) {
  status_.Update(
      ToStatus("put", batch_->Put(store_->rep_->handle(family), ToSlice(key), ToSlice(value))));
}

void Batch::Put(Family family, absl::string_view key, absl::string_view header,
                absl::string_view body) {
  const rocksdb::Slice key_slice = ToSlice(key);
  const std::array<rocksdb::Slice, 2> parts = {ToSlice(header), ToSlice(body)};
  status_.Update(
      ToStatus("put", batch_->Put(store_->rep_->handle(family), rocksdb::SliceParts(&key_slice, 1),
                                  rocksdb::SliceParts(parts.data(), 2))));
}

void Batch::Delete(Family family, absl::string_view key) {
  status_.Update(ToStatus("delete", batch_->Delete(store_->rep_->handle(family), ToSlice(key))));
}

void Batch::DeleteRange(Family family, absl::string_view begin, absl::string_view end) {
  status_.Update(ToStatus("delete range", batch_->DeleteRange(store_->rep_->handle(family),
                                                              ToSlice(begin), ToSlice(end))));
}

bool Batch::empty() const { return batch_->Count() == 0; }

// --- StoreSnapshot ---

StoreSnapshot::StoreSnapshot(Store* store)
    : store_(store), snapshot_(store->rep_->db_->GetSnapshot()) {}
StoreSnapshot::~StoreSnapshot() { store_->rep_->db_->ReleaseSnapshot(snapshot_); }

// --- Scan ---

struct Scan::Bound {
  std::string key;
  rocksdb::Slice slice;
};

Scan::Scan(Scan&&) noexcept = default;
Scan::~Scan() = default;
bool Scan::Valid() const { return iterator_->Valid(); }
void Scan::Next() { iterator_->Next(); }
absl::string_view Scan::key() const { return ToView(iterator_->key()); }
absl::string_view Scan::value() const { return ToView(iterator_->value()); }
absl::Status Scan::status() const { return ToStatus("cannot scan", iterator_->status()); }

// --- SortedFile ---

struct SortedFile::Rep {
  Rep(rocksdb::Env* env, const rocksdb::Options& options, rocksdb::ColumnFamilyHandle* handle)
      : env(env), handle(handle), writer(rocksdb::EnvOptions(), options, handle) {}
  rocksdb::Env* env;
  rocksdb::ColumnFamilyHandle* handle;
  std::string path;
  rocksdb::SstFileWriter writer;
  bool empty = true;
};

SortedFile::SortedFile(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}

// After an ingest the file has moved, and there is nothing to remove.
SortedFile::~SortedFile() { rep_->env->DeleteFile(rep_->path).PermitUncheckedError(); }

absl::Status SortedFile::Put(absl::string_view key, absl::string_view value) {
  rep_->empty = false;
  return ToStatus(absl::StrCat("cannot write ", rep_->path),
                  rep_->writer.Put(ToSlice(key), ToSlice(value)));
}

// --- Store ---

Store::Store(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Store::~Store() = default;

absl::StatusOr<std::unique_ptr<Store>> Store::Open(StoreOptions options) {
  auto rep = std::make_unique<Rep>(std::move(options));
  if (absl::Status status = rep->Open(); !status.ok()) return status;
  return std::unique_ptr<Store>(new Store(std::move(rep)));
}

absl::Status Store::Close() { return rep_->Close(); }

absl::Status Store::Write(Batch batch, bool sync) {
  if (!batch.status_.ok()) return batch.status_;
  rocksdb::WriteOptions options;
  options.sync = sync;
  return ToStatus("cannot write", rep_->db_->Write(options, batch.batch_.get()));
}

absl::Status Store::SyncLog() { return ToStatus("cannot sync the log", rep_->db_->SyncWAL()); }

absl::StatusOr<std::optional<std::string>> Store::Get(Family family, absl::string_view key,
                                                      const StoreSnapshot* snapshot) const {
  rocksdb::ReadOptions options;
  if (snapshot != nullptr) options.snapshot = snapshot->snapshot_;
  std::string value;
  const rocksdb::Status status =
      rep_->db_->Get(options, rep_->handle(family), ToSlice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return ToStatus("cannot read", status);
  return value;
}

absl::Status Store::MultiGet(
    Family family, std::span<const std::string> keys, const StoreSnapshot* snapshot,
    absl::FunctionRef<absl::Status(size_t, const absl::string_view*)> visit) const {
  // Values stay pinned in the cache for one part at a time.
  constexpr size_t kPart = 64;
  rocksdb::ReadOptions options;
  if (snapshot != nullptr) options.snapshot = snapshot->snapshot_;
  std::array<rocksdb::Slice, kPart> slices;
  std::array<rocksdb::PinnableSlice, kPart> values;
  std::array<rocksdb::Status, kPart> statuses;
  for (size_t begin = 0; begin < keys.size(); begin += kPart) {
    const size_t n = std::min(kPart, keys.size() - begin);
    for (size_t i = 0; i < n; ++i) {
      slices[i] = keys[begin + i];
      values[i].Reset();
    }
    rep_->db_->MultiGet(options, rep_->handle(family), n, slices.data(), values.data(),
                        statuses.data(), /*sorted_input=*/true);
    for (size_t i = 0; i < n; ++i) {
      if (!statuses[i].ok() && !statuses[i].IsNotFound()) {
        return ToStatus("cannot read", statuses[i]);
      }
      const absl::string_view value = ToView(values[i]);
      absl::Status status = visit(begin + i, statuses[i].ok() ? &value : nullptr);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

Scan Store::NewScan(Family family, absl::string_view begin, absl::string_view end,
                    const ScanOptions& scan_options) const {
  Scan scan;
  scan.bound_ = std::make_unique<Scan::Bound>();
  scan.bound_->key = std::string(end);
  scan.bound_->slice = scan.bound_->key;
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &scan.bound_->slice;
  if (scan_options.snapshot != nullptr) options.snapshot = scan_options.snapshot->snapshot_;
  if (scan_options.bulk) {
    options.readahead_size = size_t{4} << 20;
    options.fill_cache = false;
  }
  scan.iterator_.reset(rep_->db_->NewIterator(options, rep_->handle(family)));
  scan.iterator_->Seek(ToSlice(begin));
  return scan;
}

absl::StatusOr<std::unique_ptr<SortedFile>> Store::NewSortedFile(Family family) {
  rocksdb::ColumnFamilyHandle* handle = rep_->handle(family);
  auto file = std::make_unique<SortedFile::Rep>(rep_->env_, rep_->db_->GetOptions(handle), handle);
  file->path = absl::StrCat(rep_->ingest_dir(), "/", rep_->next_file_.fetch_add(1), ".sst");
  const rocksdb::Status status = file->writer.Open(file->path);
  if (!status.ok()) return ToStatus(absl::StrCat("cannot make ", file->path), status);
  return std::unique_ptr<SortedFile>(new SortedFile(std::move(file)));
}

absl::Status Store::Ingest(std::unique_ptr<SortedFile> file) {
  if (file->rep_->empty) return absl::OkStatus();
  rocksdb::Status status = file->rep_->writer.Finish();
  if (!status.ok()) return ToStatus(absl::StrCat("cannot finish ", file->rep_->path), status);
  rocksdb::IngestExternalFileOptions options;
  options.move_files = true;
  options.write_global_seqno = false;  // the file is not touched again
  status = rep_->db_->IngestExternalFile(file->rep_->handle, {file->rep_->path}, options);
  return ToStatus(absl::StrCat("cannot ingest ", file->rep_->path), status);
}

absl::Status Store::DropFiles(Family family, absl::string_view begin, absl::string_view end) {
  const rocksdb::Slice first = ToSlice(begin);
  const rocksdb::Slice last = ToSlice(end);
  return ToStatus("cannot drop files",
                  rocksdb::DeleteFilesInRange(rep_->db_.get(), rep_->handle(family), &first, &last,
                                              /*include_end=*/false));
}

absl::Status Store::Health() const { return rep_->listener_->status(); }

StoreSizes Store::Sizes() const {
  StoreSizes sizes;
  uint64_t value = 0;
  for (const rocksdb::ColumnFamilyHandle* handle : rep_->handles_) {
    auto* cf = const_cast<rocksdb::ColumnFamilyHandle*>(handle);
    if (rep_->db_->GetIntProperty(cf, rocksdb::DB::Properties::kLiveSstFilesSize, &value)) {
      sizes.live_bytes += value;
    }
    if (rep_->db_->GetIntProperty(cf, rocksdb::DB::Properties::kLiveBlobFileSize, &value)) {
      sizes.live_bytes += value;
    }
    if (rep_->db_->GetIntProperty(cf, rocksdb::DB::Properties::kCurSizeAllMemTables, &value)) {
      sizes.memtable_bytes += value;
    }
  }
  sizes.cache_bytes = rep_->cache_->GetUsage();
  return sizes;
}

uint64_t Store::ApproximateBytes(Family family, absl::string_view begin,
                                 absl::string_view end) const {
  const rocksdb::Range range(ToSlice(begin), ToSlice(end));
  uint64_t bytes = 0;
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  options.include_files = true;
  if (!rep_->db_->GetApproximateSizes(options, rep_->handle(family), &range, 1, &bytes).ok()) {
    return 0;
  }
  return bytes;
}

}  // namespace nestor
