// Exact nearest rows of many queries at once: the truth that recall is measured against. A blocked
// float matrix product finds the few rows that can be among the best by a margin that covers its
// rounding; those are scored in double, ties by row number (semantics 12). Immutable inputs, own
// threads.
#ifndef NESTOR_INDEX_GROUND_TRUTH_H_
#define NESTOR_INDEX_GROUND_TRUTH_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "index/schema.h"

namespace nestor {

// A matrix that is read as floats, whatever it is stored as. Borrows what `read` captures.
struct FloatRows {
  uint64_t rows = 0;
  uint32_t dim = 0;
  // Rows first .. first + n - 1 into `out`, n x dim floats. Called from several threads.
  std::function<void(uint64_t first, uint64_t n, float* out)> read;
};

// `bytes` holds rows x dim values of `dtype`, row by row, and must outlive the result.
FloatRows StoredRows(Dtype dtype, const std::byte* bytes, uint64_t rows, uint32_t dim);

struct GroundTruthOptions {
  Metric metric = Metric::kL2;
  uint32_t dim = 0;  // prefix that is compared, 1..dim of the rows; 0 = all
  uint32_t k = 100;
  int threads = 1;
  // Told now and then, from any of the threads: the fraction done.
  std::function<void(double fraction)> progress;
};

struct GroundTruth {
  uint32_t k = 0;
  std::vector<uint32_t> rows;  // queries x k row numbers, best first, ties by row number
  std::vector<float> scores;   // beside them: COSINE, DOT descending; squared L2 ascending
};

// InvalidArgument: dims that differ, a dim or k outside its range, over 2^32 - 1 base rows, a value
// that is not finite, under COSINE a prefix without direction (norm^2 < FLT_MIN).
absl::StatusOr<GroundTruth> ComputeGroundTruth(const FloatRows& base, const FloatRows& queries,
                                               const GroundTruthOptions& options);

// The score of two vectors in double, as semantics 6 says.
double ExactScore(Metric metric, const float* query, const float* row, uint32_t dim);

}  // namespace nestor

#endif  // NESTOR_INDEX_GROUND_TRUTH_H_
