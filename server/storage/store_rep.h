// The insides of Store, shared by the files that implement it: opening and closing (store_open.cc),
// reading and writing (store.cc).
#ifndef NESTOR_SERVER_STORAGE_STORE_REP_H_
#define NESTOR_SERVER_STORAGE_STORE_REP_H_

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "index/base/mutex.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/listener.h"
#include "server/storage/store.h"

namespace nestor {

inline rocksdb::Slice ToSlice(absl::string_view text) {
  return rocksdb::Slice(text.data(), text.size());
}
inline absl::string_view ToView(const rocksdb::Slice& slice) {
  return absl::string_view(slice.data(), slice.size());
}

// `action` starts the message: "cannot read".
absl::Status ToStatus(absl::string_view action, const rocksdb::Status& status);

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

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_STORE_REP_H_
