// The thread that keeps collections as they should be beside reads and writes: it takes out what no
// reader sees any more, rewrites lists that it leaves full of holes, repairs graphs in which many
// rows died, stores what changed of a graph, so that a restart has little to insert again, and asks
// for builds that are due.
#ifndef NESTOR_SERVER_ENGINE_KEEPER_H_
#define NESTOR_SERVER_ENGINE_KEEPER_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "index/base/mutex.h"
#include "server/engine/collection.h"
#include "server/engine/engine.h"

namespace nestor {

class Keeper {
 public:
  struct Owner {
    std::function<std::vector<std::shared_ptr<Collection>>()> collections;
    // Begins a build, unless one is under way; must not wait for the keeper.
    std::function<absl::Status(const std::shared_ptr<Collection>& collection,
                               absl::string_view why)>
        build;
    std::function<void(Severity, absl::string_view)> log;
  };

  Keeper(Owner owner, const Upkeep& upkeep);
  ~Keeper();  // Stop

  // Stops at the next chance and joins the thread.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;
  // What is known of a collection from one look to the next.
  struct Watch {
    uint64_t seq = 0;
    Clock::time_point changed_at;  // `seq`
    Clock::time_point due_since = Clock::time_point::max();
    Clock::time_point not_before;  // of the next build
    std::string complaint;         // the last one
  };

  void Run();
  void Look(const std::shared_ptr<Collection>& collection, Watch* watch);
  void ConsiderBuild(const std::shared_ptr<Collection>& collection, Watch* watch);
  void Report(const Collection& collection, const Care& care) const;
  void Complain(const Collection& collection, const absl::Status& status, Watch* watch) const;
  bool go_on() const { return !stopping_.load(std::memory_order_relaxed); }

  const Owner owner_;
  const Upkeep upkeep_;
  std::atomic<bool> stopping_{false};
  Mutex mutex_;
  CondVar stop_;
  std::map<uint32_t, Watch> watches_;  // by uid; the thread's
  std::thread thread_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_KEEPER_H_
