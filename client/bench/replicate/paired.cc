#include "client/bench/replicate/paired.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"

namespace nestor {

double SignTest(uint32_t wins, uint32_t losses) {
  const uint32_t n = wins + losses, least = std::min(wins, losses);
  double tail = 0;
  for (uint32_t i = 0; i <= least; ++i) {
    tail += std::exp(std::lgamma(n + 1.0) - std::lgamma(i + 1.0) - std::lgamma(n - i + 1.0) -
                     n * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

Difference Compare(const std::vector<float>& a, const std::vector<float>& b, Half half) {
  Difference difference;
  double squares = 0;
  const std::vector<uint32_t> queries = QueriesOf(half, static_cast<uint32_t>(a.size()));
  for (const uint32_t q : queries) {
    const double d = static_cast<double>(a[q]) - b[q];
    difference.a += a[q];
    difference.b += b[q];
    difference.mean += d;
    squares += d * d;
    difference.wins += static_cast<uint32_t>(d > 0);
    difference.losses += static_cast<uint32_t>(d < 0);
  }
  const auto n = static_cast<double>(queries.size());
  difference.queries = static_cast<uint32_t>(queries.size());
  difference.a /= n;
  difference.b /= n;
  difference.mean /= n;
  const double variance = std::max(0.0, squares / n - difference.mean * difference.mean);
  difference.error = std::sqrt(variance / (n - 1));
  difference.p = SignTest(difference.wins, difference.losses);
  return difference;
}

bool AtLeast(const Difference& difference, double slack) {
  return difference.mean >= -std::max(slack, 2 * difference.error);
}

bool Above(const Difference& difference) { return difference.mean > 2 * difference.error; }

std::string Text(const Difference& d) {
  return absl::StrFormat("%.2f against %.2f: %+.2f +- %.2f (p %.3g)", 100 * d.a, 100 * d.b,
                         100 * d.mean, 200 * d.error, d.p);
}

}  // namespace nestor
