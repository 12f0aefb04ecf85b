#include "server/storage/store.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "index/base/crash_point.h"
#include "rocksdb/convenience.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"
#include "server/storage/store_rep.h"

namespace nestor {

absl::Status ToStatus(absl::string_view action, const rocksdb::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat(action, ": ", status.ToString());
  // A file that RocksDB expects and does not find is lost data too.
  if (status.IsCorruption() || status.IsPathNotFound()) return absl::DataLossError(message);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(message);
  // RocksDB wraps errors of the disk in others: Incomplete where a write was held up by compactions
  // until one of them failed, InvalidArgument where an open could not read back its options.
  if (absl::StrContains(message, "IO error: No space left")) {
    return absl::ResourceExhaustedError(message);
  }
  if (status.IsIOError() || status.IsShutdownInProgress() || status.IsBusy() ||
      status.IsTryAgain() || status.IsTimedOut() || status.IsIncomplete() ||
      absl::StrContains(message, "IO error: ")) {
    return absl::UnavailableError(message);
  }
  return absl::InternalError(message);
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

// --- Store ---

absl::Status Store::Write(Batch batch, bool sync) {
  if (!batch.status_.ok()) return batch.status_;
  if (absl::Status no = rep_->gate_->status(); !no.ok()) return no;
  rocksdb::WriteOptions options;
  options.sync = sync;
  const rocksdb::Status status = rep_->db_->Write(options, batch.batch_.get());
  if (!status.ok()) rep_->gate_->WriteFailed(status);
  return ToStatus("cannot write", status);
}

absl::Status Store::SyncLog() {
  if (absl::Status no = rep_->gate_->status(); !no.ok()) return no;
  const rocksdb::Status status = rep_->db_->SyncWAL();
  if (!status.ok()) rep_->gate_->WriteFailed(status);
  return ToStatus("cannot sync the log", status);
}

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

absl::Status Store::DropFiles(absl::string_view begin, absl::string_view end) {
  const rocksdb::Slice first = ToSlice(begin);
  const rocksdb::Slice last = ToSlice(end);
  for (rocksdb::ColumnFamilyHandle* handle : rep_->handles_) {
    const rocksdb::Status status =
        rocksdb::DeleteFilesInRange(rep_->db_.get(), handle, &first, &last, /*include_end=*/false);
    if (!status.ok()) return ToStatus("cannot drop files", status);
  }
  return absl::OkStatus();
}

void Store::CompactSoon(absl::string_view begin, absl::string_view end) {
  rep_->compactor_.Add(std::string(begin), std::string(end));
}

absl::Status Store::Health() const { return rep_->gate_->status(); }

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

uint64_t Store::ApproximateBytes(absl::string_view begin, absl::string_view end) const {
  uint64_t bytes = 0;
  for (int i = 0; i < kFamilies; ++i) bytes += ApproximateBytes(static_cast<Family>(i), begin, end);
  return bytes;
}

}  // namespace nestor
