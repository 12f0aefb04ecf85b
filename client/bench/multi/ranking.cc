#include "client/bench/multi/ranking.h"

#include <cblas.h>

#include <algorithm>
#include <limits>

#include "client/bench/multi/token_encoder.h"
#include "index/codes/query.h"
#include "index/codes/train_opq.h"
#include "index/shells.h"

namespace nestor {
namespace {

constexpr size_t kBatch = 256;  // documents that are encoded and scored together
// Tokens that a query token's list goes on to at most: what is found later counts as last.
constexpr size_t kDeepest = 30000;
// What a code is learnt on: enough for 256 centroids.
constexpr size_t kOpqRows = 4096;
constexpr int kOpqIterations = 3;

// Each shell of the encoding becomes what its int8 codes stand for.
void RoundToCodes(std::span<const uint32_t> shells, float* fde) {
  std::vector<int8_t> codes;
  uint32_t begin = 0;
  for (const uint32_t end : shells) {
    codes.resize(end - begin);
    const float scale = QuantizeInt8(fde + begin, end - begin, codes.data());
    for (uint32_t d = begin; d < end; ++d) fde[d] = scale * codes[d - begin];
    begin = end;
  }
}

}  // namespace

absl::StatusOr<std::vector<NeighbourRanks>> RankByFdes(const TokenData& data, const FdeSpec& spec,
                                                       std::span<const uint32_t> prefixes,
                                                       bool int8) {
  const auto model = FdeModel::Draw(spec);
  if (!model.ok()) return model.status();
  const size_t dims = spec.dims(), queries = data.queries.size(), n = data.documents.size();
  std::vector<float> query_fdes(queries * dims), fdes(kBatch * dims);
  for (size_t q = 0; q < queries; ++q) {
    const absl::Status encoded =
        (*model)->Encode(data.queries[q], {.side = FdeSide::kQuery}, &query_fdes[q * dims]);
    if (!encoded.ok()) return encoded;
    if (int8) RoundToCodes(prefixes, &query_fdes[q * dims]);
  }
  // Of each prefix: queries x documents. Each adds its own dims to the scores of the one before.
  std::vector<std::vector<float>> scores(prefixes.size(), std::vector<float>(queries * n));
  for (size_t first = 0; first < n; first += kBatch) {
    const size_t batch = std::min(kBatch, n - first);
    for (size_t i = 0; i < batch; ++i) {
      const absl::Status encoded = (*model)->Encode(data.documents[first + i],
                                                    {.side = FdeSide::kDocument}, &fdes[i * dims]);
      if (!encoded.ok()) return encoded;
      if (int8) RoundToCodes(prefixes, &fdes[i * dims]);
    }
    uint32_t begin = 0;
    for (size_t p = 0; p < prefixes.size(); ++p) {
      if (p > 0) {
        for (size_t q = 0; q < queries; ++q) {
          std::copy_n(&scores[p - 1][q * n + first], batch, &scores[p][q * n + first]);
        }
      }
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<blasint>(queries),
                  static_cast<blasint>(batch), static_cast<blasint>(prefixes[p] - begin), 1,
                  query_fdes.data() + begin, static_cast<blasint>(dims), fdes.data() + begin,
                  static_cast<blasint>(dims), 1, &scores[p][first], static_cast<blasint>(n));
      begin = prefixes[p];
    }
  }
  std::vector<NeighbourRanks> ranks(prefixes.size());
  for (size_t p = 0; p < prefixes.size(); ++p) {
    for (size_t q = 0; q < queries; ++q) {
      ranks[p].Add(std::span(scores[p]).subspan(q * n, n), data.NeighboursOf(q));
    }
  }
  return ranks;
}

