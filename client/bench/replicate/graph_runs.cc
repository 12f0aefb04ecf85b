// FAISS's HNSW over OPQ codes (methods.h). FAISS's exceptions reach only this file and
// faiss_lists.cc.
#include <faiss/IndexHNSW.h>
#include <faiss/IndexPQ.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <exception>

#include "absl/strings/str_cat.h"
#include "client/bench/replicate/methods.h"
#include "index/codes/train_opq.h"
#include "index/ground_truth.h"

namespace nestor {
namespace {

using RowNumber = faiss::Index::idx_t;

constexpr int kLinks = 32;           // the paper's
constexpr uint32_t kReranked = 100;  // as its DiskANN, L = 100
constexpr int kEfSearch = 128;

// At most `wanted` of the rows, evenly spread.
std::vector<float> Spread(const std::vector<float>& rows, uint32_t dim, uint64_t wanted) {
  const uint64_t n = rows.size() / dim, kept = std::min(n, wanted);
  std::vector<float> spread;
  spread.reserve(kept * dim);
  for (uint64_t i = 0; i < kept; ++i) {
    const float* row = rows.data() + i * n / kept * dim;
    spread.insert(spread.end(), row, row + dim);
  }
  return spread;
}

// Rows of unit length, rotated by the OPQ, go into a graph whose nodes are PQ codes; the best
// kReranked are ranked again by the encoder's full vectors.
absl::StatusOr<Trial> RunGraph(const Encoder& encoder, const Grid& grid, const OpqSpec& code) {
  const std::vector<float> rows = encoder.UnitRows(code.dim);
  const absl::StatusOr<std::shared_ptr<const OpqQuantizer>> opq =
      TrainOpq({.spec = code, .iterations = grid.code_iterations, .threads = grid.threads},
               Spread(rows, code.dim, grid.code_rows));
  if (!opq.ok()) return opq.status();
  const std::vector<float> queries = encoder.UnitQueries(code.dim);
  std::vector<float> rotated(rows.size()), rotated_queries(queries.size());
  (*opq)->Rotate(rows.data(), encoder.rows(), rotated.data());
  const uint32_t query_count = encoder.set().queries();
  (*opq)->Rotate(queries.data(), query_count, rotated_queries.data());

  const std::vector<float> full_rows = encoder.UnitRows(encoder.dim());
  const std::vector<float> full_queries = encoder.UnitQueries(encoder.dim());
  const uint32_t dim = encoder.dim();
  const uint32_t reranked = static_cast<uint32_t>(std::min<uint64_t>(kReranked, encoder.rows()));
  const uint32_t k = std::min(kShortAnswer, reranked);
  std::vector<uint64_t> ids(size_t{query_count} * k, kNoId);
  std::vector<float> micros(query_count);
  uint64_t graph_bytes = 0, reads = 0;
  try {
    omp_set_num_threads(grid.threads);
    faiss::IndexHNSWPQ graph(static_cast<int>(code.dim), static_cast<int>(code.subquantizers()),
                             kLinks);
    const auto n = static_cast<RowNumber>(encoder.rows());
    // FAISS would warn about small sets, nothing more.
    dynamic_cast<faiss::IndexPQ&>(*graph.storage).pq.cp.min_points_per_centroid = 1;
    graph.train(n, rotated.data());
    graph.add(n, rotated.data());
    graph.hnsw.efSearch = kEfSearch;
    graph_bytes = graph.hnsw.neighbors.size() * sizeof(graph.hnsw.neighbors[0]);
    omp_set_num_threads(1);
    std::vector<float> distances(reranked);
    std::vector<RowNumber> found(reranked);
    std::vector<std::pair<double, uint64_t>> order;
    for (uint32_t q = 0; q < query_count; ++q) {
      const auto begin = std::chrono::steady_clock::now();
      graph.search(1, rotated_queries.data() + size_t{q} * code.dim, reranked, distances.data(),
                   found.data());
      order.clear();
      for (const RowNumber row : found) {
        if (row < 0) continue;
        const auto at = static_cast<uint64_t>(row);
        order.emplace_back(-ExactScore(Metric::kDot, full_queries.data() + size_t{q} * dim,
                                       full_rows.data() + at * dim, dim),
                           at);
      }
      std::sort(order.begin(), order.end());
      reads += order.size();
      for (size_t i = 0; i < std::min<size_t>(k, order.size()); ++i) {
        ids[size_t{q} * k + i] = order[i].second;
      }
      const std::chrono::duration<float, std::micro> spent =
          std::chrono::steady_clock::now() - begin;
      micros[q] = spent.count();
    }
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("faiss: HNSW over ", OpqName(code), ": ", e.what()));
  }
  Trial run{.encoder = encoder.name(),
            .method = Method::kGraphOpq,
            .scan_dim = code.dim,
            .code_bytes = code.bytes,
            .keep = reranked,
            .rerank = absl::StrCat(dim),
            .plan = absl::StrCat("hnsw", kLinks, " ef=", kEfSearch),
            .rows = encoder.rows(),
            .k = k};
  run.vector_reads = static_cast<double>(reads) / query_count;
  run.p50_ms = Quantile(micros, 0.5) / 1000;
  run.p99_ms = Quantile(micros, 0.99) / 1000;
  run.memory_bytes = run.rows * code.bytes + graph_bytes +
                     size_t{code.dim} * (code.dim + code.centroids()) * sizeof(float);
  run.scores = encoder.Score(ids, k);
  return run;
}

}  // namespace

absl::Status RunGraphs(const EncoderSet& encoders, const Grid& grid, const Told& told,
                       std::vector<Trial>* runs) {
  const uint32_t dim = grid.nesting[std::min<size_t>(1, grid.nesting.size() - 1)];
  for (const uint32_t bytes : grid.bytes) {
    // The paper's has a byte a dim; half of that beside it.
    if (2 * bytes < dim) continue;
    const OpqSpec nested{.dim = dim, .bytes = bytes, .bits = 8};
    const OpqSpec rigid{.dim = grid.dim(), .bytes = 2 * bytes, .bits = 8};
    if (!ValidateOpq(nested).ok() || !ValidateOpq(rigid).ok()) continue;
    told(absl::StrCat("graph over ", OpqName(nested), " and ", OpqName(rigid)));
    absl::StatusOr<Trial> run = RunGraph(*encoders.nested, grid, nested);
    if (!run.ok()) return run.status();
    runs->push_back(*std::move(run));
    run = RunGraph(encoders.widest(), grid, rigid);
    if (!run.ok()) return run.status();
    runs->push_back(*std::move(run));
  }
  return absl::OkStatus();
}

}  // namespace nestor
