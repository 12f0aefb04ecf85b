#include "tests/index/codes_testutil.h"

#include <gtest/gtest.h>

#include "index/codes/train_opq.h"

namespace nestor {

std::vector<float> PreparedRows(const Matrix& matrix, uint32_t dim) {
  std::vector<float> rows(matrix.rows() * dim);
  for (size_t i = 0; i < matrix.rows(); ++i) {
    PrepareRow(matrix.schema.metric, matrix.row(i), dim, nullptr, rows.data() + i * dim);
  }
  return rows;
}

TrainedCode TrainOrDie(Metric metric, const OpqSpec& spec, size_t rows, uint64_t seed) {
  TrainedCode code;
  code.matrix = MakeMatrix({.dim = 48, .nesting = {16, 32, 48}, .metric = metric}, rows, seed);
  code.rows = PreparedRows(code.matrix, spec.dim);
  auto quantizer = TrainOpq({.spec = spec, .iterations = 3}, code.rows);
  EXPECT_TRUE(quantizer.ok()) << quantizer.status();
  code.quantizer = *std::move(quantizer);
  code.codes.resize(rows * spec.bytes);
  code.quantizer->Encode(code.rows.data(), rows, code.codes.data());
  return code;
}

}  // namespace nestor