absl::StatusOr<NeighbourRanks> RankByOpq(const TokenData& data, const FdeSpec& spec,
                                         const OpqSpec& code, int threads) {
  const auto model = FdeModel::Draw(spec);
  if (!model.ok()) return model.status();
  FdeOptions prefix = {.side = FdeSide::kDocument,
                       .repetitions = code.dim / spec.repetition_dims()};
  const size_t n = data.documents.size();
  const auto encode = [&](size_t first, std::vector<float>* fdes) {
    for (size_t i = 0; i < fdes->size() / code.dim; ++i) {
      absl::Status s =
          (*model)->Encode(data.documents[first + i], prefix, fdes->data() + i * code.dim);
      if (!s.ok()) return s;
    }
    return absl::OkStatus();
  };
  std::vector<float> fdes(std::min(n, kOpqRows) * code.dim);
  if (absl::Status s = encode(0, &fdes); !s.ok()) return s;
  const auto quantizer =
      TrainOpq({.spec = code, .iterations = kOpqIterations, .threads = threads}, fdes);
  if (!quantizer.ok()) return quantizer.status();
  std::vector<uint8_t> codes(n * code.bytes);
  for (size_t first = 0; first < n; first += kBatch) {
    const size_t batch = std::min(kBatch, n - first);
    fdes.resize(batch * code.dim);
    if (absl::Status s = encode(first, &fdes); !s.ok()) return s;
    (*quantizer)->Encode(fdes.data(), batch, &codes[first * code.bytes]);
  }
  prefix.side = FdeSide::kQuery;
  NeighbourRanks ranks;
  std::vector<float> query_fde(code.dim), scores(n);
  OpqQuery query;
  for (size_t q = 0; q < data.queries.size(); ++q) {
    const absl::Status encoded = (*model)->Encode(data.queries[q], prefix, query_fde.data());
    if (!encoded.ok()) return encoded;
    query.Prepare(**quantizer, Metric::kDot, query_fde.data());
    for (size_t i = 0; i < n; ++i) {
      scores[i] = static_cast<float>(query.TableSum(&codes[i * code.bytes]));
    }
    ranks.Add(scores, data.NeighboursOf(q));
  }
  return ranks;
}

absl::StatusOr<NeighbourRanks> RankByMeans(const TokenData& data) {
  const MeanEncoder encoder(data.documents.dim);
  std::vector<float> documents(data.documents.size() * data.documents.dim);
  std::vector<float> queries(data.queries.size() * data.queries.dim);
  const auto encode = [&](const TokenMatrices& matrices, FdeSide side, std::vector<float>* means) {
    for (size_t i = 0; i < matrices.size(); ++i) {
      absl::Status s = encoder.Encode(matrices[i], side, &(*means)[i * matrices.dim]);
      if (!s.ok()) return s;
    }
    return absl::OkStatus();
  };
  if (absl::Status s = encode(data.documents, FdeSide::kDocument, &documents); !s.ok()) return s;
  if (absl::Status s = encode(data.queries, FdeSide::kQuery, &queries); !s.ok()) return s;
  NeighbourRanks ranks;
  std::vector<float> scores(data.documents.size());
  const auto dim = static_cast<blasint>(data.documents.dim);
  for (size_t q = 0; q < data.queries.size(); ++q) {
    cblas_sgemv(CblasRowMajor, CblasNoTrans, static_cast<blasint>(scores.size()), dim, 1,
                documents.data(), dim, &queries[q * data.queries.dim], 1, 0, scores.data(), 1);
    ranks.Add(scores, data.NeighboursOf(q));
  }
  return ranks;
}

NeighbourRanks RankByTokens(const TokenData& data, size_t queries) {
  const TokenMatrices& documents = data.documents;
  const size_t tokens = documents.offsets.back();
  std::vector<uint32_t> document_of(tokens);
  for (size_t i = 0; i < documents.size(); ++i) {
    std::fill(document_of.begin() + static_cast<ptrdiff_t>(documents.offsets[i]),
              document_of.begin() + static_cast<ptrdiff_t>(documents.offsets[i + 1]),
              static_cast<uint32_t>(i));
  }
  const size_t depth = std::min(kDeepest, tokens);
  const auto dim = static_cast<blasint>(documents.dim);
  NeighbourRanks ranks;
  std::vector<float> products(tokens);
  std::vector<uint32_t> order(tokens);
  for (size_t q = 0; q < std::min(queries, data.queries.size()); ++q) {
    // A document comes with the first of its tokens in any of the lists.
    std::vector<float> scores(documents.size(), -std::numeric_limits<float>::infinity());
    const auto query = data.queries[q];
    for (size_t j = 0; j < query.size(); j += documents.dim) {
      cblas_sgemv(CblasRowMajor, CblasNoTrans, static_cast<blasint>(tokens), dim, 1,
                  documents.values.data(), dim, &query[j], 1, 0, products.data(), 1);
      for (uint32_t t = 0; t < tokens; ++t) order[t] = t;
      const auto better = [&products](uint32_t a, uint32_t b) { return products[a] > products[b]; };
      const auto end = order.begin() + static_cast<ptrdiff_t>(depth);
      if (depth < tokens) std::nth_element(order.begin(), end, order.end(), better);
      std::sort(order.begin(), end, better);
      for (size_t place = 0; place < depth; ++place) {
        float& score = scores[document_of[order[place]]];
        score = std::max(score, -static_cast<float>(place));
      }
    }
    ranks.Add(scores, data.NeighboursOf(q));
  }
  return ranks;
}

}  // namespace nestor
