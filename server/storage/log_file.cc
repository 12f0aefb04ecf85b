#include "server/storage/log_file.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rocksdb/env.h"
#include "server/storage/crc32c.h"
#include "server/storage/store_rep.h"

namespace nestor {
namespace {

// All of these are RocksDB's (db/log_format.h). Types above kLast are for logs that are written
// again over older ones, and for compressed ones: we make neither.
constexpr size_t kBlockBytes = 32768;
constexpr size_t kHeadBytes = 7;
enum Type : uint8_t { kNone = 0, kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

uint32_t Unmask(uint32_t masked) {
  const uint32_t rotated = masked - 0xa282ead8u;
  return (rotated >> 17) | (rotated << 15);
}

struct Head {
  explicit Head(const char* at) {
    std::memcpy(&masked, at, 4);
    std::memcpy(&length, at + 4, 2);
    type = static_cast<uint8_t>(at[6]);
  }
  uint32_t masked = 0;
  uint16_t length = 0;
  uint8_t type = 0;
};

bool AllZero(absl::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; });
}

class Scanner {
 public:
  explicit Scanner(const std::string& path) : path_(path) {}

  // One block, or the shorter rest of the file. Nothing but zeros may follow once the log is torn.
  absl::Status Take(absl::string_view block) {
    const uint64_t begin = scan_.bytes;
    scan_.bytes += block.size();
    if (scan_.torn) {
      return AllZero(block) ? absl::OkStatus() : Damaged(begin, "data follows the end of the log");
    }
    const bool last = block.size() < kBlockBytes;
    size_t at = 0;
    while (at < block.size()) {
      const absl::string_view rest = block.substr(at);
      if (rest.size() < kHeadBytes) {
        if (at + kHeadBytes > kBlockBytes) {
          return AllZero(rest) ? absl::OkStatus() : Damaged(begin + at, "the padding is not zero");
        }
        scan_.torn = true;
        return absl::OkStatus();
      }
      const Head head(rest.data());
      if (head.type == kNone && head.length == 0 && AllZero(rest)) {
        // Space that the file system had set aside, or pages that never reached the disk.
        scan_.torn = true;
        return absl::OkStatus();
      }
      if (absl::Status status = Check(head, begin + at, at, rest, last); !status.ok()) {
        return status;
      }
      if (scan_.torn) return absl::OkStatus();
      at += kHeadBytes + head.length;
    }
    return absl::OkStatus();
  }

  LogFileScan Finish() {
    scan_.torn = scan_.torn || in_record_;
    return scan_;
  }

 private:
  absl::Status Damaged(uint64_t offset, absl::string_view what) const {
    return absl::DataLossError(absl::StrCat(path_, " is damaged at byte ", offset, ": ", what));
  }

  absl::Status Check(const Head& head, uint64_t offset, size_t at, absl::string_view rest,
                     bool last) {
    if (at + kHeadBytes + head.length > kBlockBytes) {
      return Damaged(offset, absl::StrCat("a record of ", head.length, " bytes leaves its block"));
    }
    const uint32_t wanted = Unmask(head.masked);
    const absl::string_view type = rest.substr(6, 1);
    const absl::string_view payload = rest.substr(kHeadBytes);
    if (head.length > payload.size()) {
      // Only the file's last block ends within a record.
      if (!last) return Damaged(offset, "a record leaves its block");
      uint32_t crc = ExtendCrc32c(0, type);
      for (size_t n = 0;; ++n) {
        if (crc == wanted) {
          return Damaged(offset,
                         absl::StrCat("a record of ", n, " bytes says it has ", head.length));
        }
        if (n == payload.size()) break;
        crc = ExtendCrc32c(crc, payload.substr(n, 1));
      }
      scan_.torn = true;
      return absl::OkStatus();
    }
    if (ExtendCrc32c(ExtendCrc32c(0, type), payload.substr(0, head.length)) != wanted) {
      return Damaged(
          offset, absl::StrCat("the checksum of a record of ", head.length, " bytes does not fit"));
    }
    const bool begins = head.type == kFull || head.type == kFirst;
    if (head.type < kFull || head.type > kLast || begins == in_record_) {
      return Damaged(offset, absl::StrCat("a record of type ", head.type, " has no place here"));
    }
    in_record_ = head.type == kFirst || head.type == kMiddle;
    if (!in_record_) ++scan_.records;
    return absl::OkStatus();
  }

  const std::string& path_;
  LogFileScan scan_;
  bool in_record_ = false;
};

}  // namespace

absl::StatusOr<LogFileScan> ScanLogFile(rocksdb::Env* env, const std::string& path) {
  std::unique_ptr<rocksdb::SequentialFile> file;
  rocksdb::Status opened = env->NewSequentialFile(path, &file, rocksdb::EnvOptions());
  if (!opened.ok()) return ToStatus(absl::StrCat("cannot open ", path), opened);
  Scanner scanner(path);
  const auto block = std::make_unique<char[]>(kBlockBytes);
  for (;;) {
    size_t filled = 0;
    while (filled < kBlockBytes) {
      rocksdb::Slice got;
      char* const to = block.get() + filled;
      const rocksdb::Status status = file->Read(kBlockBytes - filled, &got, to);
      if (!status.ok()) return ToStatus(absl::StrCat("cannot read ", path), status);
      if (got.empty()) break;
      if (got.data() != to) std::memmove(to, got.data(), got.size());
      filled += got.size();
    }
    if (filled == 0) break;
    absl::Status status = scanner.Take(absl::string_view(block.get(), filled));
    if (!status.ok()) return status;
    if (filled < kBlockBytes) break;
  }
  return scanner.Finish();
}

}  // namespace nestor
