// What a store checks of its directory before RocksDB opens it: CURRENT, the MANIFEST that it names
// and the WALs, whose damage RocksDB may take for the end of a log or for a new directory. Reads
// the logs once: they are bounded (options.cc) and replayed right after. Any thread.
#ifndef NESTOR_SERVER_STORAGE_CHECK_LOGS_H_
#define NESTOR_SERVER_STORAGE_CHECK_LOGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rocksdb {
class Env;
}

namespace nestor {

// CURRENT first, then the MANIFEST that it names, then the WALs in their order. Empty where the
// directory holds no data yet. DataLoss where CURRENT is damaged, or missing beside data, or names
// no file.
absl::StatusOr<std::vector<std::string>> FindLogs(rocksdb::Env* env, const std::string& db_dir);

// DataLoss names the first file that is damaged. OK where there is no data yet.
absl::Status CheckLogs(rocksdb::Env* env, const std::string& db_dir);

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_CHECK_LOGS_H_
