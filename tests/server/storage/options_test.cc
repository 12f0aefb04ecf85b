// The settings of RocksDB that the promises of the store rest on, read back from a store that is
// open: a setting that RocksDB changed on its own shows too.
#include "server/storage/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "rocksdb/file_checksum.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/options_util.h"
#include "tests/server/temp_dir.h"

namespace nestor {
namespace {

TEST(StorageOptionsTest, AsStored) {
  TempDir dir;
  StoreOptions options;
  options.data_dir = dir / "data";
  absl::StatusOr<std::unique_ptr<Store>> store = Store::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  rocksdb::DBOptions db;
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  const rocksdb::Status loaded = rocksdb::LoadLatestOptions(
      rocksdb::ConfigOptions(), options.data_dir + "/rocksdb", &db, &families);
  ASSERT_TRUE(loaded.ok()) << loaded.ToString();
  EXPECT_EQ(db.wal_recovery_mode, rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords);
  EXPECT_EQ(db.recycle_log_file_num, 0u) << "its records would look damaged to ScanLogFile";
  EXPECT_EQ(db.wal_compression, rocksdb::kNoCompression) << "likewise";
  EXPECT_TRUE(db.paranoid_checks);
  EXPECT_FALSE(db.track_and_verify_wals_in_manifest);
  EXPECT_TRUE(db.verify_sst_unique_id_in_manifest);
  EXPECT_FALSE(db.manual_wal_flush);
  EXPECT_FALSE(db.unordered_write);
  EXPECT_FALSE(db.allow_mmap_writes);
  EXPECT_GT(db.max_total_wal_size, 0u);
  ASSERT_EQ(families.size(), static_cast<size_t>(kFamilies) + 1);
  for (const rocksdb::ColumnFamilyDescriptor& family : families) {
    SCOPED_TRACE(family.name);
    EXPECT_TRUE(family.options.paranoid_file_checks);
    const auto* table = family.options.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
    ASSERT_NE(table, nullptr);
    EXPECT_EQ(table->checksum, rocksdb::kXXH3);
    EXPECT_EQ(table->format_version, 5u);
    EXPECT_EQ(family.options.enable_blob_files, family.name == "points");
  }
}

// These are not among the options that RocksDB writes down.
TEST(StorageOptionsTest, AsMade) {
  const rocksdb::DBOptions db = MakeDbOptions({});
  EXPECT_TRUE(db.write_dbid_to_manifest);
  ASSERT_NE(db.file_checksum_gen_factory, nullptr);
  const auto generator = db.file_checksum_gen_factory->CreateFileChecksumGenerator({});
  EXPECT_STREQ(generator->Name(), rocksdb::kStandardDbFileChecksumFuncName);
  for (int i = 0; i < kFamilies; ++i) {
    EXPECT_EQ(
        MakeFamilyOptions(static_cast<Family>(i), {}, nullptr).memtable_protection_bytes_per_key,
        8u);
  }
}

}  // namespace
}  // namespace nestor
