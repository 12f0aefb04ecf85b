// Which of many measured settings to take. Pure functions.
#ifndef NESTOR_CLIENT_BENCH_CHOOSE_H_
#define NESTOR_CLIENT_BENCH_CHOOSE_H_

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "client/bench/measure.h"

namespace nestor {

// The fastest with recall >= `recall`, if there is one.
std::optional<size_t> Fastest(std::span<const Measurement> measured, double recall);

// The `n` fastest of these, fastest first; fewer where fewer have the recall.
std::vector<size_t> FastestFew(std::span<const Measurement> measured, double recall, size_t n);

// Those that no other beats in both recall and QPS, by ascending recall.
std::vector<size_t> Frontier(std::span<const Measurement> measured);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_CHOOSE_H_
