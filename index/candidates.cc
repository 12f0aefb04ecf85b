#include "index/candidates.h"

#include <limits>

namespace nestor {

float Candidates::KeepBest(const Kernels& kernels, size_t keep) {
  if (size <= keep) return -std::numeric_limits<float>::infinity();
  const float threshold = SelectThreshold(kernels, keys.data(), size, keep);
  size_t equal_room = keep - kernels.count_greater(keys.data(), size, threshold);
  size_t out = 0;
  for (size_t i = 0; i < size; ++i) {
    const bool greater = keys[i] > threshold;
    const bool equal = !greater && equal_room > 0 && keys[i] == threshold;
    keys[out] = keys[i];
    sums[out] = sums[i];
    slots[out] = slots[i];
    equal_room -= equal ? 1 : 0;
    out += greater || equal ? 1 : 0;
  }
  size = out;
  return threshold;
}

}  // namespace nestor
