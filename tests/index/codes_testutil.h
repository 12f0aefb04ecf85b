// Small trained quantizers and their rows.
#ifndef NESTOR_TESTS_INDEX_CODES_TESTUTIL_H_
#define NESTOR_TESTS_INDEX_CODES_TESTUTIL_H_

#include <memory>
#include <vector>

#include "index/codes/quantizer.h"
#include "tests/index/index_testutil.h"

namespace nestor {

// x[:dim] of all rows of a matrix, as PrepareRow makes them.
std::vector<float> PreparedRows(const Matrix& matrix, uint32_t dim);

struct TrainedCode {
  Matrix matrix;
  std::vector<float> rows;  // prepared
  std::shared_ptr<const OpqQuantizer> quantizer;
  std::vector<uint8_t> codes;

  size_t n() const { return matrix.rows(); }
  const float* row(size_t i) const { return rows.data() + i * quantizer->spec().dim; }
  const uint8_t* code(size_t i) const { return codes.data() + i * quantizer->spec().bytes; }
};

inline constexpr uint32_t kTrainedRows = 512;

// Of rows with 48 dims; made once in the process. Fails the test on an error.
const TrainedCode& Trained(Metric metric, const OpqSpec& spec);

}  // namespace nestor

#endif  // NESTOR_TESTS_INDEX_CODES_TESTUTIL_H_
