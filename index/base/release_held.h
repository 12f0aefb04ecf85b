// Two queues of what died, both ascending by `dead`: what may go, and what is held for a build.
#ifndef NESTOR_INDEX_BASE_RELEASE_HELD_H_
#define NESTOR_INDEX_BASE_RELEASE_HELD_H_

#include <algorithm>
#include <cstdint>
#include <deque>

namespace nestor {

// Moves what died at or before `up_to` from `held` to its places in `dead`.
template <typename T>
void ReleaseHeld(uint64_t up_to, std::deque<T>* held, std::deque<T>* dead) {
  const auto end = std::upper_bound(held->begin(), held->end(), up_to,
                                    [](uint64_t seq, const T& item) { return seq < item.dead; });
  const auto middle = dead->insert(dead->end(), held->begin(), end);
  std::inplace_merge(dead->begin(), middle, dead->end(),
                     [](const T& a, const T& b) { return a.dead < b.dead; });
  held->erase(held->begin(), end);
}

}  // namespace nestor

#endif  // NESTOR_INDEX_BASE_RELEASE_HELD_H_
