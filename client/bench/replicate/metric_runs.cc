// Brute force without renormalisation (methods.h).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/bench/float_rows.h"
#include "client/bench/replicate/methods.h"
#include "index/ground_truth.h"

namespace nestor {
namespace {

FloatRows Borrow(const std::vector<float>& values, uint32_t dim) {
  return StoredRows(Dtype::kF32, reinterpret_cast<const std::byte*>(values.data()),
                    values.size() / dim, dim);
}

absl::Status RunMetric(const Encoder& encoder, Metric metric, const Grid& grid,
                       std::vector<Trial>* runs) {
  // DOT asks what it costs not to renormalise vectors that were unit once, L2 how raw ones do.
  std::vector<float> rows, queries;
  if (metric == Metric::kDot) {
    rows = encoder.UnitRows(encoder.dim());
    queries = encoder.UnitQueries(encoder.dim());
  }
  const uint32_t k = static_cast<uint32_t>(std::min<uint64_t>(kShortAnswer, encoder.rows()));
  for (const uint32_t dim : grid.nesting) {
    if (dim > encoder.dim() || NestingIndex({.nesting = encoder.set().nesting()}, dim) < 0)
      continue;
    const GroundTruthOptions options{.metric = metric, .dim = dim, .k = k, .threads = grid.threads};
    const absl::StatusOr<GroundTruth> nearest =
        metric == Metric::kDot ? ComputeGroundTruth(Borrow(rows, encoder.dim()),
                                                    Borrow(queries, encoder.dim()), options)
                               : ComputeGroundTruth(RowsOf(encoder.set().base()),
                                                    RowsOf(encoder.set().query_file()), options);
    if (!nearest.ok()) return nearest.status();
    Trial run{.encoder = encoder.name(),
              .metric = metric,
              .method = Method::kExact,
              .scan_dim = dim,
              .plan = absl::StrCat("exact=", dim),
              .rows = encoder.rows(),
              .k = k};
    run.rows_scanned = static_cast<double>(run.rows);
    run.multiply_adds = run.rows_scanned * dim;
    run.memory_bytes = run.rows * (dim * sizeof(float) + sizeof(uint64_t));
    const std::vector<uint64_t> ids(nearest->rows.begin(), nearest->rows.end());
    run.scores = encoder.Score(ids, k);
    if (metric == Metric::kL2) {
      // The nearest rows that recall asks for are those of unit vectors.
      for (const Measure m :
           {Measure::kRecall1At1, Measure::kRecall10At10, Measure::kRecall40At2048}) {
        run.scores.of(m).clear();
      }
    }
    runs->push_back(std::move(run));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunOtherMetrics(const EncoderSet& encoders, const Grid& grid, const Told& told,
                             std::vector<Trial>* runs) {
  told("without renormalisation");
  if (absl::Status s = RunMetric(*encoders.nested, Metric::kDot, grid, runs); !s.ok()) return s;
  if (absl::Status s = RunMetric(*encoders.nested, Metric::kL2, grid, runs); !s.ok()) return s;
  for (const std::unique_ptr<Encoder>& rigid : encoders.rigid) {
    if (absl::Status s = RunMetric(*rigid, Metric::kL2, grid, runs); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace nestor
