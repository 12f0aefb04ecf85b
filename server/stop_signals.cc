#include "server/stop_signals.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <thread>

namespace nestor {
namespace {

sigset_t StopSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

int TakeSignal(const sigset_t& set) {
  int number = 0;
  while (sigwait(&set, &number) != 0) {
  }
  return number;
}

}  // namespace

struct StopSignals::State {
  Mutex mutex;
  CondVar came;
  int signal ABSL_GUARDED_BY(mutex) = 0;
};

void BlockStopSignals() {
  const sigset_t set = StopSet();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

StopSignals::StopSignals() : state_(new State) {
  std::thread([state = state_] {
    const sigset_t set = StopSet();
    const int first = TakeSignal(set);
    {
      MutexLock lock(&state->mutex);
      state->signal = first;
    }
    state->came.NotifyAll();
    TakeSignal(set);
    // What was acknowledged is on disk already.
    _exit(1);
  }).detach();
}

int StopSignals::Wait() {
  MutexLock lock(&state_->mutex);
  while (state_->signal == 0) state_->came.Wait(&state_->mutex);
  return state_->signal;
}

}  // namespace nestor
