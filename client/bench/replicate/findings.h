// P1 .. P12 of the protocol, evaluated on runs. Runs that nothing was chosen among are compared on
// all queries; chosen ones (choose_run.h) on the odd queries only. Pure functions.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_FINDINGS_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_FINDINGS_H_

#include <span>
#include <vector>

#include "client/bench/replicate/clusters.h"
#include "client/bench/replicate/faiss_lists.h"
#include "client/bench/replicate/finding.h"
#include "client/bench/replicate/grid.h"
#include "client/bench/replicate/trial.h"

namespace nestor {

Finding PrefixesAgainstRigid(std::span<const Trial> runs, const Grid& grid);  // P1
Finding ListsByOperations(std::span<const Trial> runs, const Grid& grid);     // P2
Finding ListsByLatency(std::span<const Trial> runs, const Grid& grid);        // P3
Finding ClustersByDim(const ClusterTable& clusters);                          // P4
Finding OneIndexManyDims(std::span<const Trial> runs, const Grid& grid);      // P5
Finding CodesByBytes(std::span<const Trial> runs, const Grid& grid);          // P6
Finding CodesByDim(std::span<const Trial> runs, const Grid& grid);            // P7
Finding CodesInLists(std::span<const Trial> runs, const Grid& grid);          // P8
Finding GraphsOverCodes(std::span<const Trial> runs, const Grid& grid);       // P9
Finding AdaptiveRetrieval(std::span<const Trial> runs, const Grid& grid);     // P10
Finding DecoupledLists(std::span<const Trial> runs, const Grid& grid,
                       std::span<const ListEquality> equalities);  // P11
Finding Normalisation(std::span<const Trial> runs, const Grid& grid,
                      std::span<const FlatEquality> equalities);  // P12

// By operations: every doubling of the cheapest run's cost that all three kinds of lists have.
std::vector<double> Budgets(std::span<const Trial> runs);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_FINDINGS_H_
