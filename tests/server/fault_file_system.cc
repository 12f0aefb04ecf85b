#include "tests/server/fault_file_system.h"

#include <filesystem>
#include <utility>

namespace nestor {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using Operation = FaultFileSystem::Operation;

class FaultFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultFile(FaultFileSystem* fs, std::string name, std::unique_ptr<rocksdb::FSWritableFile> target)
      : FSWritableFileOwnerWrapper(std::move(target)), fs_(fs), name_(std::move(name)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    const IOStatus no = fs_->Begin(Operation::kAppend, name_);
    if (!no.ok() && !no.IsNoSpace()) return no;
    const Slice fits(data.data(), no.ok() ? data.size() : data.size() / 2);
    const IOStatus status = FSWritableFileOwnerWrapper::Append(fits, options, context);
    if (status.ok()) fs_->Appended(name_, fits.size());
    return no.ok() ? status : no;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* context) override {
    if (IOStatus no = fs_->Begin(Operation::kTruncate, name_); !no.ok()) return no;
    IOStatus status = FSWritableFileOwnerWrapper::Truncate(size, options, context);
    if (status.ok()) fs_->Truncated(name_, size);
    return status;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* context) override {
    if (IOStatus no = fs_->Begin(Operation::kSync, name_); !no.ok()) return no;
    IOStatus status = FSWritableFileOwnerWrapper::Sync(options, context);
    if (status.ok()) fs_->Synced(name_);
    return status;
  }
  IOStatus RangeSync(uint64_t offset, uint64_t bytes, const IOOptions& options,
                     IODebugContext* context) override {
    if (IOStatus no = fs_->Begin(Operation::kRangeSync, name_); !no.ok()) return no;
    return FSWritableFileOwnerWrapper::RangeSync(offset, bytes, options, context);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    if (IOStatus no = fs_->Begin(Operation::kSync, name_); !no.ok()) return no;
    IOStatus status = FSWritableFileOwnerWrapper::Fsync(options, context);
    if (status.ok()) fs_->Synced(name_);
    return status;
  }

 private:
  FaultFileSystem* const fs_;
  const std::string name_;
};

class FaultDirectory : public rocksdb::FSDirectory {
 public:
  FaultDirectory(FaultFileSystem* fs, std::string name,
                 std::unique_ptr<rocksdb::FSDirectory> target)
      : fs_(fs), name_(std::move(name)), target_(std::move(target)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    if (IOStatus no = fs_->Begin(Operation::kSyncDirectory, name_); !no.ok()) return no;
    IOStatus status = target_->Fsync(options, context);
    if (status.ok()) fs_->DirectorySynced(name_);
    return status;
  }
  IOStatus FsyncWithDirOptions(const IOOptions& options, IODebugContext* context,
                               const rocksdb::DirFsyncOptions&) override {
    return Fsync(options, context);
  }
  IOStatus Close(const IOOptions& options, IODebugContext* context) override {
    return target_->Close(options, context);
  }

 private:
  FaultFileSystem* const fs_;
  const std::string name_;
  const std::unique_ptr<rocksdb::FSDirectory> target_;
};

class FaultSequentialFile : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  FaultSequentialFile(FaultFileSystem* fs, std::string name,
                      std::unique_ptr<rocksdb::FSSequentialFile> target)
      : FSSequentialFileOwnerWrapper(std::move(target)), fs_(fs), name_(std::move(name)) {}

  IOStatus Read(size_t n, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* context) override {
    if (IOStatus no = fs_->Begin(Operation::kRead, name_); !no.ok()) return no;
    return FSSequentialFileOwnerWrapper::Read(n, options, result, scratch, context);
  }

 private:
  FaultFileSystem* const fs_;
  const std::string name_;
};

class FaultRandomAccessFile : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  FaultRandomAccessFile(FaultFileSystem* fs, std::string name,
                        std::unique_ptr<rocksdb::FSRandomAccessFile> target)
      : FSRandomAccessFileOwnerWrapper(std::move(target)), fs_(fs), name_(std::move(name)) {}

  IOStatus Read(uint64_t offset, size_t n, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* context) const override {
    if (IOStatus no = fs_->Begin(Operation::kRead, name_); !no.ok()) return no;
    return FSRandomAccessFileOwnerWrapper::Read(offset, n, options, result, scratch, context);
  }
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, size_t n, const IOOptions& options,
                     IODebugContext* context) override {
    if (IOStatus no = fs_->Begin(Operation::kRead, name_); !no.ok()) {
      for (size_t i = 0; i < n; ++i) requests[i].status = no;
      return no;
    }
    return FSRandomAccessFileOwnerWrapper::MultiRead(requests, n, options, context);
  }

 private:
  FaultFileSystem* const fs_;
  const std::string name_;
};

