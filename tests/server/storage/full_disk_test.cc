// A disk that is full for a while: writes are refused, reads go on, and writes go on by themselves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rocksdb/env.h"
#include "server/storage/store.h"
#include "tests/server/fault_file_system.h"
#include "tests/server/temp_dir.h"

namespace nestor {
namespace {

using Operation = FaultFileSystem::Operation;
using Only = bool (*)(Operation, const std::string&);

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }
bool IsLog(const std::string& path) { return path.ends_with(".log"); }
bool IsManifest(const std::string& path) { return BaseName(path).starts_with("MANIFEST"); }
bool IsTable(const std::string& path) { return path.ends_with(".sst"); }
bool InCompaction() {
  char name[16] = "";
  pthread_getname_np(pthread_self(), name, sizeof(name));
  return absl::StartsWith(name, "rocksdb:low");
}

// A store whose disk can be full.
class Disk {
 public:
  Disk() : fs_(std::make_shared<FaultFileSystem>()), env_(rocksdb::NewCompositeEnv(fs_)) {
    options_.data_dir = dir_ / "data";
    options_.env = env_.get();
    options_.write_buffer_bytes = 1 << 20;
    options_.on_change = [this](const absl::Status& status) {
      std::lock_guard lock(mutex_);
      changes_.push_back(status.code());
    };
    Reopen();
  }

