#include "server/stop_signals.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <thread>

namespace nestor {
namespace {

// From the handler to the thread: a byte per signal, its number.
int g_pipe[2];

void NoteSignal(int number) {
  const int saved = errno;
  const char byte = static_cast<char>(number);
  // When the pipe is full there are more than enough signals in it.
  [[maybe_unused]] const ssize_t wrote = write(g_pipe[1], &byte, 1);
  errno = saved;
}

sigset_t StopSet() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

int TakeSignal() {
  char byte = 0;
  while (read(g_pipe[0], &byte, 1) != 1) {
  }
  return byte;
}

}  // namespace

struct StopSignals::State {
  Mutex mutex;
  CondVar came;
  int signal ABSL_GUARDED_BY(mutex) = 0;
};

void CatchStopSignals() {
  const sigset_t set = StopSet();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  if (pipe2(g_pipe, O_CLOEXEC) != 0) std::abort();
  fcntl(g_pipe[1], F_SETFL, O_NONBLOCK);
  struct sigaction action = {};
  action.sa_handler = &NoteSignal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
}

StopSignals::StopSignals() : state_(new State) {
  std::thread([state = state_] {
    const sigset_t set = StopSet();
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    const int first = TakeSignal();
    {
      MutexLock lock(&state->mutex);
      state->signal = first;
    }
    state->came.NotifyAll();
    TakeSignal();
    // What was acknowledged is on disk already.
    _exit(1);
  }).detach();
}

bool StopSignals::came() const {
  MutexLock lock(&state_->mutex);
  return state_->signal != 0;
}

int StopSignals::Wait() {
  MutexLock lock(&state_->mutex);
  while (state_->signal == 0) state_->came.Wait(&state_->mutex);
  return state_->signal;
}

}  // namespace nestor