// The statuses are those of RocksDB's own file system for these errors.
IOStatus FaultFileSystem::Begin(Operation operation, const std::string& name) {
  const bool reads = operation == Operation::kRead;
  if (off_.load() && !reads) return IOStatus::IOError("the power is off: " + name);
  const bool log = name.ends_with(".log");
  if (log && operation == Operation::kAppend && fail_log_appends_.load()) {
    return IOStatus::IOError("append fails: " + name);
  }
  if (log && operation == Operation::kSync && fail_log_syncs_.load()) {
    return IOStatus::IOError("sync fails: " + name);
  }
  std::lock_guard lock(mutex_);
  if (!faults_.has_value()) return IOStatus::OK();
  if (reads && faults_->kind == Fault::kNoSpace) return IOStatus::OK();
  if (faults_->only && !faults_->only(operation, name)) return IOStatus::OK();
  const uint64_t number = operations_++;
  if (number < faults_->first || (faults_->once && number > faults_->first)) return IOStatus::OK();
  ++failed_;
  if (faults_->kind == Fault::kIo) return IOStatus::IOError("injected: " + name, "EIO");
  IOStatus full = IOStatus::NoSpace("injected: " + name, "ENOSPC");
  full.SetRetryable(true);
  return full;
}

void FaultFileSystem::SetFaults(Faults faults) {
  std::lock_guard lock(mutex_);
  faults_ = std::move(faults);
  operations_ = 0;
  failed_ = 0;
}

void FaultFileSystem::ClearFaults() {
  std::lock_guard lock(mutex_);
  faults_.reset();
}

uint64_t FaultFileSystem::operations() const {
  std::lock_guard lock(mutex_);
  return operations_;
}

uint64_t FaultFileSystem::failed() const {
  std::lock_guard lock(mutex_);
  return failed_;
}

void FaultFileSystem::SetFreeSpace(std::optional<uint64_t> bytes) {
  std::lock_guard lock(mutex_);
  free_space_ = bytes;
}

void FaultFileSystem::Appended(const std::string& name, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  files_[name].size += bytes;
}

void FaultFileSystem::Truncated(const std::string& name, uint64_t size) {
  std::lock_guard lock(mutex_);
  files_[name].size = size;
}

void FaultFileSystem::Synced(const std::string& name) {
  std::lock_guard lock(mutex_);
  State& state = files_[name];
  state.synced = state.size;
}

void FaultFileSystem::DirectorySynced(const std::string& directory) {
  std::lock_guard lock(mutex_);
  for (auto& [name, state] : files_) {
    if (std::filesystem::path(name).parent_path() == std::filesystem::path(directory)) {
      state.entry_synced = true;
    }
  }
}

FaultFileSystem::Lost FaultFileSystem::LoseUnsynced() {
  std::lock_guard lock(mutex_);
  Lost lost;
  std::error_code ignored;
  for (auto it = files_.begin(); it != files_.end();) {
    State& state = it->second;
    // RocksDB's own text log is never synced and of no matter.
    const bool text = std::filesystem::path(it->first).filename().string().starts_with("LOG");
    if (!state.entry_synced && !text) {
      lost.files += std::filesystem::remove(it->first, ignored) ? 1 : 0;
      it = files_.erase(it);
      continue;
    }
    if (!text && state.synced < state.size) {
      lost.bytes += state.size - state.synced;
      std::filesystem::resize_file(it->first, state.synced, ignored);
      state.size = state.synced;
    }
    ++it;
  }
  off_.store(false);
  return lost;
}

IOStatus FaultFileSystem::NewWritableFile(const std::string& name,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* file,
                                          IODebugContext* context) {
  if (IOStatus no = Begin(Operation::kCreate, name); !no.ok()) return no;
  std::unique_ptr<rocksdb::FSWritableFile> target;
  IOStatus status = FileSystemWrapper::NewWritableFile(name, options, &target, context);
  if (!status.ok()) return status;
  {
    std::lock_guard lock(mutex_);
    files_[name] = State();
  }
  *file = std::make_unique<FaultFile>(this, name, std::move(target));
  return status;
}

IOStatus FaultFileSystem::ReopenWritableFile(const std::string& name,
                                             const rocksdb::FileOptions& options,
                                             std::unique_ptr<rocksdb::FSWritableFile>* file,
                                             IODebugContext* context) {
  if (IOStatus no = Begin(Operation::kCreate, name); !no.ok()) return no;
  std::unique_ptr<rocksdb::FSWritableFile> target;
  IOStatus status = FileSystemWrapper::ReopenWritableFile(name, options, &target, context);
  if (status.ok()) *file = std::make_unique<FaultFile>(this, name, std::move(target));
  return status;
}

