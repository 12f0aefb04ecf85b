#include "index/memory_estimate.h"

#include <algorithm>
#include <cmath>

#include "index/codes/layout.h"
#include "index/graph/graph.h"
#include "index/ivf_index.h"
#include "index/kernels/kernels.h"

namespace nestor {
namespace {

// Places of lists: a list's last block is half empty on average, and an empty list has none.
uint64_t Places(uint64_t rows, uint32_t lists) {
  return rows + std::min<uint64_t>(rows, lists) * kBlockRows / 2;
}

// Centroids and means, as floats and as int8 with scales and norms (coarse.h).
uint64_t ModelBytes(const VectorSchema& schema, const IndexSpec& spec) {
  if (spec.lists <= 1) return 0;
  const bool with_means = spec.coarse_dim < schema.dim;
  const uint64_t dims = spec.coarse_dim + schema.dim;
  const uint64_t coded = spec.coarse_dim + (with_means ? schema.dim : 0);
  const uint64_t scales = 1 + (with_means ? spec.shells.size() : 0);
  const uint64_t norms = schema.metric == Metric::kDot ? 0 : schema.nesting.size();
  return spec.lists * (dims * sizeof(float) + coded + (scales + norms) * sizeof(float));
}

uint64_t GraphBytes(const IvfIndex& index, uint64_t rows) {
  if (index.graph() == nullptr) return 0;
  // Copies of those that searches start from (entries.h).
  const auto entries = static_cast<uint64_t>(2 * std::sqrt(static_cast<double>(rows)));
  return (rows + entries) * index.graph()->node_bytes();
}

}  // namespace

uint64_t EstimateCodeBytes(Metric metric, const OpqSpec& code, uint32_t lists, uint64_t rows) {
  const bool half_squares = lists > 1 && metric == Metric::kL2;
  const uint64_t row = CodeLayout(code).row_bytes() + (half_squares ? sizeof(float) : 0);
  const uint64_t trained = uint64_t{code.dim} * code.dim +
                           uint64_t{code.centroids()} * (code.dim + code.subquantizers());
  const uint64_t means = lists > 1 ? uint64_t{lists} * code.dim * (half_squares ? 2 : 1) : 0;
  return Places(rows, lists) * row + (trained + means) * sizeof(float);
}

uint64_t EstimateIndexBytes(const VectorSchema& schema, const IndexSpec& spec, IdKind id_kind,
                            uint64_t rows) {
  IndexSpec resolved = ResolveSpec(spec, schema, rows);
  uint64_t bytes = ModelBytes(schema, resolved);
  for (const OpqSpec& code : resolved.codes) {
    bytes += EstimateCodeBytes(schema.metric, code, resolved.lists, rows);
  }
  resolved.codes.clear();  // not trained yet
  const std::unique_ptr<IvfIndex> empty =
      IvfIndex::Create(schema, resolved, id_kind, Model::Untrained());
  return bytes + GraphBytes(*empty, rows) +
         empty->MemoryOf(rows, Places(rows, resolved.lists)).Total();
}

}  // namespace nestor
