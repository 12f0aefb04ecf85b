// nestor-fde FOLDER [QUERIES]: the candidates that encodings of token matrices need until they hold
// 80, 90 and 95 % of the first 10 by MaxSim, beside those of a mean vector and of a search by
// token.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "client/fde/experiments.h"
#include "client/fde/ranking.h"
#include "index/train.h"

namespace nestor {
namespace {

constexpr size_t kQueries = 200;
// A search by token sorts the products of all tokens with each of the query's.
constexpr size_t kTokenSearchQueries = 50;

int Run(const char* folder, size_t queries) {
  BoundFaissThreads(1);  // and so the BLAS's
  const auto data = ReadTokenData(folder, queries);
  if (!data.ok()) {
    std::fprintf(stderr, "nestor-fde: %s\n", data.status().ToString().c_str());
    return 1;
  }
  std::printf("%zu documents, %zu tokens of %u dims; %zu queries\n", data->documents.size(),
              data->documents.offsets.back(), data->documents.dim, data->queries.size());
  std::printf("%-34s %7s %7s %7s  recall@10 in 10, 50, 100, 500, 1000 candidates\n", "", "N@.8",
              "N@.9", "N@.95");
  absl::Status status = TryExact(*data);
  PrintRow("mean vectors", RankByMeans(*data));
  PrintRow("search by token, without duplicates",
           RankByTokens(*data, std::min(queries, kTokenSearchQueries)));
  if (status.ok()) status = TryEncodings(*data);
  if (!status.ok()) std::fprintf(stderr, "nestor-fde: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace

void PrintRow(const char* name, const NeighbourRanks& ranks) {
  std::printf("%-34s %7zu %7zu %7zu ", name, ranks.Needed(0.8), ranks.Needed(0.9),
              ranks.Needed(0.95));
  for (const size_t n : {10, 50, 100, 500, 1000}) std::printf(" %.3f", ranks.RecallAt(n));
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace nestor

int main(int argc, char** argv) {
  const long queries = argc > 2 ? std::atol(argv[2]) : static_cast<long>(nestor::kQueries);
  if (argc < 2 || argc > 3 || queries < 1) {
    std::fprintf(stderr, "usage: nestor-fde FOLDER [QUERIES]\n");
    return 2;
  }
  return nestor::Run(argv[1], static_cast<size_t>(queries));
}
