// Opening a data directory (lock, format, families) and closing it.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "index/base/crash_point.h"
#include "rocksdb/convenience.h"
#include "server/storage/check_logs.h"
#include "server/storage/keys.h"
#include "server/storage/options.h"
#include "server/storage/records.h"
#include "server/storage/store_rep.h"

namespace nestor {

absl::Status Store::Rep::Lock() {
  const std::string path = absl::StrCat(options_.data_dir, "/LOCK");
  rocksdb::FileLock* lock = nullptr;
  const rocksdb::Status status = env_->LockFile(path, &lock);
  // RocksDB says "lock" both where the lock is another's and where the call failed.
  const std::string text = status.ToString();
  const bool taken = absl::StrContains(text, std::strerror(EAGAIN)) ||
                     absl::StrContains(text, "lock hold by current process");
  if (!status.ok() && !taken) return ToStatus(absl::StrCat("cannot lock ", path), status);
  if (!status.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot lock data directory ", options_.data_dir,
                     ": another server is running on it (", text, ")"));
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
  if (absl::Status status = CheckLogs(env_, db_dir()); !status.ok()) return status;
  if (absl::Status status = RefuseUnknownFamilies(); !status.ok()) return status;

  rocksdb::DBOptions options = MakeDbOptions(options_);
  options.env = db_env_.get();
  options.listeners.push_back(gate_);
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

  gate_->Start(db_.get(), default_handle_);
  compactor_.Start(db_.get(), {handles_.begin(), handles_.end()});
  return absl::OkStatus();
}

absl::Status Store::Rep::CheckFormat() {
  std::string value;
  rocksdb::Status status = db_->Get({}, handle(Family::kMeta), FormatKey(), &value);
  if (status.ok()) {
    absl::StatusOr<uint32_t> version = ParseFormatVersion(value);
    if (!version.ok()) return version.status();
    if (*version == kFormatVersion) return absl::OkStatus();
    // From now on it may hold what an older server does not know.
    if (*version >= kOldestFormatVersion && *version < kFormatVersion) return StoreFormat();
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
  Pass(CrashPoint::kFormatAbsent);
  absl::Status stored = StoreFormat();
  Pass(CrashPoint::kFormatStored);
  return stored;
}

absl::Status Store::Rep::StoreFormat() {
  rocksdb::WriteOptions sync;
  sync.sync = true;
  return ToStatus(
      "cannot write the format version",
      db_->Put(sync, handle(Family::kMeta), FormatKey(), EncodeFormatVersion(kFormatVersion)));
}

absl::Status Store::Rep::Close() {
  absl::Status result;
  compactor_.Stop();
  gate_->Stop();
  if (db_ != nullptr) {
    // Best effort: what is not flushed is in the log. Of a shut gate, the reason is worth more than
    // what it leads to here.
    result = gate_->status();
    const bool flush = result.ok();
    for (rocksdb::ColumnFamilyHandle* handle : handles_) {
      if (handle == nullptr || !flush) continue;
      const rocksdb::Status status = db_->Flush(rocksdb::FlushOptions(), handle);
      if (!status.ok()) result.Update(ToStatus("cannot flush", status));
    }
    Pass(CrashPoint::kFlushed);
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

Store::Store(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
Store::~Store() = default;

absl::StatusOr<std::unique_ptr<Store>> Store::Open(StoreOptions options) {
  auto rep = std::make_unique<Rep>(std::move(options));
  if (absl::Status status = rep->Open(); !status.ok()) return status;
  return std::unique_ptr<Store>(new Store(std::move(rep)));
}

absl::Status Store::Close() { return rep_->Close(); }

}  // namespace nestor
