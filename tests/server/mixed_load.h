// The load that crash tests cut off: two writers upsert, overwrite and delete points of "docs"; a
// third thread builds its index in three shapes in turn, adds a code to it and drops it, changes
// its declared index, and creates, fills, builds, encodes anew, overwrites and deletes "temp",
// which is of token matrices; a reader searches all the while. Every change is noted before it is
// tried and once it is acknowledged.
#ifndef NESTOR_TESTS_SERVER_MIXED_LOAD_H_
#define NESTOR_TESTS_SERVER_MIXED_LOAD_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/base/mutex.h"
#include "server/engine/engine.h"

namespace nestor {

enum class LoadCollection : uint32_t { kDocs = 0, kTemp = 1 };
inline constexpr int kLoadCollections = 2;
std::string LoadName(LoadCollection collection);

// One change, tried or acknowledged. Written to a file as it is; of 64 bytes, so that none lies
// across two pages, where a kill may part it.
struct LoadNote {
  enum class Kind : uint32_t { kUpsert, kDelete, kCreate, kDrop, kDeclare, kBuild, kReencode };
  // Each has at most one change under way.
  static constexpr uint32_t kThreads = 3;

  uint32_t thread = 0;
  LoadCollection collection = LoadCollection::kDocs;
  Kind kind = Kind::kUpsert;
  uint32_t acknowledged = 0;
  uint64_t first = 0;       // kUpsert, kDelete: points [first, first + count)
  uint64_t count = 0;       // .. how many
  uint64_t version = 0;     // kUpsert: what they become; kDeclare: the shape; kReencode: the number
  uint64_t seq = 0;         // of an acknowledged kUpsert or kDelete
  uint64_t generation = 0;  // of an acknowledged kBuild
  uint64_t unused = 0;
};
static_assert(sizeof(LoadNote) == 64);

// The index specs that are declared and built: lists; lists with a code, and a graph; graph alone.
inline constexpr uint64_t kLoadShapes = 3;
// Of a shape: with the code that is added to lists, and dropped again, after their build.
inline constexpr uint64_t kLoadCodeAdded = uint64_t{1} << 63;
inline constexpr OpqSpec kLoadCode = {.dim = 32, .bytes = 8, .bits = 4};
IndexSpec LoadShape(LoadCollection collection, uint64_t shape);

// Of "temp": 0 is what it is made with. All have 32 dims, so that each shape fits each.
inline constexpr uint64_t kLoadEncodings = 3;
Reencoding LoadEncoding(uint64_t number);

// In a tight loop: whenever the load is cut off, something of it is under way. It builds "temp",
// and "docs" while it is filled, before the load asks for it.
Upkeep LoadUpkeep();

class MixedLoad {
 public:
  using Note = std::function<void(const LoadNote&)>;

  // `run` numbers the runs on one data directory: each writes versions of its own. `note` is called
  // by several threads at once.
  MixedLoad(Engine* engine, uint64_t run, Note note);

  // Returns after so many builds of "docs", or at the first failure, which it returns.
  absl::Status Run(int builds);

 private:
  absl::Status Create(LoadCollection collection);
  absl::Status Drop(LoadCollection collection);
  absl::Status Upsert(uint32_t thread, LoadCollection collection, uint64_t first, uint64_t count);
  absl::Status Delete(uint32_t thread, LoadCollection collection, uint64_t first, uint64_t count);
  absl::Status Declare(LoadCollection collection, uint64_t shape);
  absl::Status Build(LoadCollection collection, uint64_t shape);
  absl::Status Reencode(uint64_t number);
  // To "docs", built in this shape; and out of it again.
  absl::Status AddAndDropCode(uint64_t shape);
  using Begun = absl::StatusOr<std::string>;  // an operation's id
  absl::Status ChangeCode(uint64_t shape, const std::function<Begun()>& begin);

  absl::Status Write(uint32_t thread);  // until stopped
  absl::Status Own(int builds);
  absl::Status OwnTemp(uint64_t shape);
  absl::Status Read();  // until stopped
  absl::Status CheckSearch(std::mt19937* random) const;
  // So many batches are written meanwhile.
  void AwaitBatches(uint64_t count) const;
  void Fail(absl::Status status);

  Engine* const engine_;
  const uint64_t run_;
  const Note note_;
  std::array<uint64_t, LoadNote::kThreads> versions_{};  // by thread
  std::atomic<uint64_t> batches_{0};
  std::atomic<bool> stop_{false};
  Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);  // the first one
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_MIXED_LOAD_H_
