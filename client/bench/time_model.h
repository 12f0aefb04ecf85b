// What a query may take (the project's own bound): 2.5 x (coarse and scan bytes / bandwidth of the
// level that holds them) + 0.15 us per refined or rescored row + 12 us.
#ifndef NESTOR_CLIENT_BENCH_TIME_MODEL_H_
#define NESTOR_CLIENT_BENCH_TIME_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "client/bench/engine.h"

namespace nestor {

struct MemoryLevel {
  std::string name;             // "L2", "L3", "DRAM"
  uint64_t bytes = 0;           // what it holds; of DRAM the largest number
  double bytes_per_second = 0;  // streaming read by one thread
};

// Measures the machine's levels, ascending, in about a second on one thread.
std::vector<MemoryLevel> MeasureLevels();

// The first level that holds `bytes`.
const MemoryLevel& LevelOf(const std::vector<MemoryLevel>& levels, uint64_t bytes);

// What the coarse and the scan stage of an index stream through, over all queries.
struct StreamedBytes {
  double coarse_per_dim = 0;  // bytes of all lists' centroids, per coordinate
  double scan_per_dim = 0;    // bytes of all rows' shells, per coordinate
};

struct Prediction {
  double micros = 0;
  std::string coarse_level, scan_level;
  double streamed_bytes = 0;  // coarse and scan, per query
  double rows = 0;            // refined and rescored, per query
};

Prediction Predict(const std::vector<MemoryLevel>& levels, const StreamedBytes& index,
                   const std::vector<StageMean>& stages);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_TIME_MODEL_H_
