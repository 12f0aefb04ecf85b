#include "server/storage/log_file_system.h"

#include <algorithm>
#include <mutex>

namespace nestor {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

// A file that could not be made.
class MissingFile : public rocksdb::FSWritableFile {
 public:
  explicit MissingFile(IOStatus why) : why_(std::move(why)) {}

  using FSWritableFile::Append;
  IOStatus Append(const rocksdb::Slice& data, const IOOptions&, IODebugContext*) override {
    return data.empty() ? IOStatus::OK() : why_;
  }
  IOStatus Truncate(uint64_t, const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  // Nothing was written, so nothing is lost.
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  bool IsSyncThreadSafe() const override { return true; }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return 0; }

 private:
  const IOStatus why_;
};

class LogFile : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  LogFile(std::unique_ptr<rocksdb::FSWritableFile> target,
          std::shared_ptr<const std::atomic<uint64_t>> logs_made)
      : FSWritableFileOwnerWrapper(std::move(target)),
        logs_made_(std::move(logs_made)),
        number_(logs_made_->load()) {}

  // RocksDB appends no more than one record at a time.
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  IODebugContext* context) override {
    std::lock_guard lock(mutex_);
    if (!error_.ok()) return Torn();
    before_last_ = size_;
    IOStatus status = FSWritableFileOwnerWrapper::Append(data, options, context);
    if (status.ok()) {
      size_ += data.size();
      return status;
    }
    return Tear(std::move(status), options, context);
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&, IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* context) override {
    return SyncNew([&] { return FSWritableFileOwnerWrapper::Sync(options, context); }, options,
                   context);
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* context) override {
    return SyncNew([&] { return FSWritableFileOwnerWrapper::Fsync(options, context); }, options,
                   context);
  }
  IOStatus RangeSync(uint64_t offset, uint64_t bytes, const IOOptions& options,
                     IODebugContext* context) override {
    return After(FSWritableFileOwnerWrapper::RangeSync(offset, bytes, options, context), options,
                 context);
  }

 private:
  // A closed log is synced once more by each flush. RocksDB aborts the process if that fails beside
  // a write; where nothing is new, it need not be done.
  template <typename Sync>
  IOStatus SyncNew(Sync sync, const IOOptions& options, IODebugContext* context) {
    uint64_t size = 0;
    {
      std::lock_guard lock(mutex_);
      if (error_.ok() && synced_ == size_) return IOStatus::OK();
      size = size_;
    }
    IOStatus status = After(sync(), options, context);
    if (status.ok()) {
      std::lock_guard lock(mutex_);
      synced_ = std::max(synced_, size);
    }
    return status;
  }
  IOStatus After(IOStatus status, const IOOptions& options, IODebugContext* context) {
    std::lock_guard lock(mutex_);
    if (!error_.ok()) return Torn();
    return status.ok() ? status : Tear(std::move(status), options, context);
  }
  // Where the cut fails too, the record stays: nothing better can be done.
  IOStatus Tear(IOStatus status, const IOOptions& options, IODebugContext* context) {
    error_ = status;
    FSWritableFileOwnerWrapper::Truncate(before_last_, options, context).PermitUncheckedError();
    return status;
  }
  // Once a recovery has made the next log, it writes what its buffer still holds of the refused
  // record, and syncs: both are of no matter by then.
  IOStatus Torn() const { return logs_made_->load() > number_ ? IOStatus::OK() : error_; }

  const std::shared_ptr<const std::atomic<uint64_t>> logs_made_;
  const uint64_t number_;
  std::mutex mutex_;
  uint64_t size_ = 0;
  uint64_t synced_ = 0;
  uint64_t before_last_ = 0;  // size
  IOStatus error_;            // that tore it
};

}  // namespace

IOStatus LogFileSystem::NewWritableFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file,
                                        IODebugContext* context) {
  const IOStatus status = FileSystemWrapper::NewWritableFile(name, options, file, context);
  if (!name.ends_with(".log")) return status;
  ++*logs_made_;
  if (status.ok()) {
    *file = std::make_unique<LogFile>(std::move(*file), logs_made_);
  } else {
    *file = std::make_unique<MissingFile>(status);
  }
  return IOStatus::OK();
}

}  // namespace nestor
