#include "tests/server/fault_file_system.h"

#include <filesystem>
#include <utility>

namespace nestor {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class FaultFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultFile(FaultFileSystem* fs, std::string name, std::unique_ptr<rocksdb::FSWritableFile> target)
      : FSWritableFileOwnerWrapper(std::move(target)), fs_(fs), name_(std::move(name)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* context) override {
    if (IOStatus no = fs_->Refusal(name_, true, false); !no.ok()) return no;
    IOStatus status = FSWritableFileOwnerWrapper::Append(data, options, context);
    if (status.ok()) fs_->Appended(name_, data.size());
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus Truncate(uint64_t size, const IOOptions& options, IODebugContext* context) override {
    if (IOStatus no = fs_->Refusal(name_, false, false); !no.ok()) return no;
    IOStatus status = FSWritableFileOwnerWrapper::Truncate(size, options, context);
    if (status.ok()) fs_->Truncated(name_, size);
    return status;
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* context) override {
    if (IOStatus no = fs_->Refusal(name_, false, true); !no.ok()) return no;
    IOStatus status = FSWritableFileOwnerWrapper::Sync(options, context);
    if (status.ok()) fs_->Synced(name_);
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    if (IOStatus no = fs_->Refusal(name_, false, true); !no.ok()) return no;
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
    if (IOStatus no = fs_->Refusal(name_, false, true); !no.ok()) return no;
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

IOStatus FaultFileSystem::Refusal(const std::string& name, bool append, bool sync) const {
  if (off_.load()) return IOStatus::IOError("the power is off: " + name);
  const bool log = name.ends_with(".log");
  if (log && append && fail_log_appends_.load()) return IOStatus::IOError("append fails: " + name);
  if (log && sync && fail_log_syncs_.load()) return IOStatus::IOError("sync fails: " + name);
  return IOStatus::OK();
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
  if (IOStatus no = Refusal(name, false, false); !no.ok()) return no;
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
  if (IOStatus no = Refusal(name, false, false); !no.ok()) return no;
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
  if (IOStatus no = Refusal(name, false, false); !no.ok()) return no;
  IOStatus status = FileSystemWrapper::DeleteFile(name, options, context);
  std::lock_guard lock(mutex_);
  if (status.ok()) files_.erase(name);
  return status;
}

IOStatus FaultFileSystem::RenameFile(const std::string& from, const std::string& to,
                                     const IOOptions& options, IODebugContext* context) {
  if (IOStatus no = Refusal(from, false, false); !no.ok()) return no;
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
  if (IOStatus no = Refusal(from, false, false); !no.ok()) return no;
  IOStatus status = FileSystemWrapper::LinkFile(from, to, options, context);
  std::lock_guard lock(mutex_);
  if (const auto it = files_.find(from); status.ok() && it != files_.end()) {
    State state = it->second;
    state.entry_synced = false;
    files_[to] = state;
  }
  return status;
}

}  // namespace nestor
