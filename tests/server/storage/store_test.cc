#include "server/storage/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "server/storage/records.h"
#include "tests/server/fault_file_system.h"
#include "tests/server/temp_dir.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Store> OpenOrDie(const StoreOptions& options) {
  absl::StatusOr<std::unique_ptr<Store>> store = Store::Open(options);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

std::vector<std::string> Keys(const Store& store, Family family, const std::string& begin,
                              const std::string& end) {
  std::vector<std::string> keys;
  Scan scan = store.NewScan(family, begin, end);
  for (; scan.Valid(); scan.Next()) keys.emplace_back(scan.key());
  EXPECT_TRUE(scan.status().ok()) << scan.status();
  return keys;
}

absl::Status Put(Store* store, Family family, const std::string& key, const std::string& value,
                 bool sync = true) {
  Batch batch(store);
  batch.Put(family, key, value);
  return store->Write(std::move(batch), sync);
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() { options_.data_dir = dir_ / "data"; }

  TempDir dir_;
  StoreOptions options_;
};

TEST_F(StoreTest, BatchesScansAndRestart) {
  std::unique_ptr<Store> store = OpenOrDie(options_);
  {
    Batch batch(store.get());
    EXPECT_TRUE(batch.empty());
    batch.Put(Family::kPoints, "a", "1");
    batch.Put(Family::kPoints, "b", "head", "body");
    batch.Put(Family::kPoints, "c", "3");
    batch.Put(Family::kIds, "a", "other family");
    batch.Delete(Family::kPoints, "a");
    EXPECT_FALSE(batch.empty());
    ASSERT_TRUE(store->Write(std::move(batch), true).ok());
  }
  EXPECT_THAT(Keys(*store, Family::kPoints, "a", "z"), ElementsAre("b", "c"));
  EXPECT_THAT(Keys(*store, Family::kPoints, "b", "c"), ElementsAre("b"));
  EXPECT_EQ(**store->Get(Family::kPoints, "b"), "headbody");
  EXPECT_FALSE(store->Get(Family::kPoints, "a")->has_value());
  {
    StoreSnapshot snapshot(store.get());
    Batch batch(store.get());
    batch.DeleteRange(Family::kPoints, "b", "c");
    ASSERT_TRUE(store->Write(std::move(batch), false).ok());
    EXPECT_FALSE(store->Get(Family::kPoints, "b")->has_value());
    EXPECT_TRUE(store->Get(Family::kPoints, "b", &snapshot)->has_value());
  }
  ASSERT_TRUE(store->SyncLog().ok());
  ASSERT_TRUE(store->Close().ok());
  ASSERT_TRUE(store->Close().ok());
  store = OpenOrDie(options_);
  EXPECT_THAT(Keys(*store, Family::kPoints, "a", "z"), ElementsAre("c"));
  EXPECT_EQ(**store->Get(Family::kIds, "a"), "other family");
}

TEST_F(StoreTest, MultiGetVisitsInOrder) {
  std::unique_ptr<Store> store = OpenOrDie(options_);
  std::vector<std::string> keys;
  for (uint64_t row = 0; row < 300; ++row) {
    keys.push_back(PointKey(1, row));
    if (row % 7 != 0) {
      ASSERT_TRUE(Put(store.get(), Family::kPoints, keys.back(), std::to_string(row), false).ok());
    }
  }
  size_t next = 0;
  ASSERT_TRUE(store
                  ->MultiGet(Family::kPoints, keys, nullptr,
                             [&](size_t i, const absl::string_view* value) {
                               EXPECT_EQ(i, next++);
                               EXPECT_EQ(value != nullptr, i % 7 != 0);
                               if (value != nullptr) {
                                 EXPECT_EQ(*value, std::to_string(i));
                               }
                               return absl::OkStatus();
                             })
                  .ok());
  EXPECT_EQ(next, 300u);
  EXPECT_TRUE(absl::IsAborted(store->MultiGet(
      Family::kPoints, keys, nullptr,
      [](size_t, const absl::string_view*) { return absl::AbortedError("stop"); })));
}

TEST_F(StoreTest, LargeValuesAreBlobs) {
  std::unique_ptr<Store> store = OpenOrDie(options_);
  const std::string large(100000, 'x');
  ASSERT_TRUE(Put(store.get(), Family::kPoints, "large", large).ok());
  ASSERT_TRUE(store->Close().ok());
  bool blob = false;
  for (const auto& file : std::filesystem::directory_iterator(options_.data_dir + "/rocksdb")) {
    blob = blob || file.path().extension() == ".blob";
  }
  EXPECT_TRUE(blob);
  store = OpenOrDie(options_);
  EXPECT_EQ(**store->Get(Family::kPoints, "large"), large);
  EXPECT_GT(store->Sizes().live_bytes, 100000u);
}

