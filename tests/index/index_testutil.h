// Small nested data, made from a fixed seed, and the naive answers to check the index against.
#ifndef NESTOR_TESTS_INDEX_INDEX_TESTUTIL_H_
#define NESTOR_TESTS_INDEX_INDEX_TESTUTIL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "index/build.h"
#include "index/ivf_index.h"
#include "index/schema.h"

namespace nestor {

inline constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kL2};

// Vectors stored one after the other as the schema's dtype.
struct Matrix {
  VectorSchema schema;
  std::vector<std::byte> bytes;
  std::vector<float> values;  // the stored values, decoded

  size_t rows() const { return values.size() / schema.dim; }
  const std::byte* stored(size_t i) const {
    return bytes.data() + i * schema.dim * DtypeBytes(schema.dtype);
  }
  const float* row(size_t i) const { return values.data() + i * schema.dim; }
};

// Clustered vectors whose coordinates shrink as they go on, as those of nested embeddings do; norms
// differ. Under INT8 integers.
Matrix MakeMatrix(const VectorSchema& schema, size_t rows, uint64_t seed);

// The score by definition, in double, on the first `dim` coordinates.
double NaiveScore(Metric metric, const float* q, const float* x, size_t dim);
// Numbers of the best rows by it, ties by number.
std::vector<uint64_t> NaiveBest(const Matrix& base, const float* q, uint32_t dim, uint32_t k);

// Rows of a matrix with row number = id = position and born = 1.
class MatrixSource : public BuildSource {
 public:
  explicit MatrixSource(const Matrix& matrix, IdKind id_kind = IdKind::kNum)
      : matrix_(matrix), id_kind_(id_kind) {}
  uint64_t size() const override { return matrix_.rows(); }
  Row At(uint64_t i) const override;
  absl::Status Read(uint64_t i, uint64_t n, std::byte* out) const override;

 private:
  const Matrix& matrix_;
  const IdKind id_kind_;
};

// Fails the test on an error.
std::unique_ptr<IvfIndex> BuildOrDie(const Matrix& matrix, const IndexSpec& spec,
                                     IdKind id_kind = IdKind::kNum);

SearchQuery QueryOf(const float* vector, const VectorSchema& schema, uint32_t limit,
                    uint64_t snapshot = 1);

std::vector<uint64_t> NumericIds(const IvfIndex& index, const std::vector<Hit>& hits);

}  // namespace nestor

#endif  // NESTOR_TESTS_INDEX_INDEX_TESTUTIL_H_
