// The specification of the products of rows with columns, in portable C++.
#include <cmath>

#include "index/kernels/kernels.h"
#include "index/kernels/multiply.h"

namespace nestor {
namespace {

float Product(const float* row, size_t dims, const float* column) {
  float sum = 0;
  for (size_t d = 0; d < dims; ++d) sum = std::fma(row[d], column[d * kBlockRows], sum);
  return sum;
}

}  // namespace

void MultiplyF32Scalar(const float* rows, size_t n, size_t dims, const float* columns,
                       size_t blocks, size_t stride, float* products) {
  for (size_t i = 0; i < n; ++i) {
    for (size_t c = 0; c < blocks * kBlockRows; ++c) {
      const float* column = columns + c / kBlockRows * dims * kBlockRows + c % kBlockRows;
      products[i * stride + c] = Product(rows + i * dims, dims, column);
    }
  }
}

void SignsF32Scalar(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                    uint16_t* bits) {
  for (size_t i = 0; i < n; ++i) {
    for (size_t b = 0; b < blocks; ++b) {
      uint32_t signs = 0;
      for (size_t c = 0; c < kBlockRows; ++c) {
        const float* column = columns + b * dims * kBlockRows + c;
        signs |= uint32_t{Product(rows + i * dims, dims, column) > 0} << c;
      }
      bits[i * blocks + b] = static_cast<uint16_t>(signs);
    }
  }
}

void SumRowsF32Scalar(const float* const* rows, size_t n, size_t dims, float* sums) {
  for (size_t j = 0; j < dims; ++j) {
    float sum = rows[0][j];
    for (size_t i = 1; i < n; ++i) sum += rows[i][j];
    sums[j] = sum;
  }
}

}  // namespace nestor
