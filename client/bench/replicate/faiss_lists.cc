#include "client/bench/replicate/faiss_lists.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <omp.h>

#include <algorithm>
#include <exception>
#include <memory>

#include "absl/strings/str_cat.h"
#include "index/coarse.h"
#include "index/kernels/kernels.h"

namespace nestor {
namespace {

using RowNumber = faiss::Index::idx_t;

constexpr uint32_t kHits = 10;
constexpr float kTie = 1e-5f;  // of products of unit vectors, summed as floats in another order

// Compares hits by place: the same row, or one whose product with the query is as large.
class HitComparer {
 public:
  HitComparer(const Encoder& encoder, uint32_t dim)
      : dim_(dim), rows_(encoder.UnitRows(dim)), queries_(encoder.UnitQueries(dim)) {}

  const std::vector<float>& rows() const { return rows_; }
  const std::vector<float>& queries() const { return queries_; }

  bool Same(uint32_t query, std::span<const uint64_t> hits, const RowNumber* found,
            const float* products) const {
    for (size_t i = 0; i < hits.size(); ++i) {
      const bool none = hits[i] == kNoId;
      if (none != (found[i] < 0)) return false;
      if (none || hits[i] == static_cast<uint64_t>(found[i])) continue;
      const double product = ActiveKernels().dot_f64(queries_.data() + size_t{query} * dim_,
                                                     rows_.data() + hits[i] * dim_, dim_);
      if (std::abs(product - products[i]) > kTie) return false;
    }
    return true;
  }

 private:
  const uint32_t dim_;
  const std::vector<float> rows_, queries_;
};

// The lists that Nestor probes, nearest first (ivf_search.cc).
std::vector<RowNumber> ProbedLists(const Encoder& encoder, const IvfIndex& index, uint32_t probes) {
  const CoarseTable table(index.schema(), ShellLayout(index.spec().shells, index.spec().codec),
                          std::make_shared<const Model>(index.model()));
  QueryCode code;
  std::vector<float> sums(table.padded_lists()), keys(table.padded_lists());
  std::vector<RowNumber> lists;
  std::vector<RowNumber> order(table.lists());
  for (uint32_t q = 0; q < encoder.set().queries(); ++q) {
    table.Score(ActiveKernels(), encoder.set().query(q).data(), index.model().coarse_dim, &code,
                sums.data(), keys.data());
    for (size_t l = 0; l < order.size(); ++l) order[l] = static_cast<RowNumber>(l);
    std::sort(order.begin(), order.end(), [&](RowNumber a, RowNumber b) {
      const float x = keys[static_cast<size_t>(a)], y = keys[static_cast<size_t>(b)];
      return x != y ? x > y : a < b;
    });
    lists.insert(lists.end(), order.begin(), order.begin() + probes);
  }
  return lists;
}

absl::StatusOr<ListEquality> CompareOne(const Encoder& encoder, const Grid& grid,
                                        uint32_t coarse_dim, uint32_t scan_dim, uint32_t lists,
                                        uint32_t probes) {
  const absl::StatusOr<std::unique_ptr<LocalEngine>> engine =
      BuildIndex(encoder, {.coarse_dim = coarse_dim, .lists = lists, .threads = grid.threads});
  if (!engine.ok()) return engine.status();
  const absl::StatusOr<EnginePass> ours = (*engine)->Run(
      absl::StrCat("coarse=", coarse_dim, ":", probes, ",scan=", scan_dim, ":", kHits),
      {.half = Half::kAll, .k = kHits});
  if (!ours.ok()) return ours.status();
  const IvfIndex& index = (*engine)->index();
  const Model& model = index.model();
  const HitComparer comparer(encoder, scan_dim);
  std::vector<RowNumber> list_of(encoder.rows());
  for (uint32_t slot = 0; slot < index.slot_limit(); ++slot) {
    list_of[index.RowAt(slot)] = index.ListAt(slot);
  }
  const std::vector<RowNumber> probed = ProbedLists(encoder, index, probes);
  const std::vector<float> coarse_queries = encoder.UnitQueries(coarse_dim);
  const uint32_t queries = encoder.set().queries();
  ListEquality result{.coarse_dim = coarse_dim,
                      .scan_dim = scan_dim,
                      .lists = model.lists,
                      .probes = probes,
                      .queries = queries};
  try {
    omp_set_num_threads(grid.threads);
    // IndexIVF wants a quantizer of its own dims; with the lists given it is never asked.
    faiss::IndexFlatIP unused(scan_dim);
    const std::vector<float> zeros(size_t{model.lists} * scan_dim, 0.0f);
    unused.add(model.lists, zeros.data());
    faiss::IndexIVFFlat faiss_lists(&unused, scan_dim, model.lists, faiss::METRIC_INNER_PRODUCT);
    faiss_lists.is_trained = true;
    faiss_lists.nprobe = probes;
    faiss_lists.add_core(static_cast<RowNumber>(encoder.rows()), comparer.rows().data(),
                         /*xids=*/nullptr, list_of.data());
    faiss::IndexFlatIP coarse(coarse_dim);
    coarse.add(model.lists, model.centroids.data());
    std::vector<RowNumber> chosen(size_t{queries} * probes);
    std::vector<float> chosen_products(chosen.size());
    coarse.search(queries, coarse_queries.data(), probes, chosen_products.data(), chosen.data());
    std::vector<RowNumber> found(size_t{queries} * kHits);
    std::vector<float> products(found.size());
    for (const bool own : {false, true}) {
      faiss_lists.search_preassigned(queries, comparer.queries().data(), kHits,
                                     own ? chosen.data() : probed.data(), chosen_products.data(),
                                     products.data(), found.data(), /*store_pairs=*/false);
      for (uint32_t q = 0; q < queries; ++q) {
        const bool same =
            comparer.Same(q, std::span(ours->pass.ids).subspan(size_t{q} * kHits, kHits),
                          found.data() + size_t{q} * kHits, products.data() + size_t{q} * kHits);
        (own ? result.same_own_lists : result.same) += static_cast<uint32_t>(same);
      }
    }
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("faiss: lists by ", coarse_dim, " dims, scanned by ",
                                            scan_dim, ": ", e.what()));
  }
  return result;
}

}  // namespace

