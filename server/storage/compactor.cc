#include "server/storage/compactor.h"

#include "rocksdb/options.h"

namespace nestor {

void Compactor::Start(rocksdb::DB* db, std::vector<rocksdb::ColumnFamilyHandle*> families) {
  db_ = db;
  families_ = std::move(families);
  thread_ = std::thread([this] { Run(); });
}

void Compactor::Stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.NotifyOne();
  }
  // Ends the one under way.
  db_->DisableManualCompaction();
  thread_.join();
}

void Compactor::Add(std::string begin, std::string end) {
  MutexLock lock(&mutex_);
  ranges_.emplace_back(std::move(begin), std::move(end));
  changed_.NotifyOne();
}

void Compactor::Run() {
  for (;;) {
    Range range;
    {
      MutexLock lock(&mutex_);
      while (ranges_.empty() && !stopping_) changed_.Wait(&mutex_);
      if (stopping_) return;
      range = std::move(ranges_.front());
      ranges_.pop_front();
    }
    if (Compact(range)) continue;
    const auto due = std::chrono::steady_clock::now() + kPauseAfterFailure;
    MutexLock lock(&mutex_);
    ranges_.push_back(std::move(range));
    while (!stopping_ && changed_.WaitUntil(&mutex_, due)) {
    }
  }
}

bool Compactor::Compact(const Range& range) const {
  const rocksdb::Slice begin = range.first;
  const rocksdb::Slice end = range.second;
  bool all = true;
  for (rocksdb::ColumnFamilyHandle* family : families_) {
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    all = db_->CompactRange(options, family, &begin, &end).ok() && all;
  }
  return all;
}

}  // namespace nestor
