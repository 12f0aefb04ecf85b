// Long-running work that callers can follow: state, progress, errors. Kept in memory and, at each
// change of state, in the store, so that one that a restart interrupted is still known, as ABORTED.
// Any thread.
#ifndef NESTOR_SERVER_ENGINE_OPERATIONS_H_
#define NESTOR_SERVER_ENGINE_OPERATIONS_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/base/mutex.h"
#include "server/engine/types.h"
#include "server/storage/store.h"

namespace nestor {

class Operations {
 public:
  static constexpr size_t kKept = 1000;

  // Reads what the store knows; whatever had not ended becomes ABORTED there too.
  static absl::StatusOr<std::unique_ptr<Operations>> Load(Store* store);

  enum class Origin : uint8_t { kCaller, kUpkeep };
  // Pending, and in the store on return. FailedPrecondition where the collection has one that has
  // not ended; but a caller's cancels one of upkeep, and follows it.
  absl::StatusOr<uint64_t> Create(absl::string_view kind, absl::string_view collection,
                                  uint32_t uid, Origin origin);
  void Start(uint64_t number);
  // False: it was cancelled, stop.
  bool Report(uint64_t number, absl::string_view phase, double fraction);
  // OK: succeeded; Cancelled: cancelled; else failed.
  void Finish(uint64_t number, const absl::Status& status);

  // Asks it to stop. FailedPrecondition where it has ended.
  absl::Status Cancel(absl::string_view id);
  void CancelOf(uint32_t collection_uid);
  bool cancelled(uint64_t number) const;

  absl::StatusOr<Operation> Get(absl::string_view id) const;
  std::vector<Operation> List() const;  // newest first
  // Id, or empty.
  std::string Unfinished(uint32_t collection_uid, absl::string_view kind) const;

  static std::string Id(uint64_t number);

 private:
  struct Entry {
    Operation operation;
    bool cancel = false;
    Origin origin = Origin::kCaller;
    std::chrono::steady_clock::time_point started;
  };

  explicit Operations(Store* store) : store_(store) {}
  absl::Status Save(uint64_t number, const Operation& operation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropOldest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Store* const store_;
  mutable Mutex mutex_;
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_OPERATIONS_H_
