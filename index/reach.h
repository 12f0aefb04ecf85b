// How far from a row its nearest neighbours lie, measured at the end of a build on a sample of
// rows: what the default plan is chosen from. On text30k and wnh (queries of another distribution,
// and unseen ones) the probes and keeps that queries needed for a recall were within a factor
// of 1.5 of the ones that rows needed.
#ifndef NESTOR_INDEX_REACH_H_
#define NESTOR_INDEX_REACH_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "index/build.h"
#include "index/ivf_index.h"

namespace nestor {

// `slots[i]` is the place of row i of the source in the index. Rows are compared at the trained
// coarse_dim and at the end of the first shell.
absl::StatusOr<Reach> MeasureReach(const IvfIndex& index, const BuildSource& source,
                                   const std::vector<uint32_t>& slots, int threads);

}  // namespace nestor

#endif  // NESTOR_INDEX_REACH_H_
