// AVX2 with FMA. Only intrinsics and the kernel headers here.
#include <immintrin.h>

#include "index/kernels/multiply.h"

namespace nestor {
namespace {

// Rows whose sums with a block of columns are in registers together.
constexpr int kTileRows = 6;

struct Store {
  float* products;
  size_t stride;
  void operator()(size_t i, size_t b, __m256 low, __m256 high) const {
    _mm256_storeu_ps(products + i * stride + b * 16, low);
    _mm256_storeu_ps(products + i * stride + b * 16 + 8, high);
  }
};

struct StoreSigns {
  uint16_t* bits;
  size_t stride;
  void operator()(size_t i, size_t b, __m256 low, __m256 high) const {
    bits[i * stride + b] = static_cast<uint16_t>(Signs(low) | Signs(high) << 8);
  }
  static int Signs(__m256 sums) {
    return _mm256_movemask_ps(_mm256_cmp_ps(sums, _mm256_setzero_ps(), _CMP_GT_OQ));
  }
};

template <int kRows, typename Out>
inline void Tile(const float* rows, size_t i, size_t dims, const float* columns, size_t b,
                 const Out& out) {
  const float* row = rows + i * dims;
  const float* column = columns + b * dims * 16;
  __m256 low[kRows], high[kRows];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) low[r] = high[r] = _mm256_setzero_ps();
  for (size_t d = 0; d < dims; ++d) {
    const __m256 low_line = _mm256_load_ps(column + d * 16);
    const __m256 high_line = _mm256_load_ps(column + d * 16 + 8);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m256 x = _mm256_set1_ps(row[static_cast<size_t>(r) * dims + d]);
      low[r] = _mm256_fmadd_ps(x, low_line, low[r]);
      high[r] = _mm256_fmadd_ps(x, high_line, high[r]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) out(i + static_cast<size_t>(r), b, low[r], high[r]);
}

template <typename Out>
inline void Multiply(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                     const Out& out) {
  for (size_t b = 0; b < blocks; ++b) {
    size_t i = 0;
    for (; i + kTileRows <= n; i += kTileRows) Tile<kTileRows>(rows, i, dims, columns, b, out);
    if (i + 3 <= n) {
      Tile<3>(rows, i, dims, columns, b, out);
      i += 3;
    }
    for (; i < n; ++i) Tile<1>(rows, i, dims, columns, b, out);
  }
}

}  // namespace

void MultiplyF32Avx2(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                     size_t stride, float* products) {
  Multiply(rows, n, dims, columns, blocks, Store{products, stride});
}

void SignsF32Avx2(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                  uint16_t* bits) {
  Multiply(rows, n, dims, columns, blocks, StoreSigns{bits, blocks});
}

void SumRowsF32Avx2(const float* const* rows, size_t n, size_t dims, float* sums) {
  size_t j = 0;
  for (; j + 32 <= dims; j += 32) {
    __m256 s[4];
    for (size_t l = 0; l < 4; ++l) s[l] = _mm256_loadu_ps(rows[0] + j + 8 * l);
    for (size_t i = 1; i < n; ++i) {
      const float* row = rows[i] + j;
      for (size_t l = 0; l < 4; ++l) s[l] = _mm256_add_ps(s[l], _mm256_loadu_ps(row + 8 * l));
    }
    for (size_t l = 0; l < 4; ++l) _mm256_storeu_ps(sums + j + 8 * l, s[l]);
  }
  for (; j + 8 <= dims; j += 8) {
    __m256 s = _mm256_loadu_ps(rows[0] + j);
    for (size_t i = 1; i < n; ++i) s = _mm256_add_ps(s, _mm256_loadu_ps(rows[i] + j));
    _mm256_storeu_ps(sums + j, s);
  }
  for (; j < dims; ++j) {
    float sum = rows[0][j];
    for (size_t i = 1; i < n; ++i) sum += rows[i][j];
    sums[j] = sum;
  }
}

}  // namespace nestor
