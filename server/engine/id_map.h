// id -> slot of the newest version of every live point of one generation. Any thread; one mutex,
// held for one look-up at a time.
#ifndef NESTOR_SERVER_ENGINE_ID_MAP_H_
#define NESTOR_SERVER_ENGINE_ID_MAP_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "index/base/mutex.h"
#include "index/point_id.h"

namespace nestor {

class IvfIndex;

class IdMap {
 public:
  explicit IdMap(IdKind kind) : kind_(kind) {}

  void Reserve(size_t points);
  // The newest version; kNoSlot where absent.
  uint32_t Find(const PointId& id) const;
  // The version that snapshot `seq` shows, which must be pinned; `index` is the generation's.
  uint32_t FindAt(const PointId& id, uint64_t seq, const IvfIndex& index) const;

  // False where the id was there: its former slot is past from `seq` on.
  bool Put(const PointId& id, uint32_t slot, uint64_t seq);
  void Erase(const PointId& id, uint64_t seq);
  // Drops what was past at `horizon`.
  void Forget(uint64_t horizon);

  size_t size() const;
  uint64_t bytes() const;  // estimate
  // What bytes() would be of a map made for so many points, whose string ids are as long together
  // as those of now.
  uint64_t BytesAt(size_t points) const;
  uint64_t string_bytes() const;  // characters of string ids
  // By how much bytes() grows with so many new points, without the characters of string ids.
  uint64_t GrowthBytes(size_t points) const;
  std::vector<uint32_t> Slots() const;

 private:
  struct Past {
    PointId id;
    uint32_t slot = 0;
    uint64_t dead = 0;
  };
  // Bytes of an entry with its control byte.
  size_t EntryBytes() const;
  // Of a table for so many points; absl's is 2^k - 1 entries, at most seven eighths of them used.
  uint64_t TableBytes(size_t points) const;
  uint32_t FindLocked(const PointId& id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const IdKind kind_;
  mutable Mutex mutex_;
  uint64_t string_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Only the one of kind_ is used.
  absl::flat_hash_map<uint64_t, uint32_t> nums_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, uint32_t> strs_ ABSL_GUARDED_BY(mutex_);
  std::deque<Past> past_ ABSL_GUARDED_BY(mutex_);  // ascending by `dead`; few
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_ID_MAP_H_