absl::StatusOr<std::vector<ListEquality>> CompareLists(const Encoder& encoder, const Grid& grid,
                                                       const Told& told) {
  const uint32_t few = grid.nesting[std::min<size_t>(2, grid.nesting.size() - 1)];
  const uint32_t probes = grid.probes[grid.probes.size() / 2];
  const uint32_t pairs[][2] = {{grid.dim(), grid.dim()}, {few, grid.dim()}, {grid.dim(), few}};
  std::vector<ListEquality> results;
  for (const auto& [coarse_dim, scan_dim] : pairs) {
    told(absl::StrCat("FAISS's lists by ", coarse_dim, " dims, scanned by ", scan_dim));
    const absl::StatusOr<ListEquality> result =
        CompareOne(encoder, grid, coarse_dim, scan_dim, grid.MiddleLists(), probes);
    if (!result.ok()) return result.status();
    results.push_back(*result);
  }
  // All lists, all dims: brute force.
  const absl::StatusOr<ListEquality> all =
      CompareOne(encoder, grid, few, grid.dim(), grid.lists.front(), grid.lists.front());
  if (!all.ok()) return all.status();
  results.push_back(*all);
  return results;
}

absl::StatusOr<std::vector<FlatEquality>> CompareFlat(const Encoder& encoder, const Grid& grid,
                                                      const Told& told) {
  const absl::StatusOr<std::unique_ptr<LocalEngine>> engine =
      BuildIndex(encoder, {.threads = grid.threads});
  if (!engine.ok()) return engine.status();
  std::vector<FlatEquality> results;
  const uint32_t queries = encoder.set().queries();
  for (const uint32_t dim : grid.nesting) {
    told(absl::StrCat("FAISS's brute force by ", dim, " dims"));
    const absl::StatusOr<EnginePass> ours =
        (*engine)->Run(absl::StrCat("exact=", dim), {.half = Half::kAll, .k = kHits});
    if (!ours.ok()) return ours.status();
    const HitComparer comparer(encoder, dim);
    FlatEquality result{.dim = dim, .queries = queries};
    try {
      omp_set_num_threads(grid.threads);
      faiss::IndexFlatIP flat(dim);
      flat.add(static_cast<RowNumber>(encoder.rows()), comparer.rows().data());
      std::vector<RowNumber> found(size_t{queries} * kHits);
      std::vector<float> products(found.size());
      flat.search(queries, comparer.queries().data(), kHits, products.data(), found.data());
      for (uint32_t q = 0; q < queries; ++q) {
        result.same += static_cast<uint32_t>(
            comparer.Same(q, std::span(ours->pass.ids).subspan(size_t{q} * kHits, kHits),
                          found.data() + size_t{q} * kHits, products.data() + size_t{q} * kHits));
      }
    } catch (const std::exception& e) {
      return absl::InternalError(absl::StrCat("faiss: brute force by ", dim, " dims: ", e.what()));
    }
    results.push_back(result);
  }
  return results;
}

}  // namespace nestor
