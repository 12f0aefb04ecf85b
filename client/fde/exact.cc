#include <chrono>
#include <cstdio>

#include "client/fde/experiments.h"
#include "index/base/pages.h"
#include "index/multi/maxsim.h"

namespace nestor {
namespace {

using Clock = std::chrono::steady_clock;

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

}  // namespace nestor
