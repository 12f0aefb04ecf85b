#include "tests/index/graph_testutil.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace nestor {
namespace {

// Stores the values, and takes them as stored.
void StoreValues(Matrix* matrix) {
  const VectorSchema& schema = matrix->schema;
  const size_t row_bytes = schema.dim * DtypeBytes(schema.dtype);
  matrix->bytes.resize(matrix->rows() * row_bytes);
  for (size_t i = 0; i < matrix->rows(); ++i) {
    float* x = matrix->values.data() + i * schema.dim;
    if (schema.dtype == Dtype::kI8) {
      for (size_t d = 0; d < schema.dim; ++d) {
        x[d] = std::clamp(std::nearbyint(x[d]), -128.0f, 127.0f);
      }
    }
    std::byte* stored = matrix->bytes.data() + i * row_bytes;
    EXPECT_TRUE(EncodeVector(schema.dtype, x, schema.dim, stored).ok());
    DecodeVector(schema.dtype, stored, schema.dim, x);
  }
}

}  // namespace

VectorSchema SchemaOf(Metric metric, Dtype dtype, uint32_t dim) {
  return {.dim = dim, .nesting = {16, 50, dim}, .metric = metric, .dtype = dtype};
}

IndexSpec GraphOnly(uint32_t dim, uint32_t degree, uint32_t ef_construction) {
  return {.graph = GraphSpec{dim, degree, ef_construction}, .no_lists = true};
}

void ZeroPrefixes(Matrix* matrix, uint32_t dims, size_t step) {
  for (size_t i = 0; i < matrix->rows(); i += step) {
    std::fill_n(matrix->values.begin() + static_cast<ptrdiff_t>(i * matrix->schema.dim), dims,
                0.0f);
  }
  StoreValues(matrix);
}

void ScaleRows(Matrix* matrix, double low, double high, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> exponent(std::log(low), std::log(high));
  const uint32_t dim = matrix->schema.dim;
  for (size_t i = 0; i < matrix->rows(); ++i) {
    const auto factor = static_cast<float>(std::exp(exponent(random)));
    float* x = matrix->values.data() + i * dim;
    for (uint32_t d = 0; d < dim; ++d) x[d] *= factor;
    // No prefix of integers becomes zero.
    if (matrix->schema.dtype == Dtype::kI8 && std::fabs(x[0]) < 1) x[0] = 1;
  }
  StoreValues(matrix);
}

Matrix QueriesNear(const Matrix& base, size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  const uint32_t dim = base.schema.dim;
  Matrix queries{.schema = base.schema};
  for (size_t i = 0; i < n; ++i) {
    const float* x = base.row(random() % base.rows());
    const double norm = std::sqrt(NaiveScore(Metric::kDot, x, x, dim));
    for (uint32_t d = 0; d < dim; ++d) {
      // Noise with the spectrum of the rows, a fifth as long as the row.
      const auto noise = 0.2 * norm / std::sqrt((1 + 0.3 * d) * 12);
      queries.values.push_back(x[d] + static_cast<float>(noise) * normal(random));
    }
  }
  StoreValues(&queries);
  return queries;
}

Matrix MatrixOf(const VectorSchema& schema, const std::vector<std::vector<float>>& rows) {
  Matrix matrix{.schema = schema};
  for (const std::vector<float>& row : rows) {
    matrix.values.insert(matrix.values.end(), row.begin(), row.end());
  }
  StoreValues(&matrix);
  return matrix;
}

std::unique_ptr<IvfIndex> BuildWithThreads(const Matrix& matrix, const IndexSpec& spec,
                                           int threads) {
  const MatrixSource source(matrix);
  BuildOptions options;
  options.threads = threads;
  auto index = BuildIvfIndex(matrix.schema, spec, IdKind::kNum, source, options);
  EXPECT_TRUE(index.ok()) << index.status();
  return *std::move(index);
}

std::unique_ptr<IvfIndex> CreateEmpty(const VectorSchema& schema, const IndexSpec& spec) {
  return IvfIndex::Create(schema, ResolveSpec(spec, schema, 0), IdKind::kNum, Model::Untrained());
}

uint32_t AppendOrDie(IvfIndex* index, const Matrix& matrix, size_t i, uint64_t id, uint64_t born) {
  const auto slot =
      index->Append(index->Assign(matrix.stored(i)), PointId(id), id, born, matrix.stored(i));
  EXPECT_TRUE(slot.ok()) << slot.status();
  return *slot;
}

Plan GraphPlan(const IvfIndex& index, uint32_t ef, float margin) {
  Plan plan;
  const uint32_t dim = index.spec().graph->dim;
  plan.graph = {.dim = dim, .ef = ef, .margin = margin};
  if (dim < index.schema().dim) plan.refine.push_back({index.schema().dim, ef});
  plan.rescore = true;
  return plan;
}

double RecallOf(const IvfIndex& index, const Matrix& queries, const Plan& plan, uint32_t limit,
                uint64_t snapshot) {
  SearchScratch scratch;
  SearchResult result;
  size_t found = 0;
  size_t wanted = 0;
  for (size_t i = 0; i < queries.rows(); ++i) {
    const SearchQuery query = QueryOf(queries.row(i), queries.schema, limit, snapshot);
    EXPECT_TRUE(index.SearchExact(query, queries.schema.dim, &scratch, &result).ok());
    const std::vector<Hit> exact = result.hits;
    const absl::Status status = index.Search(query, plan, &scratch, &result);
    EXPECT_TRUE(status.ok()) << status;
    wanted += exact.size();
    for (const Hit& hit : result.hits) {
      found += std::any_of(exact.begin(), exact.end(),
                           [&](const Hit& best) { return best.slot == hit.slot; });
    }
  }
  return static_cast<double>(found) / static_cast<double>(std::max<size_t>(wanted, 1));
}

void ExpectExactAnswers(const IvfIndex& index, const Matrix& queries, const Plan& plan,
                        uint32_t limit, uint64_t snapshot) {
  SearchScratch scratch;
  SearchResult exact;
  SearchResult result;
  for (size_t q = 0; q < queries.rows(); ++q) {
    const SearchQuery query = QueryOf(queries.row(q), queries.schema, limit, snapshot);
    ASSERT_TRUE(index.SearchExact(query, queries.schema.dim, &scratch, &exact).ok());
    const absl::Status status = index.Search(query, plan, &scratch, &result);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(result.score_dim, queries.schema.dim);
    ASSERT_EQ(result.hits.size(), exact.hits.size()) << FormatPlan(plan) << " query " << q;
    for (size_t i = 0; i < exact.hits.size(); ++i) {
      EXPECT_EQ(result.hits[i].slot, exact.hits[i].slot) << FormatPlan(plan) << " query " << q;
      EXPECT_EQ(result.hits[i].score, exact.hits[i].score) << FormatPlan(plan) << " query " << q;
    }
  }
}

}  // namespace nestor
