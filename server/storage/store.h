// The narrow interface through which the engine sees RocksDB: families of sorted keys, atomic
// batches, scans. One per data directory, which it locks. Thread-safe,
// except that Close is called when no other call runs; a Batch or Scan belongs to one thread.
//
// Every failure of RocksDB becomes: DataLoss (corruption), ResourceExhausted (disk full),
// Unavailable (other I/O errors, closing), Internal (a bug of ours).
#ifndef NESTOR_SERVER_STORAGE_STORE_H_
#define NESTOR_SERVER_STORAGE_STORE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/storage/keys.h"

namespace rocksdb {
class Env;
class Iterator;
class Snapshot;
class WriteBatch;
}  // namespace rocksdb

namespace nestor {

struct StoreOptions {
  std::string data_dir;  // made if absent, parents too
  size_t cache_bytes = size_t{128} << 20;
  size_t write_buffer_bytes = size_t{256} << 20;
  rocksdb::Env* env = nullptr;                      // null: the real one
  std::chrono::milliseconds compact_after{10'000};  // CompactSoon
  // Told when writes stop, and why, and with OK when they go on; from any thread.
  std::function<void(const absl::Status&)> on_change;
};

class Store;

// Changes that are applied all or none, in order.
class Batch {
 public:
  explicit Batch(Store* store);
  Batch(Batch&&) noexcept;
  ~Batch();

  void Put(Family family, absl::string_view key, absl::string_view value);
  // The value is header + body.
  void Put(Family family, absl::string_view key, absl::string_view header, absl::string_view body);
  void Delete(Family family, absl::string_view key);
  // [begin, end)
  void DeleteRange(Family family, absl::string_view begin, absl::string_view end);

  bool empty() const;

 private:
  friend class Store;
  Store* store_;
  std::unique_ptr<rocksdb::WriteBatch> batch_;
  absl::Status status_;  // of the first change that failed
};

// A consistent state of the whole store, for reads that take several calls.
class StoreSnapshot {
 public:
  explicit StoreSnapshot(Store* store);
  ~StoreSnapshot();
  StoreSnapshot(const StoreSnapshot&) = delete;
  StoreSnapshot& operator=(const StoreSnapshot&) = delete;

 private:
  friend class Store;
  Store* store_;
  const rocksdb::Snapshot* snapshot_;
};

// Keys of one family from `begin` up to `end` (exclusive). key() and value() are valid until Next.
class Scan {
 public:
  Scan(Scan&&) noexcept;
  ~Scan();
  bool Valid() const;
  void Next();
  absl::string_view key() const;
  absl::string_view value() const;
  // Not OK when the scan ended before `end`.
  absl::Status status() const;

 private:
  friend class Store;
  Scan() = default;
  // Kept for as long as the iterator: it borrows the bound.
  struct Bound;
  std::unique_ptr<Bound> bound_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

struct ScanOptions {
  const StoreSnapshot* snapshot = nullptr;
  // A long pass: reads ahead and leaves the cache alone.
  bool bulk = false;
};

struct StoreSizes {
  uint64_t live_bytes = 0;  // SST and blob files
  uint64_t memtable_bytes = 0;
  uint64_t cache_bytes = 0;
};

class Store {
 public:
  // FailedPrecondition: another server uses the directory, or its format version is not ours (the
  // message names both).
  static absl::StatusOr<std::unique_ptr<Store>> Open(StoreOptions options);
  ~Store();

  // Flushes, so that the next open has no log to replay, and closes. Idempotent.
  absl::Status Close();

  // Returns once the batch is in the log and, with `sync`, on disk. On failure nothing of it is
  // visible; it may still be found after a restart where the failure was that of the sync.
  absl::Status Write(Batch batch, bool sync);
  // Everything written before is on disk.
  absl::Status SyncLog();

  // nullopt where the key is absent.
  absl::StatusOr<std::optional<std::string>> Get(Family family, absl::string_view key,
                                                 const StoreSnapshot* snapshot = nullptr) const;
  // Reads `keys`, ascending; calls visit(i, value) for each in order, value null where absent.
  // Stops at the first status that is not OK and returns it.
  absl::Status MultiGet(
      Family family, std::span<const std::string> keys, const StoreSnapshot* snapshot,
      absl::FunctionRef<absl::Status(size_t, const absl::string_view*)> visit) const;
  Scan NewScan(Family family, absl::string_view begin, absl::string_view end,
               const ScanOptions& options = {}) const;

  // Right after a range was deleted from all families: gives back the files that lie wholly inside
  // it, without waiting for compaction.
  absl::Status DropFiles(absl::string_view begin, absl::string_view end);
  // Rewrites what else of a range is in files, soon and in the background, so that what was deleted
  // gives its space back.
  void CompactSoon(absl::string_view begin, absl::string_view end);

  // OK while writes are accepted. They are refused after an error of the disk: of a full one until
  // there is room again (write_gate.h), else until a restart.
  absl::Status Health() const;
  StoreSizes Sizes() const;
  uint64_t ApproximateBytes(Family family, absl::string_view begin, absl::string_view end) const;
  // .. of all families.
  uint64_t ApproximateBytes(absl::string_view begin, absl::string_view end) const;

 private:
  friend class Batch;
  friend class StoreSnapshot;
  class Rep;
  explicit Store(std::unique_ptr<Rep> rep);
  std::unique_ptr<Rep> rep_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_STORE_H_
