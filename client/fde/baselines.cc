#include <cblas.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>

#include "client/fde/experiments.h"
#include "index/base/pages.h"
#include "index/multi/maxsim.h"

namespace nestor {
namespace {

using Clock = std::chrono::steady_clock;

// Tokens that a query token's list goes on to at most: what is found later counts as last.
constexpr size_t kDeepest = 30000;

double Seconds(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

absl::Status TryExact(const TokenData& data) {
  const TokenMatrices& documents = data.documents;
  const size_t n = documents.size();
  const TokenCodeLayout layout(documents.dim);
  std::vector<size_t> begins = {0};
  for (size_t i = 0; i < n; ++i) {
    begins.push_back(begins.back() + layout.bytes(documents.offsets[i + 1] - documents.offsets[i]));
  }
  const PageBuffer codes(begins.back(), /*huge=*/true);
  std::vector<float> scales(documents.offsets.back());
  const auto codes_of = [&](size_t i) {
    return reinterpret_cast<int8_t*>(codes.data() + begins[i]);
  };
  const auto tokens_of = [&](size_t i) { return documents[i].size() / documents.dim; };
  for (size_t i = 0; i < n; ++i) {
    EncodeTokenCodes(layout, documents[i].data(), tokens_of(i), /*exact_int8=*/false, codes_of(i),
                     &scales[documents.offsets[i]]);
  }
  for (const bool int8 : {false, true}) {
    NeighbourRanks ranks;
    std::vector<float> scores(n);
    double seconds = 0;
    for (size_t q = 0; q < data.queries.size(); ++q) {
      const auto start = Clock::now();
      const auto query = MaxSimQuery::Make(data.queries[q], documents.dim, documents.dim, {});
      if (!query.ok()) return query.status();
      for (size_t i = 0; i < n; ++i) {
        scores[i] = static_cast<float>(
            int8 ? (*query)->ScoreCodes({codes_of(i), &scales[documents.offsets[i]], tokens_of(i)})
                 : (*query)->Score(documents[i].data(), tokens_of(i)));
      }
      seconds += Seconds(start);
      ranks.Add(scores, data.NeighboursOf(q));
    }
    PrintRow(int8 ? "MaxSim of int8 codes" : "MaxSim in f32", ranks);
    const double ops = 2.0 * static_cast<double>(data.queries.values.size()) *
                       static_cast<double>(documents.offsets.back());
    std::printf("  %.1f queries/s, %.0f Gop/s\n",
                static_cast<double>(data.queries.size()) / seconds, ops / seconds / 1e9);
  }
  return absl::OkStatus();
}

void TryMeanVectors(const TokenData& data) {
  const auto means = [](const TokenMatrices& matrices) {
    std::vector<float> means(matrices.size() * matrices.dim);
    for (size_t i = 0; i < matrices.size(); ++i) {
      const auto tokens = matrices[i];
      const float share = static_cast<float>(matrices.dim) / static_cast<float>(tokens.size());
      for (size_t j = 0; j < tokens.size(); ++j) {
        means[i * matrices.dim + j % matrices.dim] += tokens[j] * share;
      }
    }
    return means;
  };
  const std::vector<float> documents = means(data.documents), queries = means(data.queries);
  NeighbourRanks ranks;
  std::vector<float> scores(data.documents.size());
  const auto dim = static_cast<blasint>(data.documents.dim);
  for (size_t q = 0; q < data.queries.size(); ++q) {
    cblas_sgemv(CblasRowMajor, CblasNoTrans, static_cast<blasint>(scores.size()), dim, 1,
                documents.data(), dim, &queries[q * data.queries.dim], 1, 0, scores.data(), 1);
    ranks.Add(scores, data.NeighboursOf(q));
  }
  PrintRow("mean vectors", ranks);
}

void TryTokenSearch(const TokenData& data, size_t queries) {
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
  PrintRow("search by token, without duplicates", ranks);
}

}  // namespace nestor
