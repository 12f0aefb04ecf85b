// The specification of the products and sums of rows, in portable C++.
#include <cmath>

#include "index/kernels/kernels.h"
#include "index/kernels/multiply.h"

namespace nestor {
namespace {

float Product(const float* row, size_t dims, const float* columns, size_t c) {
  const size_t block = (dims + 1) / 2 * 2 * kBlockColumns;
  const float* column = columns + c / kBlockColumns * block + c % kBlockColumns * 2;
  float even = 0, odd = 0;
  for (size_t d = 0; d < dims; d += 2, column += 2 * kBlockColumns) {
    even = std::fma(row[d], column[0], even);
    if (d + 1 < dims) odd = std::fma(row[d + 1], column[1], odd);
  }
  return even + odd;
}

}  // namespace

void MultiplyF32Scalar(const float* rows, size_t n, size_t dims, const float* columns,
                       size_t columns_n, float* const* products) {
  for (size_t i = 0; i < n; ++i) {
    for (size_t c = 0; c < columns_n; ++c) {
      products[i][c] = Product(rows + i * dims, dims, columns, c);
    }
  }
}

void SignsF32Scalar(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                    uint8_t* bits) {
  for (size_t i = 0; i < n * blocks; ++i) {
    uint32_t signs = 0;
    for (size_t c = 0; c < kBlockColumns; ++c) {
      const float* row = rows + i / blocks * dims;
      const float product = Product(row, dims, columns, i % blocks * kBlockColumns + c);
      signs |= uint32_t{product > 0} << c;
    }
    bits[i] = static_cast<uint8_t>(signs);
  }
}

void MaxSimF32Scalar(const float* rows, size_t n, size_t stride, size_t dims, const float* columns,
                     size_t columns_n, float* largest, uint32_t* tokens) {
  for (size_t c = 0; c < columns_n; ++c) {
    for (size_t i = 0; i < n; ++i) {
      const float product = Product(rows + i * stride, dims, columns, c);
      if (i == 0 || product > largest[c]) {
        largest[c] = product;
        if (tokens != nullptr) tokens[c] = static_cast<uint32_t>(i);
      }
    }
  }
}

void SumRowsF32Scalar(const float* const* rows, size_t n, size_t dims, float factor, float* sums) {
  for (size_t j = 0; j < dims; ++j) {
    float sum = rows[0][j];
    for (size_t i = 1; i < n; ++i) sum += rows[i][j];
    sums[j] = sum * factor;
  }
}

}  // namespace nestor
