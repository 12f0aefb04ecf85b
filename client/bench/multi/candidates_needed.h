// How many candidates of an approximate ranking hold a share of the true neighbours.
#ifndef NESTOR_CLIENT_BENCH_MULTI_CANDIDATES_NEEDED_H_
#define NESTOR_CLIENT_BENCH_MULTI_CANDIDATES_NEEDED_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nestor {

class NeighbourRanks {
 public:
  // `scores` of all documents, larger is better; counts the rank of each true neighbour, from 1. A
  // document of equal score is counted before it.
  void Add(std::span<const float> scores, std::span<const uint32_t> neighbours) {
    for (const uint32_t neighbour : neighbours) {
      const float score = scores[neighbour];
      ranks_.push_back(static_cast<size_t>(
          std::count_if(scores.begin(), scores.end(), [score](float s) { return s >= score; })));
    }
  }

  // The mean share of neighbours among the first n.
  double RecallAt(size_t n) const {
    const auto inside =
        std::count_if(ranks_.begin(), ranks_.end(), [n](size_t rank) { return rank <= n; });
    return static_cast<double>(inside) / static_cast<double>(ranks_.size());
  }

  // The smallest n with such a recall.
  size_t Needed(double recall) const {
    std::vector<size_t> sorted = ranks_;
    std::sort(sorted.begin(), sorted.end());
    const double at = std::ceil(recall * static_cast<double>(sorted.size()));
    return sorted[std::max<size_t>(static_cast<size_t>(at), 1) - 1];
  }

 private:
  std::vector<size_t> ranks_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_MULTI_CANDIDATES_NEEDED_H_
