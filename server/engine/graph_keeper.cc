#include "server/engine/graph_keeper.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace nestor {

GraphKeeper::GraphKeeper(Collections collections, std::chrono::milliseconds pause, Log log)
    : collections_(std::move(collections)),
      pause_(pause),
      log_(std::move(log)),
      thread_([this] { Run(); }) {}

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
      const auto due = std::chrono::steady_clock::now() + pause_;
      while (!stopping_ && stop_.WaitUntil(&mutex_, due)) {
      }
      if (stopping_) return;
    }
    for (const std::shared_ptr<Collection>& collection : collections_()) {
      const absl::StatusOr<GraphCare> care =
          collection->KeepGraph([this] { return !stopping_.load(std::memory_order_relaxed); });
      if (care.ok()) {
        Report(*collection, *care);
      } else if (absl::IsCancelled(care.status())) {
        break;
      } else {
        log_(Severity::kError, absl::StrCat("graph of collection ", collection->spec()->name, ": ",
                                            care.status().ToString()));
      }
    }
  }
}

void GraphKeeper::Report(const Collection& collection, const GraphCare& care) const {
  if (care.taken_out > 0) {
    log_(Severity::kInfo, absl::StrCat("repaired the graph of collection ", collection.spec()->name,
                                       ": took out ", care.taken_out, " dead nodes"));
  }
  if (care.stored_blocks > 0) {
    log_(Severity::kInfo,
         absl::StrCat("stored the graph of collection ", collection.spec()->name, ": ",
                      care.stored_blocks, " blocks, rows up to sequence ", care.stored_seq));
  }
}

}  // namespace nestor