TEST_F(StoreTest, SecondOpenIsRefused) {
  std::unique_ptr<Store> store = OpenOrDie(options_);
  const absl::Status status = Store::Open(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another server"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(options_.data_dir));
  ASSERT_TRUE(Put(store.get(), Family::kIds, "still", "works").ok());
  store.reset();
  EXPECT_NE(OpenOrDie(options_), nullptr);
}

TEST_F(StoreTest, UnknownFormatVersionIsRefused) {
  std::unique_ptr<Store> store = OpenOrDie(options_);
  ASSERT_TRUE(Put(store.get(), Family::kMeta, FormatKey(), EncodeFormatVersion(99)).ok());
  store.reset();
  const absl::Status status = Store::Open(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("format version 99"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("reads ", kFormatVersion)));
}

TEST_F(StoreTest, AnOlderFormatThatMeansTheSameIsReadAndRaised) {
  std::unique_ptr<Store> store = OpenOrDie(options_);
  ASSERT_TRUE(
      Put(store.get(), Family::kMeta, FormatKey(), EncodeFormatVersion(kOldestFormatVersion)).ok());
  ASSERT_TRUE(Put(store.get(), Family::kIds, IdKey(1, uint64_t{5}), "row").ok());
  store.reset();
  store = OpenOrDie(options_);
  EXPECT_EQ(**store->Get(Family::kIds, IdKey(1, uint64_t{5})), "row");
  EXPECT_EQ(*ParseFormatVersion(**store->Get(Family::kMeta, FormatKey())), kFormatVersion);
  ASSERT_TRUE(
      Put(store.get(), Family::kMeta, FormatKey(), EncodeFormatVersion(kOldestFormatVersion - 1))
          .ok());
  store.reset();
  EXPECT_EQ(Store::Open(options_).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(StoreTest, LaterFormatWithMoreFamiliesIsRefusedByItsVersion) {
  std::unique_ptr<Store> store = OpenOrDie(options_);
  ASSERT_TRUE(
      Put(store.get(), Family::kMeta, FormatKey(), EncodeFormatVersion(kFormatVersion + 1)).ok());
  store.reset();
  {
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    std::vector<std::string> names;
    const std::string path = options_.data_dir + "/rocksdb";
    ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
    for (const std::string& name : names) {
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    }
    rocksdb::DB* db = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    ASSERT_TRUE(rocksdb::DB::Open({}, path, families, &handles, &db).ok());
    handles.emplace_back();
    ASSERT_TRUE(db->CreateColumnFamily({}, "later", &handles.back()).ok());
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  const absl::Status status = Store::Open(options_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(absl::StrCat("format version ", kFormatVersion + 1)));
}

TEST_F(StoreTest, DataWithoutAVersionIsRefused) {
  std::unique_ptr<Store> store = OpenOrDie(options_);
  Batch batch(store.get());
  batch.Delete(Family::kMeta, FormatKey());
  batch.Put(Family::kMeta, StateKey(1), EncodeState({}));
  ASSERT_TRUE(store->Write(std::move(batch), true).ok());
  store.reset();
  EXPECT_EQ(Store::Open(options_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(StoreTest, FlippedBitInTheLogIsRefused) {
  auto fs = std::make_shared<FaultFileSystem>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(fs);
  options_.env = env.get();
  std::unique_ptr<Store> store = OpenOrDie(options_);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Put(store.get(), Family::kPoints, PointKey(1, i), std::string(2000, 'p')).ok());
  }
  // Leave the log as a crash would.
  fs->CutPower();
  store->Close().IgnoreError();
  store.reset();
  fs->LoseUnsynced();
  std::string log;
  uint64_t largest = 0;
  for (const auto& file : std::filesystem::directory_iterator(options_.data_dir + "/rocksdb")) {
    if (file.path().extension() == ".log" && file.file_size() > largest) {
      largest = file.file_size();
      log = file.path();
    }
  }
  ASSERT_GT(largest, 150000u);
  {
    std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(60000);
    file.put('!');
  }
  EXPECT_EQ(Store::Open(options_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(StoreTest, FailedWriteShowsNothing) {
  auto fs = std::make_shared<FaultFileSystem>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(fs);
  options_.env = env.get();
  absl::Status told;
  options_.on_change = [&](const absl::Status& status) { told = status; };
  std::unique_ptr<Store> store = OpenOrDie(options_);
  ASSERT_TRUE(Put(store.get(), Family::kPoints, "a", "1").ok());
  fs->FailLogAppends(true);
  EXPECT_EQ(Put(store.get(), Family::kPoints, "b", "2").code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(store->Get(Family::kPoints, "b")->has_value());
  EXPECT_EQ(**store->Get(Family::kPoints, "a"), "1");
  EXPECT_FALSE(store->Health().ok());
  EXPECT_FALSE(told.ok());
  fs->FailLogAppends(false);
}

TEST_F(StoreTest, DirectoryThatCannotBeMade) {
  std::ofstream(dir_ / "file") << "x";
  options_.data_dir = dir_ / "file/data";
  EXPECT_EQ(Store::Open(options_).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace nestor
