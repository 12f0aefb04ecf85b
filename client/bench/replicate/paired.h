// Two methods on the same queries: the mean of the differences, query by query, and how sure it is.
// Pure functions.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_PAIRED_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_PAIRED_H_

#include <cstdint>
#include <string>
#include <vector>

#include "client/bench/replicate/scores.h"

namespace nestor {

struct Difference {
  double a = 0, b = 0;  // the means
  double mean = 0;      // of a - b
  double error = 0;     // the standard error of that mean
  uint32_t queries = 0;
  uint32_t wins = 0, losses = 0;  // queries in which a is above b, below b
  // Two-sided, that wins and losses are a fair coin's: McNemar's exact test where values are 0 or
  // 1, else the sign test.
  double p = 1;
};

// Requires as many values of both, 2 at least in the half.
Difference Compare(const std::vector<float>& a, const std::vector<float>& b, Half half);
inline Difference Compare(const Scores& a, const Scores& b, Measure measure, Half half) {
  return Compare(a.of(measure), b.of(measure), half);
}

// a >= b but for `slack`, or for two paired standard errors where these are more.
bool AtLeast(const Difference& difference, double slack = 0);
// a > b by more than two paired standard errors.
bool Above(const Difference& difference);

// "47.3 against 49.0: -1.7 +- 1.9 (p 0.08)" in percent; +- is two standard errors.
std::string Text(const Difference& difference);

// The probability of a split as uneven as this one or more so, of a fair coin.
double SignTest(uint32_t wins, uint32_t losses);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_PAIRED_H_
