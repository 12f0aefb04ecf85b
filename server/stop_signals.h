// SIGTERM and SIGINT: the first asks the server to stop, the second ends the process at once.
#ifndef NESTOR_SERVER_STOP_SIGNALS_H_
#define NESTOR_SERVER_STOP_SIGNALS_H_

#include "index/base/mutex.h"

namespace nestor {

// The first statement of main. From then on the signals are noted, in whichever thread they come:
// OpenBLAS has started threads before main, and whatever these leave to the default action kills
// the process. Threads that are started later do not take them, so that none of their system calls
// is interrupted.
void CatchStopSignals();

// Owns the thread that waits for the signals, which lives as long as the process; hence at most one
// of these, made in main after CatchStopSignals.
class StopSignals {
 public:
  StopSignals();

  // Returns the first signal's number once it has come.
  int Wait();
  // Any thread.
  bool came() const;

 private:
  struct State;
  State* const state_;  // the thread's, never deleted
};

}  // namespace nestor

#endif  // NESTOR_SERVER_STOP_SIGNALS_H_
