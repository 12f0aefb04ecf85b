// Whether the store accepts writes. RocksDB stops them after an error of the disk. Where the disk
// was full, RocksDB looks every 5 s whether there is room again and recovers, and the gate opens
// once a write has shown that it did. After other errors it stays shut until a restart. Reads never
// ask. Owned by the store; any thread, and one of its own.
#ifndef NESTOR_SERVER_STORAGE_WRITE_GATE_H_
#define NESTOR_SERVER_STORAGE_WRITE_GATE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>

#include "absl/status/status.h"
#include "index/base/mutex.h"
#include "rocksdb/db.h"
#include "rocksdb/listener.h"

namespace nestor {

class WriteGate : public rocksdb::EventListener {
 public:
  // Between two looks at a shut gate.
  static constexpr std::chrono::milliseconds kPause{200};

  using OnChange = std::function<void(const absl::Status&)>;

  // `on_change` is told when writes stop, and why, and with OK when they go on.
  explicit WriteGate(OnChange on_change) : on_change_(std::move(on_change)) {}
  ~WriteGate() override { Stop(); }

  // Once the database is open; Stop before it closes. Nothing is kept in `spare_family`.
  void Start(rocksdb::DB* db, rocksdb::ColumnFamilyHandle* spare_family);
  void Stop();

  // OK while writes are accepted.
  absl::Status status() const;
  // A write of the database failed with this.
  void WriteFailed(const rocksdb::Status& error);

  // --- rocksdb::EventListener ---
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override;
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason reason, rocksdb::Status error,
                            bool* auto_recovery) override;
  void OnErrorRecoveryEnd(const rocksdb::BackgroundErrorRecoveryInfo& info) override;
  void OnFlushBegin(rocksdb::DB* db, const rocksdb::FlushJobInfo& info) override;

 private:
  enum class State { kOpen, kFull, kBroken };

  void Shut(const rocksdb::Status& error);
  void Run();
  void GoOn();
  void FillMemtable();

  const OnChange on_change_;
  rocksdb::DB* db_ = nullptr;  // from Start on
  rocksdb::ColumnFamilyHandle* spare_family_ = nullptr;
  std::atomic<bool> open_{true};

  mutable Mutex mutex_;
  CondVar changed_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kOpen;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  uint64_t errors_ ABSL_GUARDED_BY(mutex_) = 0;
  bool recovering_ ABSL_GUARDED_BY(mutex_) = false;  // RocksDB is
  bool memtable_taken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_STORAGE_WRITE_GATE_H_
