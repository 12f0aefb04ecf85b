// SIGTERM and SIGINT: the first asks the server to stop, the second ends the process at once.
#ifndef NESTOR_SERVER_STOP_SIGNALS_H_
#define NESTOR_SERVER_STOP_SIGNALS_H_

#include "index/base/mutex.h"

namespace nestor {

// Blocks them in this thread and in those that it starts. The first statement of main: a thread
// that was started before would take the signal and die of it.
void BlockStopSignals();

// Owns the thread that takes the signals, which lives as long as the process; hence at most one of
// these, made in main.
class StopSignals {
 public:
  StopSignals();

  // Returns the first signal's number once it has come.
  int Wait();

 private:
  struct State;
  State* const state_;  // the thread's, never deleted
};

}  // namespace nestor

#endif  // NESTOR_SERVER_STOP_SIGNALS_H_
