// A file system that can lose power: it knows how much of each file, and which directory entries,
// had been synced, and drops the rest. It can also fail writes and syncs. Any thread.
#ifndef NESTOR_TESTS_SERVER_FAULT_FILE_SYSTEM_H_
#define NESTOR_TESTS_SERVER_FAULT_FILE_SYSTEM_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"

namespace nestor {

class FaultFileSystem : public rocksdb::FileSystemWrapper {
 public:
  FaultFileSystem() : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()) {}

  const char* Name() const override { return "FaultFileSystem"; }

  // From now on nothing reaches the disk any more: every change fails.
  void CutPower() { off_.store(true); }
  // After the store has been closed: files fall back to what was synced, entries that were not
  // synced vanish; then the power is back. Returns the bytes and files that were lost.
  struct Lost {
    uint64_t bytes = 0;
    uint64_t files = 0;
  };
  Lost LoseUnsynced();

  // Appends or syncs of log files (*.log) fail while set.
  void FailLogAppends(bool fail) { fail_log_appends_.store(fail); }
  void FailLogSyncs(bool fail) { fail_log_syncs_.store(fail); }

  // --- rocksdb::FileSystem ---
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                       std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* context) override;

 private:
  friend class FaultFile;
  friend class FaultDirectory;

  // What is known of a file written through this file system.
  struct State {
    uint64_t size = 0;
    uint64_t synced = 0;
    bool entry_synced = false;
  };

  void Appended(const std::string& name, uint64_t bytes);
  void Truncated(const std::string& name, uint64_t size);
  void Synced(const std::string& name);
  void DirectorySynced(const std::string& directory);
  rocksdb::IOStatus Refusal(const std::string& name, bool append, bool sync) const;

  std::atomic<bool> off_{false};
  std::atomic<bool> fail_log_appends_{false};
  std::atomic<bool> fail_log_syncs_{false};
  std::mutex mutex_;
  std::map<std::string, State> files_;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_FAULT_FILE_SYSTEM_H_
