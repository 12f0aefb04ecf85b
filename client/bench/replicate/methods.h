// Runs of the protocol's methods over their grids; each appends to `runs`.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_METHODS_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_METHODS_H_

#include <vector>

#include "absl/status/status.h"
#include "client/bench/replicate/encoder.h"
#include "client/bench/replicate/grid.h"
#include "client/bench/replicate/trial.h"

namespace nestor {

// Brute force on every prefix of the nested encoder and of the widest rigid one, and on each other
// rigid one. Then adaptive retrieval and funnels on the nested one.
absl::Status RunExactAndCascades(const EncoderSet& encoders, const Grid& grid, const Told& told,
                                 std::vector<Trial>* runs);

// Brute force with prefixes that are not renormalised: DOT on the nested encoder, L2 on all.
absl::Status RunOtherMetrics(const EncoderSet& encoders, const Grid& grid, const Told& told,
                             std::vector<Trial>* runs);

// IVF on each rigid encoder; on the nested one IVF and AdANNS-IVF, and AdANNS-IVF-D.
absl::Status RunLists(const EncoderSet& encoders, const Grid& grid, const Told& told,
                      std::vector<Trial>* runs);

// OPQ codes of all rows: of the widest rigid encoder at all its dims and of the rigid one of fewer
// dims that each budget suits, of the nested one at every dim.
absl::Status RunCodes(const EncoderSet& encoders, const Grid& grid, const Told& told,
                      std::vector<Trial>* runs);

// The same inside lists: of the widest rigid encoder, and AdANNS-IVFOPQ.
absl::Status RunCodesInLists(const EncoderSet& encoders, const Grid& grid, const Told& told,
                             std::vector<Trial>* runs);

// FAISS's HNSW over codes and a rerank by exact vectors: the nested encoder at its second dim, the
// widest rigid one at all its dims with twice the bytes.
absl::Status RunGraphs(const EncoderSet& encoders, const Grid& grid, const Told& told,
                       std::vector<Trial>* runs);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_METHODS_H_
