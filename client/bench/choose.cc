#include "client/bench/choose.h"

#include <algorithm>
#include <numeric>

namespace nestor {

std::optional<size_t> Fastest(std::span<const Measurement> measured, double recall, Speed speed) {
  const std::vector<size_t> best = FastestFew(measured, recall, 1, speed);
  return best.empty() ? std::nullopt : std::optional(best[0]);
}

std::vector<size_t> FastestFew(std::span<const Measurement> measured, double recall, size_t n,
                               Speed speed) {
  std::vector<size_t> good;
  for (size_t i = 0; i < measured.size(); ++i) {
    if (measured[i].recall >= recall) good.push_back(i);
  }
  std::stable_sort(good.begin(), good.end(),
                   [&](size_t a, size_t b) { return measured[a].*speed > measured[b].*speed; });
  if (good.size() > n) good.resize(n);
  return good;
}

std::vector<size_t> Frontier(std::span<const Measurement> measured, Speed speed) {
  std::vector<size_t> order(measured.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (measured[a].recall != measured[b].recall) return measured[a].recall > measured[b].recall;
    return measured[a].*speed > measured[b].*speed;
  });
  std::vector<size_t> frontier;
  for (size_t i : order) {
    if (frontier.empty() || measured[i].*speed > measured[frontier.back()].*speed)
      frontier.push_back(i);
  }
  std::reverse(frontier.begin(), frontier.end());
  return frontier;
}

}  // namespace nestor
