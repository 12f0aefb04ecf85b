#include "tests/index/index_testutil.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

namespace nestor {

Matrix MakeMatrix(const VectorSchema& schema, size_t rows, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  // The clusters are the same for every seed, so that queries and rows come from one distribution.
  std::mt19937_64 cluster_random(99);
  constexpr size_t kClusters = 20;
  std::vector<float> centers(kClusters * schema.dim);
  const auto spread = [](size_t d) { return 1 / std::sqrt(1 + 0.3f * static_cast<float>(d)); };
  for (size_t i = 0; i < centers.size(); ++i) {
    centers[i] = normal(cluster_random) * spread(i % schema.dim);
  }
  Matrix matrix{.schema = schema};
  matrix.values.resize(rows * schema.dim);
  const size_t row_bytes = schema.dim * DtypeBytes(schema.dtype);
  matrix.bytes.resize(rows * row_bytes);
  for (size_t i = 0; i < rows; ++i) {
    float* x = matrix.values.data() + i * schema.dim;
    const size_t cluster = random() % kClusters;
    const float length = 0.5f + static_cast<float>(random() % 100) / 60;
    for (size_t d = 0; d < schema.dim; ++d) {
      x[d] = length * (centers[cluster * schema.dim + d] + 0.5f * normal(random) * spread(d));
      if (schema.dtype == Dtype::kI8) x[d] = std::clamp(std::nearbyint(40 * x[d]), -128.0f, 127.0f);
    }
    if (schema.dtype == Dtype::kI8 && x[0] == 0) x[0] = 1;  // no prefix is zero
    std::byte* stored = matrix.bytes.data() + i * row_bytes;
    EXPECT_TRUE(EncodeVector(schema.dtype, x, schema.dim, stored).ok());
    DecodeVector(schema.dtype, stored, schema.dim, x);
  }
  return matrix;
}

double NaiveScore(Metric metric, const float* q, const float* x, size_t dim) {
  double dot = 0, qq = 0, xx = 0, l2 = 0;
  for (size_t d = 0; d < dim; ++d) {
    dot += static_cast<double>(q[d]) * x[d];
    qq += static_cast<double>(q[d]) * q[d];
    xx += static_cast<double>(x[d]) * x[d];
    l2 += (static_cast<double>(q[d]) - x[d]) * (static_cast<double>(q[d]) - x[d]);
  }
  switch (metric) {
    case Metric::kCosine:
      return dot / std::sqrt(qq * xx);
    case Metric::kDot:
      return dot;
    case Metric::kL2:
      return l2;
  }
  return 0;
}

std::vector<uint64_t> NaiveBest(const Matrix& base, const float* q, uint32_t dim, uint32_t k) {
  std::vector<std::pair<double, uint64_t>> scored;
  const double sign = base.schema.metric == Metric::kL2 ? 1 : -1;
  for (size_t i = 0; i < base.rows(); ++i) {
    scored.emplace_back(sign * NaiveScore(base.schema.metric, q, base.row(i), dim), i);
  }
  std::sort(scored.begin(), scored.end());
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < std::min<size_t>(k, scored.size()); ++i) ids.push_back(scored[i].second);
  return ids;
}

BuildSource::Row MatrixSource::At(uint64_t i) const {
  Row row;
  row.id = id_kind_ == IdKind::kNum ? PointId(i) : PointId("id" + std::to_string(i));
  row.row = i;
  row.born = 1;
  return row;
}

absl::Status MatrixSource::Read(uint64_t i, uint64_t n, std::byte* out) const {
  const size_t row_bytes = matrix_.schema.dim * DtypeBytes(matrix_.schema.dtype);
  std::memcpy(out, matrix_.stored(i), n * row_bytes);
  return absl::OkStatus();
}

std::unique_ptr<IvfIndex> BuildOrDie(const Matrix& matrix, const IndexSpec& spec, IdKind id_kind) {
  const MatrixSource source(matrix, id_kind);
  BuildOptions options;
  options.threads = 2;
  options.code_iterations = 2;
  auto index = BuildIvfIndex(matrix.schema, spec, id_kind, source, options);
  EXPECT_TRUE(index.ok()) << index.status();
  return *std::move(index);
}

SearchQuery QueryOf(const float* vector, const VectorSchema& schema, uint32_t limit,
                    uint64_t snapshot) {
  SearchQuery query;
  query.vector = std::span<const float>(vector, schema.dim);
  query.limit = limit;
  query.snapshot = snapshot;
  return query;
}

std::vector<uint64_t> NumericIds(const IvfIndex& index, const std::vector<Hit>& hits) {
  std::vector<uint64_t> ids;
  for (const Hit& hit : hits) ids.push_back(std::get<uint64_t>(index.IdAt(hit.slot)));
  return ids;
}

}  // namespace nestor
