// Who gets the CPUs where they are too few for all: searches first, then writes and upkeep, then
// builds. With two readers, a full-rate writer and builds on two CPUs the answering threads waited
// more than 1 ms for a CPU a third as often as where all are equal; with short slices, which let a
// thread that wakes up go before those that have run longer, in 0.05 % of the cases.
//
// In a process that never calls SetPriorities all threads are equal: in one that writes without a
// pause, beside others that keep the CPUs busy, a build would take ten times as long.
#ifndef NESTOR_SERVER_ENGINE_PRIORITY_H_
#define NESTOR_SERVER_ENGINE_PRIORITY_H_

#include "absl/functional/function_ref.h"

namespace nestor {

// Nice values on top of the process's own. Where others want all of a CPU, writes have a third of
// it beside one thread of searches, and builds a tenth: none waits forever.
enum class Priority : int { kSearches = 0, kWrites = 5, kBuilds = 10 };

// Of the calling thread and of those that it starts from here on. It can't be raised again.
void SetPriority(Priority priority);

// At the start of a server's main, whose threads, gRPC's among them, are for searches. Those that
// are there before it are OpenBLAS's, and at work in builds only.
void SetPriorities();

// Runs `work` in a thread of its own with that priority, and waits for it.
void RunWithPriority(Priority priority, absl::FunctionRef<void()> work);

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_PRIORITY_H_
