#include "server/storage/options.h"

#include <algorithm>
#include <thread>

#include "rocksdb/cache.h"
#include "rocksdb/env.h"
#include "rocksdb/file_checksum.h"
#include "rocksdb/table.h"
#include "rocksdb/write_buffer_manager.h"

namespace nestor {

rocksdb::DBOptions MakeDbOptions(const StoreOptions& options) {
  rocksdb::DBOptions db;
  db.env = options.env != nullptr ? options.env : rocksdb::Env::Default();
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.paranoid_checks = true;
  // The default (point in time) opens a log with a flipped bit as if everything after it had never
  // been written. This one refuses it, and still accepts the torn tail that a crash leaves.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  // No track_and_verify_wals_in_manifest: with it a write can fail after it reached the memtables,
  // and a switch of memtables can fail half-way (log_file_system.h), where the disk is full.
  db.write_dbid_to_manifest = true;
  // VerifyFileChecksums covers blob files, VerifyChecksum does not.
  db.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  // Bounds the log that a restart replays after a crash; rarely written families would pin it
  // otherwise.
  db.max_total_wal_size = uint64_t{512} << 20;
  db.bytes_per_sync = 1 << 20;
  db.wal_bytes_per_sync = 1 << 20;
  db.max_background_jobs = std::max(2, static_cast<int>(std::thread::hardware_concurrency()) / 4);
  db.avoid_unnecessary_blocking_io =
      true;  // files are removed by background threads, not by readers
  db.keep_log_file_num = 5;
  // The store flushes before it closes; only the write gate writes without the log.
  db.avoid_flush_during_shutdown = true;
  db.write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(options.write_buffer_bytes);
  return db;
}

rocksdb::ColumnFamilyOptions MakeFamilyOptions(Family family, const StoreOptions& options,
                                               const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions cf;
  cf.memtable_protection_bytes_per_key = 8;
  // Reads every new file back, out of the page cache, before it counts.
  cf.paranoid_file_checks = true;
  cf.compression = rocksdb::kLZ4Compression;
  cf.write_buffer_size = size_t{4} << 20;

  rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  table.block_size = 16 << 10;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;

  switch (family) {
    case Family::kPoints:
      // Vectors do not compress. Rows only grow, so the files of new points never overlap older
      // ones and compaction moves them without rewriting: blob files would save little, and reading
      // a whole family of 3 KiB values through them is 4.5 times slower (measured: 0.76 against
      // 0.17 s for 200,000 points of 3 KiB in the page cache), which every restart does. Only
      // values that are large pay for it.
      cf.compression = rocksdb::kNoCompression;
      cf.write_buffer_size = std::max<size_t>(options.write_buffer_bytes / 4, 1 << 20);
      cf.max_write_buffer_number = 4;
      cf.enable_blob_files = true;
      cf.min_blob_size = 16 << 10;
      cf.enable_blob_garbage_collection = true;
      break;
    case Family::kIds:
    case Family::kPostings:
      cf.write_buffer_size = std::max<size_t>(options.write_buffer_bytes / 16, 1 << 20);
      break;
    case Family::kMeta:
    case Family::kModels:
    case Family::kGraphs:
      break;
  }
  cf.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return cf;
}

}  // namespace nestor
