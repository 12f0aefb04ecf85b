// Reads a file in RocksDB's log format, a WAL or a MANIFEST, more strictly than RocksDB does, which
// takes a damaged length near the end of the file, and a damaged record type anywhere, for the end
// of the log: it would open as if what follows had never been written. Any thread.
//
// The format: blocks of 32 KiB; in them records of checksum u32, length u16, type u8 and payload,
// little-endian, the checksum over type and payload; the last bytes of a block that cannot hold a
// record's head are zero.
#ifndef NESTOR_SERVER_STORAGE_LOG_FILE_H_
#define NESTOR_SERVER_STORAGE_LOG_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace rocksdb {
class Env;
}

namespace nestor {

struct LogFileScan {
  uint64_t bytes = 0;
  uint64_t records = 0;
  // The last record is cut off, as a crash leaves it: it was never acknowledged. A whole record
  // whose length was damaged is told apart by its checksum, which then fits a shorter one.
  bool torn = false;
};

// DataLoss names file and offset of what is damaged.
absl::StatusOr<LogFileScan> ScanLogFile(rocksdb::Env* env, const std::string& path);

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_LOG_FILE_H_