  void Reopen() {
    store_.reset();
    absl::StatusOr<std::unique_ptr<Store>> store = Store::Open(options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  // Two families in one batch; none of the keys twice.
  absl::Status Write(bool sync = true) {
    const std::string key = absl::StrCat("key", next_++);
    const std::string value = key + std::string(20'000, 'v');
    Batch batch(store_.get());
    batch.Put(Family::kPoints, key, value);
    batch.Put(Family::kMeta, key, "");
    const absl::Status status = store_->Write(std::move(batch), sync);
    there_[key] = status.ok();
    return status;
  }
  absl::Status WriteUntilRefused() {
    for (int i = 0; i < 1000; ++i) {
      if (absl::Status status = Write(/*sync=*/i % 8 == 0); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  void Check() {
    for (const auto& [key, there] : there_) {
      const absl::StatusOr<std::optional<std::string>> value = store_->Get(Family::kPoints, key);
      ASSERT_TRUE(value.ok()) << value.status();
      ASSERT_EQ(value->has_value(), there) << key;
      if (there) {
        ASSERT_TRUE(absl::StartsWith(**value, key));
      }
      ASSERT_EQ(store_->Get(Family::kMeta, key)->has_value(), there) << key;
    }
  }

  // A write whose sync failed may be found or not once the fault is over, but whole.
  void MayBeThere(const std::string& key) {
    there_[key] = store_->Get(Family::kMeta, key)->has_value();
  }

  void AwaitHealth() {
    const auto due = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!store_->Health().ok()) {
      ASSERT_LT(std::chrono::steady_clock::now(), due) << store_->Health();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  std::vector<absl::StatusCode> Changes() {
    std::lock_guard lock(mutex_);
    return changes_;
  }

  // From here on until the writes are accepted again.
  void FillUp(Only only, bool may_be_there) {
    const size_t before = Changes().size();
    fs_->SetFaults({.kind = FaultFileSystem::Fault::kNoSpace, .only = only});
    const absl::Status refused = WriteUntilRefused();
    const std::string first_refused = absl::StrCat("key", next_ - 1);
    ASSERT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    EXPECT_TRUE(absl::StrContains(refused.message(), "No space left")) << refused;
    const absl::Status health = store_->Health();
    EXPECT_EQ(health.code(), absl::StatusCode::kResourceExhausted) << health;
    EXPECT_EQ(Write(/*sync=*/false).code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(store_->SyncLog().code(), absl::StatusCode::kResourceExhausted);
    Check();
    // Attempts to go on are made, and fail.
    const uint64_t failed = fs_->failed();
    const auto due = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    while (fs_->failed() == failed && std::chrono::steady_clock::now() < due) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    Check();

    fs_->ClearFaults();
    AwaitHealth();
    if (may_be_there) MayBeThere(first_refused);
    const absl::Status accepted = Write();
    EXPECT_TRUE(accepted.ok()) << accepted;
    Check();
    using enum absl::StatusCode;
    std::vector<absl::StatusCode> changes = Changes();
    changes.erase(changes.begin(), changes.begin() + before);
    EXPECT_THAT(changes, ::testing::ElementsAre(kResourceExhausted, kOk));
  }

  TempDir dir_;
  std::shared_ptr<FaultFileSystem> fs_;
  std::unique_ptr<rocksdb::Env> env_;
  StoreOptions options_;
  std::mutex mutex_;
  std::vector<absl::StatusCode> changes_;
  std::map<std::string, bool> there_;
  int next_ = 0;
  std::unique_ptr<Store> store_;
};

struct Place {
  const char* name;
  Only only;
  // The write that meets the fault first may have reached the log.
  bool may_be_there = false;
};

const Place kPlaces[] = {
    Place{"everything", [](Operation, const std::string&) { return true; }, true},
    Place{"log_append",
          [](Operation op, const std::string& name) {
            return op == Operation::kAppend && IsLog(name);
          }},
    Place{
        "log_sync",
        [](Operation op, const std::string& name) { return op == Operation::kSync && IsLog(name); },
        true},
    Place{"new_log",
          [](Operation op, const std::string& name) {
            return op == Operation::kCreate && IsLog(name);
          }},
    Place{"flush",
          [](Operation, const std::string& name) { return IsTable(name) && !InCompaction(); }},
    Place{"manifest", [](Operation op, const std::string& name) {
            return op == Operation::kAppend && IsManifest(name);
          }}};

// In all places at once: the tests wait for RocksDB, which looks every 5 s.
template <typename Scene>
void AtAllPlaces() {
  std::vector<std::thread> threads;
  for (const Place& place : kPlaces) {
    threads.emplace_back([&place] {
      SCOPED_TRACE(place.name);
      Scene().Run(place);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

struct WritesGoOn : Disk {
  void Run(const Place& place) {
    // The first write after an open meets empty memtables, and so does the one after a recovery.
    FillUp(place.only, place.may_be_there);
    FillUp(place.only, place.may_be_there);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(Write(/*sync=*/false).ok());
    Reopen();
    Check();
  }
};

TEST(FullDiskTest, WritesGoOnByThemselves) { AtAllPlaces<WritesGoOn>(); }

struct RestartWhileRefused : Disk {
  void Run(const Place& place) {
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(Write().ok());
    fs_->SetFaults({.kind = FaultFileSystem::Fault::kNoSpace, .only = place.only});
    ASSERT_FALSE(WriteUntilRefused().ok());
    const std::string first_refused = absl::StrCat("key", next_ - 1);
    store_->Close().IgnoreError();
    fs_->ClearFaults();
    Reopen();
    if (place.may_be_there) MayBeThere(first_refused);
    Check();
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(Write(/*sync=*/false).ok());
    Reopen();
    Check();
  }
};

TEST(FullDiskTest, RestartWhileWritesAreRefused) { AtAllPlaces<RestartWhileRefused>(); }

// RocksDB repeats the compaction by itself. Only a write that waits for it, as too many files wait
// to be compacted, is refused.
struct Compaction : Disk {
  // Whether a write was accepted.
  bool WriteOrWait(bool sync) {
    const absl::Status status = Write(sync);
    EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kResourceExhausted) << status;
    return status.ok();
  }
  void Run() {
    fs_->SetFaults(
        {.kind = FaultFileSystem::Fault::kNoSpace, .only = [](Operation, const std::string& name) {
           return IsTable(name) && InCompaction();
         }});
    for (int i = 0; i < 5000 && fs_->failed() == 0; ++i) WriteOrWait(/*sync=*/false);
    EXPECT_GT(fs_->failed(), 0u) << "no compaction";
    EXPECT_TRUE(store_->Health().ok()) << store_->Health();
    WriteOrWait(/*sync=*/true);
    Check();
    fs_->ClearFaults();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!WriteOrWait(/*sync=*/false)) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(Write(/*sync=*/false).ok());
    Check();
    EXPECT_THAT(Changes(), ::testing::IsEmpty());
    Reopen();
    Check();
  }
};

TEST(FullDiskTest, CompactionNeedsNoRefusal) { Compaction().Run(); }

struct Room : Disk {
  void Run() {
    ASSERT_TRUE(Write().ok());
    fs_->SetFaults({.kind = FaultFileSystem::Fault::kNoSpace, .once = true, .only = nullptr});
    fs_->SetFreeSpace(100'000);
    ASSERT_EQ(Write().code(), absl::StatusCode::kResourceExhausted);
    const uint64_t operations = fs_->operations();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    EXPECT_EQ(store_->Health().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(fs_->operations(), operations) << "it was not even tried";
    fs_->SetFreeSpace(1 << 30);
    AwaitHealth();
    ASSERT_TRUE(Write().ok());
    Check();
  }
};

TEST(FullDiskTest, WaitsForRoom) { Room().Run(); }

struct OtherErrors : Disk {
  void Run() {
    ASSERT_TRUE(Write().ok());
    fs_->SetFaults({.kind = FaultFileSystem::Fault::kIo,
                    .once = true,
                    .only = [](Operation op, const std::string& name) {
                      return op == Operation::kSync && IsLog(name);
                    }});
    ASSERT_EQ(Write().code(), absl::StatusCode::kUnavailable);
    fs_->ClearFaults();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_EQ(Write().code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(absl::StrContains(store_->Health().message(), "restart")) << store_->Health();
    EXPECT_THAT(Changes(), ::testing::ElementsAre(absl::StatusCode::kUnavailable));
    Check();
  }
};

TEST(FullDiskTest, OtherErrorsStay) { OtherErrors().Run(); }

}  // namespace
}  // namespace nestor
