// Timing of several things in turn: the fastest of several rounds counts, so that what else runs on
// the machine disturbs all alike.
#ifndef NESTOR_CLIENT_KERNELS_MEASURE_H_
#define NESTOR_CLIENT_KERNELS_MEASURE_H_

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace nestor {

struct Measured {
  std::string name;
  double units = 0;  // of one pass
  std::function<void()> pass;
  double best = 0;  // units a second
};

// Each in every round, for so long.
inline void MeasureAll(int rounds, double seconds, std::vector<Measured>* all) {
  using Clock = std::chrono::steady_clock;
  for (int round = 0; round < rounds; ++round) {
    for (Measured& m : *all) {
      int passes = 0;
      const auto start = Clock::now();
      double passed = 0;
      do {
        m.pass();
        ++passes;
        passed = std::chrono::duration<double>(Clock::now() - start).count();
      } while (passed < seconds);
      m.best = std::max(m.best, m.units * passes / passed);
    }
  }
}

}  // namespace nestor

#endif  // NESTOR_CLIENT_KERNELS_MEASURE_H_
