// Token matrices of documents and queries from files, with the exact MaxSim neighbours of the
// queries. Read once, then plain values.
#ifndef NESTOR_CLIENT_BENCH_MULTI_TOKEN_DATA_H_
#define NESTOR_CLIENT_BENCH_MULTI_TOKEN_DATA_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/grader.h"

namespace nestor {

struct TokenMatrices {
  uint32_t dim = 0;
  std::vector<float> values;    // all tokens, one after the other
  std::vector<size_t> offsets;  // matrix i: tokens offsets[i] .. offsets[i + 1]

  size_t size() const { return offsets.size() - 1; }
  std::span<const float> operator[](size_t i) const {
    return std::span(values).subspan(offsets[i] * dim, (offsets[i + 1] - offsets[i]) * dim);
  }
};

struct TokenData {
  static constexpr size_t kNeighbours = 10;

  TokenMatrices documents, queries;
  std::vector<uint32_t> neighbours;  // the first 10 of each query
  std::vector<float> scores;         // of the neighbours, or empty
  std::vector<uint64_t> positives;   // the document that answers each query, or empty

  std::span<const uint32_t> NeighboursOf(size_t query) const {
    return std::span(neighbours).subspan(query * kNeighbours, kNeighbours);
  }
};

// From a folder: base.tokens.i8bin (times the number in scale.txt), query.tokens.f16bin, each with
// the offsets of its matrices in {base,query}.off.u64bin, and query.gt_chamfer.ids.ibin; where they
// are there, query.gt_chamfer.dist.fbin and query.positive.ibin too. The first `queries` queries,
// or fewer.
absl::StatusOr<TokenData> ReadTokenData(const std::string& folder, size_t queries);

// Coordinates begin .. end - 1 of all tokens, as tokens of their own, with their own exact
// neighbours: encoders that put unlike parts side by side make a set out of each. InvalidArgument:
// no range of the tokens' dims, fewer than 10 documents.
absl::StatusOr<TokenData> CutTokens(const TokenData& data, uint32_t begin, uint32_t end);

// The first so many documents, with the queries' neighbours among them; whether they answer the
// queries is not known of most, so there are no positives. InvalidArgument: fewer than 10, or more
// than there are.
absl::StatusOr<TokenData> FirstDocuments(const TokenData& data, size_t documents);

Grader GraderOf(const TokenData& data);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_MULTI_TOKEN_DATA_H_
