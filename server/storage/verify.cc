#include "server/storage/verify.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rocksdb/env.h"
#include "rocksdb/file_checksum.h"
#include "server/storage/check_logs.h"
#include "server/storage/log_file.h"
#include "server/storage/read_only_db.h"
#include "server/storage/store_rep.h"
#include "server/storage/verify_records.h"

namespace nestor {
namespace {

// The lock of a data directory, so that no server starts meanwhile.
class DirectoryLock {
 public:
  explicit DirectoryLock(rocksdb::Env* env) : env_(env) {}
  ~DirectoryLock() {
    if (lock_ != nullptr) env_->UnlockFile(lock_);
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

  absl::Status Take(const std::string& data_dir) {
    const rocksdb::Status status = env_->LockFile(absl::StrCat(data_dir, "/LOCK"), &lock_);
    if (status.ok()) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat("cannot lock data directory ", data_dir,
                                                      ": stop its server first (",
                                                      status.ToString(), ")"));
  }

 private:
  rocksdb::Env* const env_;
  rocksdb::FileLock* lock_ = nullptr;
};

// What RocksDB recorded of a file when it was written.
struct Recorded {
  std::string checksum;
  std::string function;
};

class Verifier {
 public:
  explicit Verifier(const StoreOptions& options)
      : options_(options),
        env_(options.env != nullptr ? options.env : rocksdb::Env::Default()),
        db_dir_(absl::StrCat(options.data_dir, "/rocksdb")) {}

  absl::StatusOr<VerifyReport> Run() {
    if (!env_->FileExists(db_dir_).ok()) {
      return absl::NotFoundError(
          absl::StrCat(options_.data_dir, " is no data directory: it has no ", db_dir_));
    }
    DirectoryLock lock(env_);
    if (absl::Status status = lock.Take(options_.data_dir); !status.ok()) return status;
    const absl::StatusOr<std::vector<std::string>> logs = FindLogs(env_, db_dir_);
    if (!logs.ok()) return OnlyDamage(logs.status());
    if (logs->empty()) {
      return absl::NotFoundError(absl::StrCat(options_.data_dir, " holds no data"));
    }
    ReadLogs(*logs);
    if (manifest_damaged_) return std::move(report_);

    absl::StatusOr<std::unique_ptr<ReadOnlyDb>> db =
        ReadOnlyDb::Open(options_, db_dir_, /*lenient=*/!report_.damages.empty());
    const absl::Status refused = db.status();
    if (!db.ok()) db = ReadOnlyDb::Open(options_, db_dir_, /*lenient=*/true);
    if (!db.ok()) return OnlyDamage(refused);
    if (absl::Status status = ReadDataFiles((*db)->db()); !status.ok()) return status;
    if (report_.damages.empty() && !refused.ok()) return OnlyDamage(refused);
    if (!report_.damages.empty()) return std::move(report_);
    absl::Status status = VerifyRecords(db->get(), &report_);
    if (absl::IsFailedPrecondition(status)) return status;
    if (!status.ok()) return OnlyDamage(status);
    return std::move(report_);
  }

 private:
  void AddDamage(const absl::Status& status) { report_.damages.emplace_back(status.message()); }
  VerifyReport OnlyDamage(const absl::Status& status) {
    AddDamage(status);
    return std::move(report_);
  }

  void ReadLogs(const std::vector<std::string>& logs) {
    report_.files = logs.size();
    for (size_t i = 1; i < logs.size(); ++i) {
      const absl::StatusOr<LogFileScan> scan = ScanLogFile(env_, logs[i]);
      if (scan.ok()) {
        report_.bytes += scan->bytes;
      } else {
        AddDamage(scan.status());
        manifest_damaged_ = manifest_damaged_ || i == 1;
      }
    }
    if (manifest_damaged_) {
      report_.damages.push_back("the other files are known to the MANIFEST alone: not read");
    }
  }

  absl::Status ReadDataFiles(rocksdb::DB& db) {
    const std::unique_ptr<rocksdb::FileChecksumList> list(rocksdb::NewFileChecksumList());
    std::vector<uint64_t> numbers;
    std::vector<std::string> checksums;
    std::vector<std::string> functions;
    rocksdb::Status status = db.GetLiveFilesChecksumInfo(list.get());
    if (status.ok()) status = list->GetAllFileChecksums(&numbers, &checksums, &functions);
    if (!status.ok()) return ToStatus("cannot list the data files", status);
    for (size_t i = 0; i < numbers.size(); ++i) {
      ++report_.files;
      const absl::Status read =
          ReadDataFile(numbers[i], {std::move(checksums[i]), std::move(functions[i])});
      if (!read.ok()) AddDamage(read);
    }
    return absl::OkStatus();
  }

  absl::Status ReadDataFile(uint64_t number, const Recorded& recorded) {
    const std::string stem = absl::StrCat(db_dir_, "/", absl::StrFormat("%06d", number));
    std::string path = absl::StrCat(stem, ".sst");
    if (!env_->FileExists(path).ok()) path = absl::StrCat(stem, ".blob");
    if (!env_->FileExists(path).ok()) {
      return absl::DataLossError(absl::StrCat(stem, ".sst or .blob is missing"));
    }
    if (recorded.function != rocksdb::kStandardDbFileChecksumFuncName) {
      return absl::DataLossError(absl::StrCat(path, " has a checksum of kind \"", recorded.function,
                                              "\", expected ",
                                              rocksdb::kStandardDbFileChecksumFuncName));
    }
    const absl::StatusOr<std::string> checksum = Checksum(path);
    if (!checksum.ok()) return checksum.status();
    if (*checksum == recorded.checksum) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(path, " is damaged: its checksum does not fit"));
  }

  // Of the whole file, as RocksDB records it.
  absl::StatusOr<std::string> Checksum(const std::string& path) {
    constexpr size_t kPiece = size_t{1} << 20;
    std::unique_ptr<rocksdb::SequentialFile> file;
    rocksdb::Status status = env_->NewSequentialFile(path, &file, rocksdb::EnvOptions());
    if (!status.ok()) return ToStatus(absl::StrCat("cannot open ", path), status);
    const auto generator = rocksdb::GetFileChecksumGenCrc32cFactory()->CreateFileChecksumGenerator(
        {path, rocksdb::kStandardDbFileChecksumFuncName});
    const auto buffer = std::make_unique<char[]>(kPiece);
    for (;;) {
      rocksdb::Slice piece;
      status = file->Read(kPiece, &piece, buffer.get());
      if (!status.ok()) return ToStatus(absl::StrCat("cannot read ", path), status);
      if (piece.empty()) break;
      generator->Update(piece.data(), piece.size());
      report_.bytes += piece.size();
    }
    generator->Finalize();
    return generator->GetChecksum();
  }

  const StoreOptions& options_;
  rocksdb::Env* const env_;
  const std::string db_dir_;
  VerifyReport report_;
  bool manifest_damaged_ = false;
};

}  // namespace

absl::StatusOr<VerifyReport> VerifyDataDir(const StoreOptions& options) {
  return Verifier(options).Run();
}

}  // namespace nestor
