// RocksDB's file system, but for what its logs do on a full or failing disk. Any thread.
//
// - A log that cannot be made is an error of the first write to it, not of the making: RocksDB
// takes
//   that for fatal, and aborts at its next switch of memtables if range deletions lie in one.
// - A record whose write or sync failed is torn off. Its write was refused; but a recovery flushes
//   one family after the other, and a restart amid it would replay the record for the families that
//   are left, and so half of it.
#ifndef NESTOR_SERVER_STORAGE_LOG_FILE_SYSTEM_H_
#define NESTOR_SERVER_STORAGE_LOG_FILE_SYSTEM_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "rocksdb/file_system.h"

namespace nestor {

class LogFileSystem : public rocksdb::FileSystemWrapper {
 public:
  explicit LogFileSystem(std::shared_ptr<rocksdb::FileSystem> target)
      : rocksdb::FileSystemWrapper(std::move(target)) {}

  const char* Name() const override { return "LogFileSystem"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override;

 private:
  const std::shared_ptr<std::atomic<uint64_t>> logs_made_ =
      std::make_shared<std::atomic<uint64_t>>(0);
};

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_LOG_FILE_SYSTEM_H_
