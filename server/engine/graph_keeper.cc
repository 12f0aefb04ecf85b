#include "server/engine/graph_keeper.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

constexpr auto kPause = std::chrono::milliseconds(500);

}  // namespace

GraphKeeper::GraphKeeper(Collections collections, Log log)
    : collections_(std::move(collections)), log_(std::move(log)), thread_([this] { Run(); }) {}

GraphKeeper::~GraphKeeper() { Stop(); }

void GraphKeeper::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_.store(true, std::memory_order_relaxed);
    stop_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void GraphKeeper::Run() {
  for (;;) {
    {
      MutexLock lock(&mutex_);
      const auto due = std::chrono::steady_clock::now() + kPause;
      while (!stopping_ && stop_.WaitUntil(&mutex_, due)) {
      }
      if (stopping_) return;
    }
    for (const std::shared_ptr<Collection>& collection : collections_()) {
      const absl::StatusOr<uint64_t> repaired =
          collection->KeepGraph([this] { return !stopping_.load(std::memory_order_relaxed); });
      if (!repaired.ok()) {
        if (absl::IsCancelled(repaired.status())) break;
        log_(Severity::kError, absl::StrCat("graph of collection ", collection->spec()->name, ": ",
                                            repaired.status().ToString()));
      } else if (*repaired > 0) {
        log_(Severity::kInfo,
             absl::StrCat("repaired the graph of collection ", collection->spec()->name,
                          ": took out ", *repaired, " dead nodes"));
      }
    }
  }
}

}  // namespace nestor
