// Nestor's answers beside FAISS's on the same centroids, lists and vectors (P11, P12).
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_FAISS_LISTS_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_FAISS_LISTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/replicate/encoder.h"
#include "client/bench/replicate/grid.h"
#include "client/bench/replicate/trial.h"

namespace nestor {

struct ListEquality {
  uint32_t coarse_dim = 0, scan_dim = 0, lists = 0, probes = 0;
  uint32_t queries = 0;
  // Queries with the same first 10 hits, but for ties within 1e-5, as IndexIVFFlat's
  // search_preassigned on the lists that Nestor probed ..
  uint32_t same = 0;
  // .. and on those that FAISS's own flat quantizer chooses from the float centroids, which Nestor
  // has as int8.
  uint32_t same_own_lists = 0;
};

// Lists by and scans of equal dims, of more and of fewer dims, with the middle probes of the grid.
absl::StatusOr<std::vector<ListEquality>> CompareLists(const Encoder& encoder, const Grid& grid,
                                                       const Told& told);

// Brute force on renormalised prefixes: Nestor's under COSINE beside IndexFlatIP on slices that
// were made unit length before.
struct FlatEquality {
  uint32_t dim = 0;
  uint32_t queries = 0, same = 0;  // as above
};
absl::StatusOr<std::vector<FlatEquality>> CompareFlat(const Encoder& encoder, const Grid& grid,
                                                      const Told& told);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_FAISS_LISTS_H_
