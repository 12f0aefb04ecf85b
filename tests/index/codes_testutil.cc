#include "tests/index/codes_testutil.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "index/codes/train_opq.h"

namespace nestor {

std::vector<float> PreparedRows(const Matrix& matrix, uint32_t dim) {
  std::vector<float> rows(matrix.rows() * dim);
  for (size_t i = 0; i < matrix.rows(); ++i) {
    PrepareRow(matrix.schema.metric, matrix.row(i), dim, nullptr, rows.data() + i * dim);
  }
  return rows;
}

const TrainedCode& Trained(Metric metric, const OpqSpec& spec) {
  static auto* trained = new std::map<std::pair<Metric, std::string>, TrainedCode>;
  const auto [at, inserted] = trained->try_emplace({metric, OpqName(spec)});
  TrainedCode& code = at->second;
  if (!inserted) return code;
  const VectorSchema schema{.dim = 48, .nesting = {16, 32, 48}, .metric = metric};
  code.matrix = MakeMatrix(schema, kTrainedRows, 1);
  code.rows = PreparedRows(code.matrix, spec.dim);
  auto quantizer = TrainOpq({.spec = spec, .iterations = 3}, code.rows);
  EXPECT_TRUE(quantizer.ok()) << quantizer.status();
  code.quantizer = *std::move(quantizer);
  code.codes.resize(code.n() * spec.bytes);
  code.quantizer->Encode(code.rows.data(), code.n(), code.codes.data());
  return code;
}

}  // namespace nestor
