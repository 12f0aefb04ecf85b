// RocksDB opened to be read only: nothing is written, not even its own log; what the WALs hold is
// replayed into memory. For one thread.
#ifndef NESTOR_SERVER_STORAGE_READ_ONLY_DB_H_
#define NESTOR_SERVER_STORAGE_READ_ONLY_DB_H_

#include <array>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rocksdb/db.h"
#include "server/storage/keys.h"
#include "server/storage/store.h"

namespace nestor {

class ReadOnlyDb {
 public:
  // `lenient`: opens although data files are damaged or missing, to ask which ones there should be.
  static absl::StatusOr<std::unique_ptr<ReadOnlyDb>> Open(const StoreOptions& options,
                                                          const std::string& db_dir, bool lenient);
  ~ReadOnlyDb();
  ReadOnlyDb(const ReadOnlyDb&) = delete;
  ReadOnlyDb& operator=(const ReadOnlyDb&) = delete;

  rocksdb::DB& db() { return *db_; }
  // All keys of [begin, end), in order. `end` is borrowed by the iterator.
  std::unique_ptr<rocksdb::Iterator> Scan(Family family, absl::string_view begin,
                                          const rocksdb::Slice* end);
  // NotFound where the key is absent.
  absl::StatusOr<std::string> Get(Family family, const std::string& key);

 private:
  ReadOnlyDb() = default;

  std::unique_ptr<rocksdb::DB> db_;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> handles_{};
  rocksdb::ColumnFamilyHandle* default_handle_ = nullptr;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_READ_ONLY_DB_H_
