#include "server/storage/compactor.h"

#include <algorithm>
#include <utility>

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
  ranges_.push_back({std::move(begin), std::move(end), std::chrono::steady_clock::now() + delay_});
  changed_.NotifyOne();
}

void Compactor::Run() {
  for (;;) {
    Range range;
    {
      MutexLock lock(&mutex_);
      while (!stopping_ &&
             (ranges_.empty() || std::chrono::steady_clock::now() < ranges_.front().due)) {
        if (ranges_.empty()) {
          changed_.Wait(&mutex_);
        } else {
          changed_.WaitUntil(&mutex_, ranges_.front().due);
        }
      }
      if (stopping_) return;
      range = std::move(ranges_.front());
      ranges_.pop_front();
    }
    if (Compact(range)) continue;
    MutexLock lock(&mutex_);
    range.due = std::chrono::steady_clock::now() +
                std::max<std::chrono::milliseconds>(delay_, kPauseAfterFailure);
    ranges_.push_back(std::move(range));
  }
}

bool Compactor::Compact(const Range& range) const {
  const rocksdb::Slice begin = range.begin;
  const rocksdb::Slice end = range.end;
  bool all = true;
  for (rocksdb::ColumnFamilyHandle* family : families_) {
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    all = db_->CompactRange(options, family, &begin, &end).ok() && all;
  }
  return all;
}

}  // namespace nestor
