// The thread that keeps graphs as they should be beside reads and writes: it repairs those in which
// many rows died, and stores what changed, so that a restart has little to insert again.
#ifndef NESTOR_SERVER_ENGINE_GRAPH_KEEPER_H_
#define NESTOR_SERVER_ENGINE_GRAPH_KEEPER_H_

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "index/base/mutex.h"
#include "server/engine/collection.h"
#include "server/engine/engine.h"

namespace nestor {

class GraphKeeper {
 public:
  using Collections = std::function<std::vector<std::shared_ptr<Collection>>()>;
  using Log = std::function<void(Severity, absl::string_view)>;

  GraphKeeper(Collections collections, std::chrono::milliseconds pause, Log log);
  ~GraphKeeper();  // Stop

  // Stops at the next chance and joins the thread.
  void Stop();

 private:
  void Run();
  void Report(const Collection& collection, const GraphCare& care) const;

  const Collections collections_;
  const std::chrono::milliseconds pause_;
  const Log log_;
  std::atomic<bool> stopping_{false};
  Mutex mutex_;
  CondVar stop_;
  std::thread thread_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_GRAPH_KEEPER_H_
