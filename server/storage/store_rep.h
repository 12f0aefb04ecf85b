// The insides of Store, shared by the files that implement it: opening and closing (store_open.cc),
// reading and writing (store.cc).
#ifndef NESTOR_SERVER_STORAGE_STORE_REP_H_
#define NESTOR_SERVER_STORAGE_STORE_REP_H_

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "server/storage/compactor.h"
#include "server/storage/log_file_system.h"
#include "server/storage/store.h"
#include "server/storage/write_gate.h"

namespace nestor {

inline rocksdb::Slice ToSlice(absl::string_view text) {
  return rocksdb::Slice(text.data(), text.size());
}
inline absl::string_view ToView(const rocksdb::Slice& slice) {
  return absl::string_view(slice.data(), slice.size());
}

// `action` starts the message: "cannot read".
absl::Status ToStatus(absl::string_view action, const rocksdb::Status& status);

class Store::Rep {
 public:
  explicit Rep(StoreOptions options)
      : options_(std::move(options)),
        env_(options_.env != nullptr ? options_.env : rocksdb::Env::Default()),
        db_env_(rocksdb::NewCompositeEnv(std::make_shared<LogFileSystem>(env_->GetFileSystem()))),
        cache_(rocksdb::NewLRUCache(options_.cache_bytes, -1, false, 0.5)),
        gate_(std::make_shared<WriteGate>(options_.on_change)) {}

  ~Rep() { Close().IgnoreError(); }

  absl::Status Open();
  absl::Status Close();

  rocksdb::ColumnFamilyHandle* handle(Family family) const {
    return handles_[static_cast<size_t>(family)];
  }

  std::string db_dir() const { return absl::StrCat(options_.data_dir, "/rocksdb"); }

  const StoreOptions options_;
  rocksdb::Env* const env_;
  const std::unique_ptr<rocksdb::Env> db_env_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  const std::shared_ptr<WriteGate> gate_;
  Compactor compactor_{options_.compact_after};
  rocksdb::FileLock* lock_ = nullptr;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* default_handle_ = nullptr;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> handles_{};

 private:
  absl::Status Lock();
  absl::Status RefuseUnknownFamilies();
  absl::Status CheckFormat();
  absl::Status StoreFormat();
};

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_STORE_REP_H_
