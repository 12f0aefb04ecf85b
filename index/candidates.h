// The rows that a stage hands to the next one, as parallel arrays: key (what stages order by,
// larger is better), partial sum (the product with the query over the dims done so far) and slot.
#ifndef NESTOR_INDEX_CANDIDATES_H_
#define NESTOR_INDEX_CANDIDATES_H_

#include <cstdint>
#include <vector>

#include "index/kernels/kernels.h"

namespace nestor {

struct Candidates {
  std::vector<float> keys;
  std::vector<float> sums;
  std::vector<uint32_t> slots;
  size_t size = 0;

  void Reserve(size_t capacity) {
    if (keys.size() >= capacity) return;
    keys.resize(capacity);
    sums.resize(capacity);
    slots.resize(capacity);
  }

  // Keeps the `keep` largest keys, in the order they are in; of equal keys at the border the first
  // ones. Returns the key that a further candidate must beat.
  float KeepBest(const Kernels& kernels, size_t keep);
};

}  // namespace nestor

#endif  // NESTOR_INDEX_CANDIDATES_H_
