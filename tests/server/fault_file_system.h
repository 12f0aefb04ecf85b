// A file system that can lose power: it knows how much of each file, and which directory entries,
// had been synced, and drops the rest. It also counts file operations and fails chosen ones, as a
// full or a broken disk does. Any thread.
#ifndef NESTOR_TESTS_SERVER_FAULT_FILE_SYSTEM_H_
#define NESTOR_TESTS_SERVER_FAULT_FILE_SYSTEM_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

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

  // Everything but kRead changes something.
  enum class Operation {
    kCreate,  // or open for writing
    kAppend,
    kSync,
    kRangeSync,
    kSyncDirectory,
    kTruncate,
    kRename,
    kLink,
    kDelete,
    kRead,  // open for reading, read, list, size
  };
  enum class Fault {
    kNoSpace,  // ENOSPC: fails changes; half of an append gets through
    kIo,       // EIO: fails changes and reads
  };
  struct Faults {
    Fault kind = Fault::kNoSpace;
    // Number of the first operation that fails, from 0, of those counted since SetFaults.
    uint64_t first = 0;
    bool once = false;
    // Where set, only these are counted and fail.
    std::function<bool(Operation, const std::string& name)> only;
  };
  void SetFaults(Faults faults);
  void ClearFaults();
  // Counted since SetFaults: those that the fault could hit.
  uint64_t operations() const;
  // .. and that it did hit.
  uint64_t failed() const;
  // What GetFreeSpace says; nullopt: the truth.
  void SetFreeSpace(std::optional<uint64_t> bytes);

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
  rocksdb::IOStatus NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus GetChildren(const std::string& directory, const rocksdb::IOOptions& options,
                                std::vector<std::string>* names,
                                rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus GetFileSize(const std::string& name, const rocksdb::IOOptions& options,
                                uint64_t* bytes, rocksdb::IODebugContext* context) override;
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 uint64_t* bytes, rocksdb::IODebugContext* context) override;

 private:
  friend class FaultFile;
  friend class FaultDirectory;
  friend class FaultSequentialFile;
  friend class FaultRandomAccessFile;

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
  // Not OK: the operation fails with it.
  rocksdb::IOStatus Begin(Operation operation, const std::string& name);

  std::atomic<bool> off_{false};
  std::atomic<bool> fail_log_appends_{false};
  std::atomic<bool> fail_log_syncs_{false};
  mutable std::mutex mutex_;
  std::map<std::string, State> files_;
  std::optional<Faults> faults_;
  uint64_t operations_ = 0;
  uint64_t failed_ = 0;
  std::optional<uint64_t> free_space_;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_FAULT_FILE_SYSTEM_H_
