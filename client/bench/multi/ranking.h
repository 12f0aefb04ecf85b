// How candidates for MaxSim rank its true neighbours: by FDEs, and by what does without them. Exact
// products with all documents, on the calling thread (and the BLAS's).
#ifndef NESTOR_CLIENT_BENCH_MULTI_RANKING_H_
#define NESTOR_CLIENT_BENCH_MULTI_RANKING_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/multi/candidates_needed.h"
#include "client/bench/multi/token_data.h"
#include "index/codes/spec.h"
#include "index/multi/fde_model.h"

namespace nestor {

inline constexpr uint32_t kOpqDimsAByte = 8;  // MUVERA's PQ-256-8

// By encodings cut to each of the prefixes: ascending dims, of whole repetitions. `int8`: by their
// codes, as an index's shells, which end at the prefixes, have them.
absl::StatusOr<std::vector<NeighbourRanks>> RankByFdes(const TokenData& data, const FdeSpec& spec,
                                                       std::span<const uint32_t> prefixes,
                                                       bool int8);
// By OPQ codes of the first code.dim dims, learnt on the first of the documents on so many threads.
absl::StatusOr<NeighbourRanks> RankByOpq(const TokenData& data, const FdeSpec& spec,
                                         const OpqSpec& code, int threads);
// One vector a document, the mean of its tokens.
absl::StatusOr<NeighbourRanks> RankByMeans(const TokenData& data);
// The single-vector heuristic: the nearest tokens of each query token, exactly, by turns, a
// document counted once; of the first `queries` queries.
NeighbourRanks RankByTokens(const TokenData& data, size_t queries);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_MULTI_RANKING_H_
