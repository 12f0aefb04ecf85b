// The sets of README's table: the sample in the repository, or the full ones.
#ifndef NESTOR_CLIENT_BENCH_SUITE_H_
#define NESTOR_CLIENT_BENCH_SUITE_H_

#include <string>
#include <vector>

#include "client/bench/dataset.h"

namespace nestor {

// Both sets of the sample under `dir` (tests/data).
std::vector<DatasetFiles> SampleSets(const std::string& dir);

// wnh (L2) and text30k (DOT) of `dir` (shared/data), and those of the synthetic 200,000-row sets
// scaled from them that are in `scaled_dir`: wnh200k.fbin and text200k.fbin with their truth
// (NAME.ids.ibin, NAME.dist.fbin as `nestor truth --out` writes it) beside.
std::vector<DatasetFiles> FullSets(const std::string& dir, const std::string& scaled_dir);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_SUITE_H_
