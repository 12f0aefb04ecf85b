// Which of many measured settings to take. Pure functions.
#ifndef NESTOR_CLIENT_BENCH_CHOOSE_H_
#define NESTOR_CLIENT_BENCH_CHOOSE_H_

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "client/bench/measure.h"

namespace nestor {

// What fast means: qps of passes that were repeated, steady_qps of a sweep's single ones.
using Speed = double Measurement::*;

// The fastest with recall >= `recall`, if there is one.
std::optional<size_t> Fastest(std::span<const Measurement> measured, double recall,
                              Speed speed = &Measurement::qps);

// The `n` fastest of these, fastest first; fewer where fewer have the recall.
std::vector<size_t> FastestFew(std::span<const Measurement> measured, double recall, size_t n,
                               Speed speed = &Measurement::qps);

// Those that no other beats in both recall and speed, by ascending recall.
std::vector<size_t> Frontier(std::span<const Measurement> measured,
                             Speed speed = &Measurement::qps);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_CHOOSE_H_
