#include "server/storage/write_gate.h"

#include "rocksdb/write_batch.h"
#include "server/storage/store_rep.h"

namespace nestor {
namespace {

using Severity = rocksdb::Status::Severity;

constexpr char kKey[] = "write gate";

}  // namespace

void WriteGate::Start(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* spare_family) {
  db_ = db;
  spare_family_ = spare_family;
  FillMemtable(1);
  thread_ = std::thread([this] { Run(); });
}

void WriteGate::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

absl::Status WriteGate::status() const {
  if (open_.load(std::memory_order_acquire)) return absl::OkStatus();
  MutexLock lock(&mutex_);
  return status_;
}

// Mostly the listener was told before. Not where the error met the end of a recovery: then the
// news of both may come in the wrong order.
void WriteGate::WriteFailed(const rocksdb::Status& error, uint64_t changes) {
  {
    MutexLock lock(&mutex_);
    failed_changes_ += changes;
  }
  if (error.IsIOError() || error.IsCorruption()) Shut(error);
}

void WriteGate::OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) {
  if (error == nullptr || error->ok()) return;
  const rocksdb::Status met = *error;
  // No new log could be made. RocksDB gives up for good here, for fear of what its buffer of the
  // old log may hold; but every write of ours leaves that empty. So this is no error to it: the
  // write goes to the old log, and the gate lets no more of them in until there is a new one. In
  // the midst of a recovery, that has to fail and is repeated.
  if (reason == rocksdb::BackgroundErrorReason::kMemTable && met.IsNoSpace()) {
    {
      MutexLock lock(&mutex_);
      needs_log_ = true;
      *error = recovering_ ? rocksdb::Status(met, Severity::kHardError) : rocksdb::Status::OK();
    }
    Shut(rocksdb::Status(met, Severity::kHardError));
    return;
  }
  // RocksDB repeats a failed compaction by itself, and takes writes meanwhile.
  const bool writes_go_on = met.severity() == Severity::kSoftError ||
                            (reason == rocksdb::BackgroundErrorReason::kCompaction &&
                             met.severity() == Severity::kNoError);
  if (!writes_go_on) Shut(met);
}

void WriteGate::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool*) {
  MutexLock lock(&mutex_);
  recovering_ = true;
}

void WriteGate::OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) {
  if (!info.new_bg_error.ok()) return;
  MutexLock lock(&mutex_);
  recovering_ = false;
  needs_log_ = false;  // each recovery makes one
}

void WriteGate::OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo& info) {
  if (info.cf_name != rocksdb::kDefaultColumnFamilyName) return;
  MutexLock lock(&mutex_);
  memtable_taken_ = true;
  changed_.NotifyOne();
}

void WriteGate::Shut(const rocksdb::Status& error) {
  const bool full = error.IsNoSpace() && error.severity() < Severity::kFatalError;
  absl::Status status;
  {
    MutexLock lock(&mutex_);
    ++errors_;
    if (state_ == State::kBroken || (state_ == State::kFull && full)) return;
    state_ = full ? State::kFull : State::kBroken;
    status_ = ToStatus(full ? "no room on the disk; writes go on by themselves once there is some"
                            : "the disk failed; reads go on, writes need a restart",
                       error);
    open_.store(false, std::memory_order_release);
    status = status_;
    changed_.NotifyOne();
  }
  if (on_change_) on_change_(status);
}

void WriteGate::Run() {
  for (;;) {
    bool full = false;
    {
      MutexLock lock(&mutex_);
      while (!stopping_ && state_ != State::kFull && !memtable_taken_) changed_.Wait(&mutex_);
      const auto due = std::chrono::steady_clock::now() + kPause;
      while (!stopping_ && state_ == State::kFull &&
             (recovering_ || std::chrono::steady_clock::now() < due)) {
        changed_.WaitUntil(&mutex_, std::chrono::steady_clock::now() + kPause);
      }
      if (stopping_) return;
      memtable_taken_ = false;
      full = state_ == State::kFull;
    }
    if (full) {
      GoOn();
    } else {
      FillMemtable(1);
    }
  }
}

// A recovery replaces the log, which a failed write has spoilt, but only together with a memtable
// that holds something; and RocksDB aborts the process where it meets that log again. Right after
// an open or a flush of everything all of them may be empty; so one always holds this.
void WriteGate::FillMemtable(uint64_t changes) {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  rocksdb::WriteBatch batch;
  for (uint64_t i = 0; i < changes; ++i) {
    batch.Delete(spare_family_, kKey).PermitUncheckedError();
  }
  db_->Write(options, &batch).PermitUncheckedError();
}

void WriteGate::GoOn() {
  uint64_t errors = 0;
  uint64_t failed_changes = 0;
  bool needs_log = false;
  {
    MutexLock lock(&mutex_);
    errors = errors_;
    failed_changes = failed_changes_;
    needs_log = needs_log_;
    needs_log_ = false;
  }
  // A write that fails after it reached the memtables (its log was synced, and the MANIFEST could
  // not be told) leaves its changes there under sequence numbers that RocksDB gives out again. So
  // as many are used up before anyone else gets one; then it is found as one whose sync failed.
  FillMemtable(failed_changes + 1);
  if (needs_log) {
    if (!db_->Flush(rocksdb::FlushOptions(), spare_family_).ok()) return;
    FillMemtable(1);
  }
  rocksdb::WriteOptions sync;
  sync.sync = true;
  const rocksdb::Status written = db_->Delete(sync, spare_family_, kKey);
  if (!written.ok()) {
    WriteFailed(written, 1);
    return;
  }
  {
    MutexLock lock(&mutex_);
    if (state_ != State::kFull || errors_ != errors || recovering_) return;
    state_ = State::kOpen;
    status_ = absl::OkStatus();
    failed_changes_ -= failed_changes;
    open_.store(true, std::memory_order_release);
  }
  if (on_change_) on_change_(absl::OkStatus());
}

}  // namespace nestor