IOStatus FaultFileSystem::NewDirectory(const std::string& name, const IOOptions& options,
                                       std::unique_ptr<rocksdb::FSDirectory>* directory,
                                       IODebugContext* context) {
  std::unique_ptr<rocksdb::FSDirectory> target;
  IOStatus status = FileSystemWrapper::NewDirectory(name, options, &target, context);
  if (status.ok()) *directory = std::make_unique<FaultDirectory>(this, name, std::move(target));
  return status;
}

IOStatus FaultFileSystem::DeleteFile(const std::string& name, const IOOptions& options,
                                     IODebugContext* context) {
  if (IOStatus no = Begin(Operation::kDelete, name); !no.ok()) return no;
  IOStatus status = FileSystemWrapper::DeleteFile(name, options, context);
  std::lock_guard lock(mutex_);
  if (status.ok()) files_.erase(name);
  return status;
}

IOStatus FaultFileSystem::RenameFile(const std::string& from, const std::string& to,
                                     const IOOptions& options, IODebugContext* context) {
  if (IOStatus no = Begin(Operation::kRename, from); !no.ok()) return no;
  IOStatus status = FileSystemWrapper::RenameFile(from, to, options, context);
  std::lock_guard lock(mutex_);
  if (const auto it = files_.find(from); status.ok() && it != files_.end()) {
    // A rename over an older file that is then lost would leave the older one, which is gone here,
    // so a rename counts as synced; the content still has to be.
    State state = it->second;
    state.entry_synced = true;
    files_.erase(it);
    files_[to] = state;
  }
  return status;
}

IOStatus FaultFileSystem::LinkFile(const std::string& from, const std::string& to,
                                   const IOOptions& options, IODebugContext* context) {
  if (IOStatus no = Begin(Operation::kLink, from); !no.ok()) return no;
  IOStatus status = FileSystemWrapper::LinkFile(from, to, options, context);
  std::lock_guard lock(mutex_);
  if (const auto it = files_.find(from); status.ok() && it != files_.end()) {
    State state = it->second;
    state.entry_synced = false;
    files_[to] = state;
  }
  return status;
}

IOStatus FaultFileSystem::NewSequentialFile(const std::string& name,
                                            const rocksdb::FileOptions& options,
                                            std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                            IODebugContext* context) {
  if (IOStatus no = Begin(Operation::kRead, name); !no.ok()) return no;
  std::unique_ptr<rocksdb::FSSequentialFile> target;
  IOStatus status = FileSystemWrapper::NewSequentialFile(name, options, &target, context);
  if (status.ok()) *file = std::make_unique<FaultSequentialFile>(this, name, std::move(target));
  return status;
}

IOStatus FaultFileSystem::NewRandomAccessFile(const std::string& name,
                                              const rocksdb::FileOptions& options,
                                              std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                              IODebugContext* context) {
  if (IOStatus no = Begin(Operation::kRead, name); !no.ok()) return no;
  std::unique_ptr<rocksdb::FSRandomAccessFile> target;
  IOStatus status = FileSystemWrapper::NewRandomAccessFile(name, options, &target, context);
  if (status.ok()) *file = std::make_unique<FaultRandomAccessFile>(this, name, std::move(target));
  return status;
}

IOStatus FaultFileSystem::GetChildren(const std::string& directory, const IOOptions& options,
                                      std::vector<std::string>* names, IODebugContext* context) {
  if (IOStatus no = Begin(Operation::kRead, directory); !no.ok()) return no;
  return FileSystemWrapper::GetChildren(directory, options, names, context);
}

IOStatus FaultFileSystem::GetFileSize(const std::string& name, const IOOptions& options,
                                      uint64_t* bytes, IODebugContext* context) {
  if (IOStatus no = Begin(Operation::kRead, name); !no.ok()) return no;
  return FileSystemWrapper::GetFileSize(name, options, bytes, context);
}

IOStatus FaultFileSystem::GetFreeSpace(const std::string& path, const IOOptions& options,
                                       uint64_t* bytes, IODebugContext* context) {
  {
    std::lock_guard lock(mutex_);
    if (free_space_.has_value()) {
      *bytes = *free_space_;
      return IOStatus::OK();
    }
  }
  return FileSystemWrapper::GetFreeSpace(path, options, bytes, context);
}

}  // namespace nestor
