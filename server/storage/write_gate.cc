#include "server/storage/write_gate.h"

#include "server/storage/store_rep.h"

namespace nestor {
namespace {

using Severity = rocksdb::Status::Severity;

constexpr char kKey[] = "write gate";

}  // namespace

void WriteGate::Start(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* spare_family) {
  db_ = db;
  spare_family_ = spare_family;
  FillMemtable();
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
void WriteGate::WriteFailed(const rocksdb::Status& error) {
  if (error.IsIOError() || error.IsCorruption()) Shut(error);
}

void WriteGate::OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) {
  if (error == nullptr || error->ok()) return;
  // RocksDB repeats a failed compaction by itself, and takes writes meanwhile.
  const bool writes_go_on = error->severity() == Severity::kSoftError ||
                            (reason == rocksdb::BackgroundErrorReason::kCompaction &&
                             error->severity() == Severity::kNoError);
  if (!writes_go_on) Shut(*error);
}

void WriteGate::OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool*) {
  MutexLock lock(&mutex_);
  recovering_ = true;
}

void WriteGate::OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) {
  if (!info.new_bg_error.ok()) return;
  MutexLock lock(&mutex_);
  recovering_ = false;
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
      FillMemtable();
    }
  }
}

// A recovery replaces the log, which a failed write has spoilt, but only together with a memtable
// that holds something; and RocksDB aborts the process where it meets that log again. Right after
// an open or a flush of everything all of them may be empty; so one always holds this.
void WriteGate::FillMemtable() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  db_->Delete(options, spare_family_, kKey).PermitUncheckedError();
}

void WriteGate::GoOn() {
  uint64_t errors = 0;
  {
    MutexLock lock(&mutex_);
    errors = errors_;
  }
  FillMemtable();
  rocksdb::WriteOptions sync;
  sync.sync = true;
  const rocksdb::Status written = db_->Delete(sync, spare_family_, kKey);
  if (!written.ok()) {
    WriteFailed(written);
    return;
  }
  {
    MutexLock lock(&mutex_);
    if (state_ != State::kFull || errors_ != errors || recovering_) return;
    state_ = State::kOpen;
    status_ = absl::OkStatus();
    open_.store(true, std::memory_order_release);
  }
  if (on_change_) on_change_(absl::OkStatus());
}

}  // namespace nestor
