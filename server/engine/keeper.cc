#include "server/engine/keeper.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/priority.h"

namespace nestor {

Keeper::Keeper(Owner owner, const Upkeep& upkeep)
    : owner_(std::move(owner)), upkeep_(upkeep), thread_([this] { Run(); }) {}

Keeper::~Keeper() { Stop(); }

void Keeper::Stop() {
  {
    MutexLock lock(&mutex_);
    stopping_.store(true, std::memory_order_relaxed);
    stop_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void Keeper::Run() {
  // Not below writes, which wait for what it locks.
  SetPriority(Priority::kWrites);
  for (;;) {
    {
      MutexLock lock(&mutex_);
      const auto due = Clock::now() + upkeep_.pause;
      while (go_on() && stop_.WaitUntil(&mutex_, due)) {
      }
      if (!go_on()) return;
    }
    std::map<uint32_t, Watch> watches;
    for (const std::shared_ptr<Collection>& collection : owner_.collections()) {
      Watch& watch = watches[collection->uid()] = std::move(watches_[collection->uid()]);
      Look(collection, &watch);
      if (!go_on()) return;
    }
    // Without those that were deleted.
    watches_ = std::move(watches);
  }
}

void Keeper::Look(const std::shared_ptr<Collection>& collection, Watch* watch) {
  absl::Status status = collection->Sweep([this] { return go_on(); });
  const absl::StatusOr<Care> care = collection->KeepGraph([this] { return go_on(); });
  if (care.ok()) {
    Report(*collection, *care);
  } else if (!absl::IsCancelled(care.status())) {
    status.Update(care.status());
  }
  Complain(*collection, status, watch);
  ConsiderBuild(collection, watch);
}

void Keeper::ConsiderBuild(const std::shared_ptr<Collection>& collection, Watch* watch) {
  const Clock::time_point now = Clock::now();
  if (const uint64_t seq = collection->seq(); seq != watch->seq) {
    watch->seq = seq;
    watch->changed_at = now;
  }
  const std::string why = collection->BuildDue();
  if (why.empty()) {
    watch->due_since = Clock::time_point::max();
    return;
  }
  watch->due_since = std::min(watch->due_since, now);
  const bool idle = now - watch->changed_at >= upkeep_.build_when_idle;
  if (now < watch->not_before || (!idle && now - watch->due_since < upkeep_.build_after)) return;
  watch->not_before = now + upkeep_.build_pause;
  const absl::Status begun = owner_.build(collection, why);
  // FailedPrecondition: another one is under way.
  if (!absl::IsFailedPrecondition(begun)) Complain(*collection, begun, watch);
}

void Keeper::Report(const Collection& collection, const Care& care) const {
  if (care.taken_out > 0) {
    owner_.log(Severity::kInfo,
               absl::StrCat("repaired the graph of collection ", collection.spec()->name,
                            ": took out ", care.taken_out, " dead nodes"));
  }
  if (care.stored_blocks > 0) {
    owner_.log(Severity::kInfo,
               absl::StrCat("stored the graph of collection ", collection.spec()->name, ": ",
                            care.stored_blocks, " blocks, rows up to sequence ", care.stored_seq));
  }
}

// Once: a disk that is full fails at every look.
void Keeper::Complain(const Collection& collection, const absl::Status& status,
                      Watch* watch) const {
  const std::string complaint = status.ok() ? "" : status.ToString();
  if (complaint == watch->complaint) return;
  watch->complaint = complaint;
  if (status.ok()) return;
  owner_.log(Severity::kError,
             absl::StrCat("upkeep of collection ", collection.spec()->name, ": ", complaint));
}

}  // namespace nestor
