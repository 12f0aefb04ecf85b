// What a data directory must hold after a mixed load was cut off: the oracle of crash tests. Each
// thread of the load may have left one change of which nobody knows whether it happened.
#ifndef NESTOR_TESTS_SERVER_MIXED_STATE_H_
#define NESTOR_TESTS_SERVER_MIXED_STATE_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "index/base/mutex.h"
#include "server/engine/engine.h"
#include "tests/server/mixed_load.h"

namespace nestor {

class MixedState {
 public:
  // The load's notes, in the order of each thread. Any thread.
  void Take(const LoadNote& note);

  // Asks the engine what became of the changes whose fate is open. Fails the test where a batch is
  // there in part.
  void Settle(const Engine& engine);
  // Fails the test where the engine holds anything else: collections and their declared indexes,
  // generations, sequences, points with vectors and attributes, answers; operations have ended.
  void Check(const Engine& engine) const;

  uint64_t acknowledged() const;
  uint64_t points() const;  // that must be there, of all collections

 private:
  struct Known {
    bool exists = false;
    std::map<uint64_t, uint64_t> versions;  // point -> version
    uint64_t shape = 0;
    uint64_t encoding = 0;
    uint64_t generation = 0;
    uint64_t seq = 0;  // the last that was acknowledged
  };

  void Apply(const LoadNote& note) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Happened(const Engine& engine, const LoadNote& note) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool BatchHappened(const Engine& engine, const LoadNote& note)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void CheckCollection(const Engine& engine, const std::string& name, const Known& known);

  mutable Mutex mutex_;
  std::array<Known, kLoadCollections> known_ ABSL_GUARDED_BY(mutex_);
  std::array<std::optional<LoadNote>, LoadNote::kThreads> open_ ABSL_GUARDED_BY(mutex_);
  uint64_t acknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_MIXED_STATE_H_
