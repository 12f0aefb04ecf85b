// Every byte of a log, damaged in several ways: what RocksDB would read over is found too.
#include "server/storage/log_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "rocksdb/env.h"
#include "server/storage/crc32c.h"

namespace nestor {
namespace {

using ::testing::HasSubstr;

TEST(Crc32cTest, KnownValues) {
  EXPECT_EQ(ExtendCrc32c(0, ""), 0u);
  EXPECT_EQ(ExtendCrc32c(0, "123456789"), 0xe3069283u);  // RFC 3720
  EXPECT_EQ(ExtendCrc32c(0, std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(ExtendCrc32c(ExtendCrc32c(0, "1234567890123"), "456789"),
            ExtendCrc32c(0, "1234567890123456789"));
}

// The format as RocksDB writes it; store_test.cc checks whole files of RocksDB's own.
class LogFileTest : public ::testing::Test {
 protected:
  static constexpr size_t kBlock = 32768;
  static constexpr size_t kHead = 7;

  // Adds one record, in as many fragments as it takes.
  void Add(const std::string& payload) {
    size_t done = 0;
    bool first = true;
    do {
      size_t left = kBlock - log_.size() % kBlock;
      if (left < kHead) {
        log_.append(left, '\0');
        left = kBlock;
      }
      const size_t n = std::min(payload.size() - done, left - kHead);
      const bool last = done + n == payload.size();
      AddFragment(first ? (last ? 1 : 2) : (last ? 4 : 3), payload.substr(done, n));
      done += n;
      first = false;
    } while (done < payload.size());
  }

  void AddFragment(char type, const std::string& bytes) {
    const uint32_t crc = ExtendCrc32c(ExtendCrc32c(0, absl::string_view(&type, 1)), bytes);
    const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
    for (int shift = 0; shift < 32; shift += 8) log_.push_back(static_cast<char>(masked >> shift));
    log_.push_back(static_cast<char>(bytes.size()));
    log_.push_back(static_cast<char>(bytes.size() >> 8));
    log_.push_back(type);
    log_ += bytes;
  }

  absl::StatusOr<LogFileScan> Scan(const std::string& bytes) const {
    EXPECT_TRUE(rocksdb::WriteStringToFile(env_.get(), bytes, path_).ok());
    return ScanLogFile(env_.get(), path_);
  }

  // In memory: the tests write thousands of files.
  const std::unique_ptr<rocksdb::Env> env_{rocksdb::NewMemEnv(rocksdb::Env::Default())};
  const std::string path_ = "/000001.log";
  std::string log_;
};

TEST_F(LogFileTest, WholeLogs) {
  EXPECT_EQ(Scan("")->records, 0u);
  Add("one");
  Add("");
  Add(std::string(100'000, 'x'));
  // A record that leaves six bytes of its block: padding.
  Add(std::string(kBlock - log_.size() % kBlock - kHead - 6, 'y'));
  Add("last");
  const absl::StatusOr<LogFileScan> scan = Scan(log_);
  ASSERT_TRUE(scan.ok()) << scan.status();
  EXPECT_EQ(scan->records, 5u);
  EXPECT_EQ(scan->bytes, log_.size());
  EXPECT_FALSE(scan->torn);
}

// A crash leaves any prefix of what was written, and perhaps zeros behind it.
TEST_F(LogFileTest, EveryPrefixIsWholeOrTorn) {
  Add("one");
  const size_t one = log_.size();
  Add("two records");
  for (size_t size = 0; size <= log_.size(); ++size) {
    const absl::StatusOr<LogFileScan> scan = Scan(log_.substr(0, size));
    ASSERT_TRUE(scan.ok()) << size << ": " << scan.status();
    EXPECT_EQ(scan->records, size == log_.size() ? 2u : size >= one ? 1u : 0u) << size;
    EXPECT_EQ(scan->torn, size != 0 && size != one && size != log_.size()) << size;
  }
  for (const size_t zeros : {1, 7, 100, 70'000}) {
    const absl::StatusOr<LogFileScan> scan = Scan(log_ + std::string(zeros, '\0'));
    ASSERT_TRUE(scan.ok()) << zeros << ": " << scan.status();
    EXPECT_EQ(scan->records, 2u);
    EXPECT_TRUE(scan->torn);
  }
  EXPECT_EQ(Scan(log_ + std::string(70'000, '\0') + "x").status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(LogFileTest, EveryDamagedByteIsFound) {
  Add("one");
  Add("two records");
  Add(std::string(300, 'z'));
  for (size_t at = 0; at < log_.size(); ++at) {
    for (int flip = 1; flip < 256; flip += at % 5 + 1) {
      std::string damaged = log_;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      const absl::Status status = Scan(damaged).status();
      ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << "byte " << at << " ^ " << flip;
      EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
    }
  }
}

TEST_F(LogFileTest, FragmentsOutOfPlaceAreDamage) {
  AddFragment(3, "a middle without a first");
  EXPECT_EQ(Scan(log_).status().code(), absl::StatusCode::kDataLoss);
  log_.clear();
  AddFragment(2, "a first");
  EXPECT_TRUE(Scan(log_)->torn);
  AddFragment(1, "a whole one within it");
  EXPECT_EQ(Scan(log_).status().code(), absl::StatusCode::kDataLoss);
  log_.clear();
  AddFragment(5, "of a log written over an older one");
  EXPECT_EQ(Scan(log_).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ScanLogFile(env_.get(), "/none").status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace nestor
