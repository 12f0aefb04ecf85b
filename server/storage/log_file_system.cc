#include "server/storage/log_file_system.h"

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

}  // namespace

IOStatus LogFileSystem::NewWritableFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSWritableFile>* file,
                                        IODebugContext* context) {
  const IOStatus status = FileSystemWrapper::NewWritableFile(name, options, file, context);
  if (status.ok() || !name.ends_with(".log")) return status;
  *file = std::make_unique<MissingFile>(status);
  return IOStatus::OK();
}

}  // namespace nestor
