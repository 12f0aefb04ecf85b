// RocksDB's file system, but that a log which cannot be made is an error of the first write to it,
// not of the making. A RocksDB that fails to make a log in the midst of a switch of memtables takes
// that for fatal, and aborts the process at the next switch if range deletions lie in the memtable.
// Any thread.
#ifndef NESTOR_SERVER_STORAGE_LOG_FILE_SYSTEM_H_
#define NESTOR_SERVER_STORAGE_LOG_FILE_SYSTEM_H_

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
};

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_LOG_FILE_SYSTEM_H_
