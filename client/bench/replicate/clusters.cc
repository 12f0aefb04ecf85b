#include "client/bench/replicate/clusters.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "index/codes/quantizer.h"

namespace nestor {
namespace {

// The lists nearest to each query by the first `dim` dims of centroids and query, nearest first;
// as floats.
class NearestLists {
 public:
  NearestLists(const Encoder& encoder, const Model& model, uint32_t dim)
      : dim_(dim), queries_(encoder.UnitQueries(dim)), centroids_(size_t{model.lists} * dim) {
    for (uint32_t l = 0; l < model.lists; ++l) {
      PrepareRow(Metric::kCosine, model.centroids.data() + size_t{l} * model.coarse_dim, dim,
                 /*mean=*/nullptr, centroids_.data() + size_t{l} * dim);
    }
  }

  std::vector<uint32_t> Of(uint32_t query, uint32_t n) const {
    const float* q = queries_.data() + size_t{query} * dim_;
    std::vector<std::pair<double, uint32_t>> order(centroids_.size() / dim_);
    for (uint32_t l = 0; l < order.size(); ++l) {
      order[l] = {-ActiveKernels().dot_f64(q, centroids_.data() + size_t{l} * dim_, dim_), l};
    }
    n = std::min(n, static_cast<uint32_t>(order.size()));
    std::partial_sort(order.begin(), order.begin() + n, order.end());
    std::vector<uint32_t> lists;
    for (uint32_t i = 0; i < n; ++i) lists.push_back(order[i].second);
    return lists;
  }

 private:
  const uint32_t dim_;
  const std::vector<float> queries_;
  std::vector<float> centroids_;
};

double Purity(const Encoder& encoder, const IvfIndex& index) {
  std::vector<std::vector<uint64_t>> members(index.model().lists);
  for (uint32_t slot = 0; slot < index.slot_limit(); ++slot) {
    members[index.ListAt(slot)].push_back(index.RowAt(slot));
  }
  const NearestLists nearest(encoder, index.model(), index.model().coarse_dim);
  double sum = 0;
  for (uint32_t q = 0; q < encoder.set().queries(); ++q) {
    const std::vector<uint64_t>& rows = members[nearest.Of(q, 1)[0]];
    const auto same = std::count_if(rows.begin(), rows.end(), [&](uint64_t row) {
      return encoder.set().grader().SameLabel(q, row);
    });
    if (!rows.empty()) sum += static_cast<double>(same) / static_cast<double>(rows.size());
  }
  return sum / encoder.set().queries();
}

// By each of `probes` counts, ascending.
std::vector<double> Agreement(const Encoder& encoder, const Model& model, uint32_t dim,
                              const std::vector<uint32_t>& probes) {
  const NearestLists by_all(encoder, model, model.coarse_dim);
  const NearestLists by_prefix(encoder, model, dim);
  std::vector<double> shares(probes.size(), 0.0);
  for (uint32_t q = 0; q < encoder.set().queries(); ++q) {
    const std::vector<uint32_t> lists = by_prefix.Of(q, probes.back());
    const auto at = std::find(lists.begin(), lists.end(), by_all.Of(q, 1)[0]) - lists.begin();
    for (size_t i = 0; i < probes.size(); ++i) {
      shares[i] += static_cast<double>(
          at < static_cast<ptrdiff_t>(std::min<size_t>(probes[i], lists.size())));
    }
  }
  for (double& share : shares) share /= encoder.set().queries();
  return shares;
}

}  // namespace

absl::StatusOr<ClusterTable> MeasureClusters(const Encoder& encoder, const Grid& grid,
                                             const Told& told) {
  ClusterTable table{.lists = grid.MiddleLists(), .probes = grid.probes};
  std::unique_ptr<LocalEngine> last;
  for (const uint32_t dim : grid.nesting) {
    told(absl::StrCat("clusters by ", dim, " dims"));
    absl::StatusOr<std::unique_ptr<LocalEngine>> engine =
        BuildIndex(encoder, {.coarse_dim = dim, .lists = table.lists, .threads = grid.threads});
    if (!engine.ok()) return engine.status();
    table.rows.push_back({.dim = dim, .purity = Purity(encoder, (*engine)->index())});
    last = *std::move(engine);
  }
  for (ClusterTable::Row& row : table.rows) {
    row.agreement = Agreement(encoder, last->index().model(), row.dim, grid.probes);
  }
  return table;
}

}  // namespace nestor
