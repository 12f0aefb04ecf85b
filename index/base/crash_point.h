// Named places at which a test lets the process die, as by kill -9. They are in the product, not in
// a build of its own, since what must survive is the order of writes of what users run: the code
// that is tested is the code that is shipped. A place costs one relaxed load; only whoever may set
// the environment of a process, and so may kill it anyway, can arm one.
//
//   NESTOR_CRASH_AT=NAME[@COUNT]   dies when the place is passed for the COUNT-th time (1)
//
// Read once, before main. A name that no place has, or a COUNT that is no number from 1 on, ends
// the process at once with exit code 2. Any thread.
#ifndef NESTOR_INDEX_BASE_CRASH_POINT_H_
#define NESTOR_INDEX_BASE_CRASH_POINT_H_

#include <atomic>
#include <cstddef>
#include <iterator>

#include "absl/strings/string_view.h"

namespace nestor {

enum class CrashPoint : int {
  // A data directory is opened for the first time.
  kFormatAbsent,
  kFormatStored,
  // A collection is loaded, and what an earlier crash left of it removed.
  kLoaded,
  kCleanedUp,
  // Collections.
  kCreateBegun,
  kCreateStored,
  kUpdateStored,
  kDeleteBegun,
  kRangesDeleted,
  kFilesDropped,
  // Points.
  kWriteStaged,
  kWriteLogged,
  // A build, in this order.
  kRowsRead,
  kPostingsWritten,
  kPostingsStored,
  kGraphStored,
  kCaughtUp,
  kCommitStaged,
  kCommitted,
  kSwapped,
  // A code that is added, in this order; that is dropped.
  kCodeBegun,
  kCodeTrained,
  kCodeAttached,
  kRowsCoded,
  kCodeStored,
  kCodePublished,
  kCodeRemoved,
  // Upkeep.
  kPurgeStaged,
  kPurged,
  kListRewritten,
  kRepairing,
  kRepaired,
  kBlocksTaken,
  kBlocksStored,
  // Engine::Close.
  kClosing,
  kGraphsStored,
  kFlushed,
  kCount,
};

inline constexpr size_t kCrashPoints = static_cast<size_t>(CrashPoint::kCount);

// By number.
inline constexpr absl::string_view kCrashPointNames[] = {
    "open: no format record yet",
    "open: format record stored",
    "load: read",
    "load: cleaned up",
    "create: begun",
    "create: record stored",
    "update: record stored",
    "delete: begun",
    "delete: ranges deleted",
    "delete: files dropped",
    "write: staged",
    "write: logged",
    "build: rows read",
    "build: postings written",
    "build: postings stored",
    "build: graph stored",
    "build: caught up",
    "build: commit staged",
    "build: committed",
    "build: swapped",
    "add code: begun",
    "add code: trained",
    "add code: attached",
    "add code: rows coded",
    "add code: stored",
    "add code: published",
    "drop code: removed",
    "sweep: purge staged",
    "sweep: purged",
    "sweep: list rewritten",
    "graph: repairing",
    "graph: repaired",
    "graph: blocks taken",
    "graph: blocks stored",
    "close: begun",
    "close: graphs stored",
    "close: flushed",
};
static_assert(std::size(kCrashPointNames) == kCrashPoints);

namespace crash_point_internal {
// The armed one, or -1.
extern std::atomic<int> armed;
void Count();
}  // namespace crash_point_internal

inline void Pass(CrashPoint point) {
  if (crash_point_internal::armed.load(std::memory_order_relaxed) == static_cast<int>(point)) {
    crash_point_internal::Count();
  }
}

}  // namespace nestor

#endif  // NESTOR_INDEX_BASE_CRASH_POINT_H_
