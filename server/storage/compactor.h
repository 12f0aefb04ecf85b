// Compacts key ranges in the background, so that what was deleted from them gives its space back
// without waiting for later writes. Owned by the store; any thread, and one of its own.
#ifndef NESTOR_SERVER_STORAGE_COMPACTOR_H_
#define NESTOR_SERVER_STORAGE_COMPACTOR_H_

#include <chrono>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "index/base/mutex.h"
#include "rocksdb/db.h"

namespace nestor {

class Compactor {
 public:
  // After a compaction that failed, on a full disk say.
  static constexpr std::chrono::seconds kPauseAfterFailure{10};

  // `delay`: from Add to the compaction, so that a few deletions in a row are not compacted one by
  // one, nor beside a shutdown that follows.
  explicit Compactor(std::chrono::milliseconds delay) : delay_(delay) {}
  ~Compactor() { Stop(); }

  void Start(rocksdb::DB* db, std::vector<rocksdb::ColumnFamilyHandle*> families);
  // Breaks off; what is left is left to RocksDB's own compactions. Before the database closes.
  void Stop();

  // [begin, end) in every family, soon.
  void Add(std::string begin, std::string end);

 private:
  struct Range {
    std::string begin;
    std::string end;
    std::chrono::steady_clock::time_point due;
  };

  void Run();
  bool Compact(const Range& range) const;

  const std::chrono::milliseconds delay_;
  rocksdb::DB* db_ = nullptr;  // these two from Start on
  std::vector<rocksdb::ColumnFamilyHandle*> families_;

  Mutex mutex_;
  CondVar changed_;
  std::deque<Range> ranges_ ABSL_GUARDED_BY(mutex_);  // ascending by `due`
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_COMPACTOR_H_
