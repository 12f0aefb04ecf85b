// What clusters by few dims are worth (P4): how many rows of the query's nearest cluster have its
// label, and how often a prefix of the query finds the cluster that all its dims find.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_CLUSTERS_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_CLUSTERS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/replicate/encoder.h"
#include "client/bench/replicate/grid.h"
#include "client/bench/replicate/trial.h"

namespace nestor {

struct ClusterTable {
  uint32_t lists = 0;
  struct Row {
    uint32_t dim = 0;
    double purity = 0;  // of clusters built by so many dims
    // Of clusters built by all dims: the share of queries whose nearest one by all dims is among
    // the nearest `probes` by this prefix; beside ClusterTable::probes.
    std::vector<double> agreement;
  };
  std::vector<uint32_t> probes;
  std::vector<Row> rows;  // by ascending dim, the last one all dims
};

absl::StatusOr<ClusterTable> MeasureClusters(const Encoder& encoder, const Grid& grid,
                                             const Told& told);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_CLUSTERS_H_
