// Reads all of a data directory that no server uses, and changes nothing in it: every byte of every
// file that RocksDB knows against its checksum, then every record of every collection. Memory: what
// a replay of the logs takes, 8 bytes a point and the links of one graph.
#ifndef NESTOR_SERVER_STORAGE_VERIFY_H_
#define NESTOR_SERVER_STORAGE_VERIFY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/storage/store.h"

namespace nestor {

struct VerifyReport {
  uint64_t files = 0;
  uint64_t bytes = 0;
  uint64_t collections = 0;
  uint64_t points = 0;
  // One entry a damaged file, which it names; or the first damaged record, of files that are whole.
  std::vector<std::string> damages;
};

// An error where there is nothing to judge: NotFound (no data there), FailedPrecondition (a server
// runs on it, another format), Unavailable (a file cannot be read).
absl::StatusOr<VerifyReport> VerifyDataDir(const StoreOptions& options);

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_VERIFY_H_
