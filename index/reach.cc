#include "index/reach.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "index/base/mutex.h"
#include "index/ground_truth.h"

namespace nestor {
namespace {

constexpr uint64_t kSampleRows = 256;
constexpr uint32_t kNeighbours = 10;
constexpr uint32_t kMaxRank = 4096;

// The value that the given fraction of the sorted ranks do not exceed, as a count (rank 0 needs 1).
uint32_t CountAt(const std::vector<uint32_t>& sorted, double fraction) {
  if (sorted.empty()) return 1;
  const auto i = static_cast<size_t>(std::ceil(fraction * static_cast<double>(sorted.size())));
  return sorted[std::clamp<size_t>(i, 1, sorted.size()) - 1] + 1;
}

}  // namespace

absl::StatusOr<Reach> MeasureReach(const IvfIndex& index, const BuildSource& source,
                                   const std::vector<uint32_t>& slots, int threads) {
  const VectorSchema& schema = index.schema();
  const Model& model = index.model();
  const size_t vector_bytes = schema.dim * DtypeBytes(schema.dtype);
  const uint64_t rows = source.size();
  const uint64_t samples = std::min(kSampleRows, rows);
  const auto sample_row = [&](uint64_t i) { return i * rows / samples; };

  // The sample's vectors, then their nearest rows. A reader has no way to fail, so the first error
  // is kept.
  Mutex mutex;
  absl::Status read_status;
  const auto read = [&](uint64_t first, uint64_t n, float* out) {
    std::vector<std::byte> bytes(n * vector_bytes);
    if (absl::Status s = source.Read(first, n, bytes.data()); !s.ok()) {
      MutexLock lock(&mutex);
      read_status.Update(s);
    }
    DecodeVector(schema.dtype, bytes.data(), n * schema.dim, out);
  };
  std::vector<float> queries(samples * schema.dim);
  for (uint64_t i = 0; i < samples; ++i) read(sample_row(i), 1, queries.data() + i * schema.dim);
  GroundTruthOptions options;
  options.metric = schema.metric;
  options.k = static_cast<uint32_t>(std::min<uint64_t>(kNeighbours + 1, rows));
  options.threads = threads;
  const FloatRows base{.rows = rows, .dim = schema.dim, .read = read};
  const absl::StatusOr<GroundTruth> truth =
      ComputeGroundTruth(base,
                         StoredRows(Dtype::kF32, reinterpret_cast<const std::byte*>(queries.data()),
                                    samples, schema.dim),
                         options);
  if (!read_status.ok()) return read_status;
  if (!truth.ok()) return truth.status();

  // How many lists lie nearer than each neighbour's.
  std::vector<uint32_t> list_ranks;
  std::vector<std::pair<float, uint32_t>> order(model.lists);
  std::vector<uint32_t> rank_of(model.lists);
  for (uint64_t i = 0; i < samples; ++i) {
    const float* q = queries.data() + i * schema.dim;
    for (uint32_t l = 0; l < model.lists; ++l) {
      const float* c = model.centroids.data() + size_t{l} * model.coarse_dim;
      float dot = 0;
      float square = 0;
      for (uint32_t d = 0; d < model.coarse_dim; ++d) {
        dot += c[d] * q[d];
        square += c[d] * c[d];
      }
      const float distance = schema.metric == Metric::kL2 ? square / 2 - dot : -dot;
      order[l] = {model.has_centroid(l) ? distance : std::numeric_limits<float>::infinity(), l};
    }
    std::sort(order.begin(), order.end());
    for (uint32_t rank = 0; rank < model.lists; ++rank) rank_of[order[rank].second] = rank;
    for (uint32_t j = 0; j < truth->k; ++j) {
      const uint32_t row = truth->rows[i * truth->k + j];
      if (row == sample_row(i)) continue;
      const uint32_t list = index.ListAt(slots[row]);
      // Without a centroid it is scanned in any case.
      list_ranks.push_back(model.has_centroid(list) ? rank_of[list] : 0);
    }
  }
  std::sort(list_ranks.begin(), list_ranks.end());
  Reach reach;
  for (size_t i = 0; i < Reach::kLevels; ++i)
    reach.probes[i] = CountAt(list_ranks, Reach::kFractions[i]);

  // And how many rows of those lists score better on the first shell.
  Plan plan;
  plan.coarse = {model.coarse_dim, reach.probes[Reach::kLevels - 1]};
  plan.scan = {index.spec().shells.front(), kMaxRank};
  std::vector<uint32_t> row_ranks;
  SearchScratch scratch;
  SearchResult result;
  for (uint64_t i = 0; i < samples; ++i) {
    SearchQuery query;
    query.vector = std::span<const float>(queries.data() + i * schema.dim, schema.dim);
    query.limit = kMaxRank;
    query.snapshot = kNeverDead - 1;
    query.skip_slot = slots[sample_row(i)];
    if (absl::Status s = index.Search(query, plan, &scratch, &result); !s.ok()) return s;
    for (uint32_t j = 0; j < truth->k; ++j) {
      const uint32_t slot = slots[truth->rows[i * truth->k + j]];
      const auto hit = std::find_if(result.hits.begin(), result.hits.end(),
                                    [slot](const Hit& h) { return h.slot == slot; });
      // Those in lists that were not probed are counted by the probes.
      if (hit != result.hits.end())
        row_ranks.push_back(static_cast<uint32_t>(hit - result.hits.begin()));
    }
  }
  std::sort(row_ranks.begin(), row_ranks.end());
  for (size_t i = 0; i < Reach::kLevels; ++i)
    reach.keep[i] = CountAt(row_ranks, Reach::kFractions[i]);
  return reach;
}

}  // namespace nestor
