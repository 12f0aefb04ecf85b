#include "server/storage/read_only_db.h"

#include <algorithm>
#include <cstdarg>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rocksdb/cache.h"
#include "rocksdb/env.h"
#include "server/storage/options.h"
#include "server/storage/store_rep.h"

namespace nestor {
namespace {

// Without one RocksDB begins a file of its own in the directory.
class NoLog : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {}
};

}  // namespace

absl::StatusOr<std::unique_ptr<ReadOnlyDb>> ReadOnlyDb::Open(const StoreOptions& options,
                                                             const std::string& db_dir,
                                                             bool lenient) {
  rocksdb::DBOptions db_options = MakeDbOptions(options);
  db_options.info_log = std::make_shared<NoLog>();
  db_options.paranoid_checks = !lenient;
  const std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(options.cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (int i = 0; i < kFamilies; ++i) {
    const Family family = static_cast<Family>(i);
    families.emplace_back(std::string(FamilyName(family)),
                          MakeFamilyOptions(family, options, cache));
  }
  families.emplace_back(rocksdb::kDefaultColumnFamilyName,
                        MakeFamilyOptions(Family::kMeta, options, cache));
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const rocksdb::Status status =
      rocksdb::DB::OpenForReadOnly(db_options, db_dir, families, &handles, &db);
  if (!status.ok()) return ToStatus(absl::StrCat("cannot open ", db_dir), status);
  std::unique_ptr<ReadOnlyDb> out(new ReadOnlyDb);
  out->db_.reset(db);
  std::copy_n(handles.begin(), kFamilies, out->handles_.begin());
  out->default_handle_ = handles.back();
  return out;
}

ReadOnlyDb::~ReadOnlyDb() {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  db_->DestroyColumnFamilyHandle(default_handle_);
}

std::unique_ptr<rocksdb::Iterator> ReadOnlyDb::Scan(Family family, absl::string_view begin,
                                                    const rocksdb::Slice* end) {
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = end;
  options.readahead_size = size_t{4} << 20;
  options.fill_cache = false;
  std::unique_ptr<rocksdb::Iterator> iterator(
      db_->NewIterator(options, handles_[static_cast<size_t>(family)]));
  iterator->Seek(ToSlice(begin));
  return iterator;
}

absl::StatusOr<std::string> ReadOnlyDb::Get(Family family, const std::string& key) {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), handles_[static_cast<size_t>(family)], key, &value);
  if (status.IsNotFound()) return absl::NotFoundError("absent");
  if (!status.ok()) return ToStatus("cannot read", status);
  return value;
}

}  // namespace nestor
