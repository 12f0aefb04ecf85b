// AVX2 with FMA. Only intrinsics and the kernel headers here.
#include <immintrin.h>

#include "index/kernels/multiply.h"

namespace nestor {
namespace {

// Rows whose sums with a block of columns are in registers together.
constexpr int kTileRows = 6;

// Of the sums of even and odd dims of 8 columns, side by side: 4 columns in each argument.
inline __m256 AddPairs(__m256 low, __m256 high) {
  const __m256 even = _mm256_shuffle_ps(low, high, 0x88);
  const __m256 odd = _mm256_shuffle_ps(low, high, 0xdd);
  // Columns 0 1 4 5 | 2 3 6 7, put in order.
  return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(_mm256_add_ps(even, odd)), 0xd8));
}

struct Store {
  float* const* products;
  size_t columns_n;
  void operator()(size_t i, size_t b, __m256 low, __m256 high) const {
    float* to = products[i] + b * 8;
    const __m256 sums = AddPairs(low, high);
    if (columns_n - b * 8 >= 8) {
      _mm256_storeu_ps(to, sums);
    } else {
      float lanes[8];
      _mm256_storeu_ps(lanes, sums);
      for (size_t c = 0; c < columns_n - b * 8; ++c) to[c] = lanes[c];
    }
  }
};

struct StoreSigns {
  uint8_t* bits;
  size_t blocks;
  void operator()(size_t i, size_t b, __m256 low, __m256 high) const {
    const __m256 above = _mm256_cmp_ps(AddPairs(low, high), _mm256_setzero_ps(), _CMP_GT_OQ);
    bits[i * blocks + b] = static_cast<uint8_t>(_mm256_movemask_ps(above));
  }
};

// Rows come in order, so the first of equals stays.
template <bool kTokens>
struct KeepLargest {
  float* largest;
  uint32_t* tokens;
  void operator()(size_t i, size_t b, __m256 low, __m256 high) const {
    const __m256 product = AddPairs(low, high);
    const __m256 best = _mm256_loadu_ps(largest + b * 8);
    const __m256 above = _mm256_cmp_ps(product, best, _CMP_GT_OQ);
    _mm256_storeu_ps(largest + b * 8, _mm256_blendv_ps(best, product, above));
    if (kTokens) {
      _mm256_maskstore_epi32(reinterpret_cast<int*>(tokens + b * 8), _mm256_castps_si256(above),
                             _mm256_set1_epi32(static_cast<int>(i)));
    }
  }
};

inline __m256 BroadcastPair(const float* p) {
  double pair;
  __builtin_memcpy(&pair, p, sizeof(pair));
  return _mm256_castpd_ps(_mm256_set1_pd(pair));
}

template <int kRows, typename Out>
inline void Tile(const float* rows, size_t i, size_t stride, size_t dims, const float* columns,
                 size_t b, const Out& out) {
  const size_t lines = (dims + 1) / 2;
  const float* row = rows + i * stride;
  const float* column = columns + b * lines * 16;
  __m256 low[kRows], high[kRows];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) low[r] = high[r] = _mm256_setzero_ps();
  for (size_t g = 0; g < dims / 2; ++g) {
    const __m256 low_line = _mm256_load_ps(column + g * 16);
    const __m256 high_line = _mm256_load_ps(column + g * 16 + 8);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m256 x = BroadcastPair(row + static_cast<size_t>(r) * stride + 2 * g);
      low[r] = _mm256_fmadd_ps(x, low_line, low[r]);
      high[r] = _mm256_fmadd_ps(x, high_line, high[r]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    if (dims % 2 != 0) {
      // The odd lanes keep their sums.
      const __m256 x = _mm256_set1_ps(row[static_cast<size_t>(r) * stride + dims - 1]);
      const float* last = column + (lines - 1) * 16;
      low[r] = _mm256_blend_ps(low[r], _mm256_fmadd_ps(x, _mm256_load_ps(last), low[r]), 0x55);
      high[r] =
          _mm256_blend_ps(high[r], _mm256_fmadd_ps(x, _mm256_load_ps(last + 8), high[r]), 0x55);
    }
    out(i + static_cast<size_t>(r), b, low[r], high[r]);
  }
}

// The last n <= kRows rows.
template <int kRows, typename Out>
inline void LastRows(const float* rows, size_t i, size_t n, size_t stride, size_t dims,
                     const float* columns, size_t b, const Out& out) {
  if (n == kRows) {
    Tile<kRows>(rows, i, stride, dims, columns, b, out);
  } else if constexpr (kRows > 1) {
    LastRows<kRows - 1>(rows, i, n, stride, dims, columns, b, out);
  }
}

template <typename Out>
inline void Multiply(const float* rows, size_t n, size_t stride, size_t dims, const float* columns,
                     size_t blocks, const Out& out) {
  for (size_t b = 0; b < blocks; ++b) {
    size_t i = 0;
    for (; i + kTileRows <= n; i += kTileRows)
      Tile<kTileRows>(rows, i, stride, dims, columns, b, out);
    LastRows<kTileRows - 1>(rows, i, n - i, stride, dims, columns, b, out);
  }
}

}  // namespace

void MultiplyF32Avx2(const float* rows, size_t n, size_t dims, const float* columns,
                     size_t columns_n, float* const* products) {
  Multiply(rows, n, dims, dims, columns, (columns_n + 7) / 8, Store{products, columns_n});
}

void SignsF32Avx2(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                  uint8_t* bits) {
  Multiply(rows, n, dims, dims, columns, blocks, StoreSigns{bits, blocks});
}

void MaxSimF32Avx2(const float* rows, size_t n, size_t stride, size_t dims, const float* columns,
                   size_t columns_n, float* largest, uint32_t* tokens) {
  const size_t blocks = (columns_n + 7) / 8;
  for (size_t b = 0; b < blocks; ++b) {
    _mm256_storeu_ps(largest + b * 8, _mm256_set1_ps(-__builtin_inff()));
  }
  if (tokens == nullptr) {
    Multiply(rows, n, stride, dims, columns, blocks, KeepLargest<false>{largest, tokens});
  } else {
    __builtin_memset(tokens, 0, blocks * 8 * sizeof(*tokens));
    Multiply(rows, n, stride, dims, columns, blocks, KeepLargest<true>{largest, tokens});
  }
}

void SumRowsF32Avx2(const float* const* rows, size_t n, size_t dims, float factor, float* sums) {
  const __m256 f = _mm256_set1_ps(factor);
  size_t j = 0;
  for (; j + 64 <= dims; j += 64) {
    __m256 s[8];
    for (size_t l = 0; l < 8; ++l) s[l] = _mm256_loadu_ps(rows[0] + j + 8 * l);
    for (size_t i = 1; i < n; ++i) {
      const float* row = rows[i] + j;
      for (size_t l = 0; l < 8; ++l) s[l] = _mm256_add_ps(s[l], _mm256_loadu_ps(row + 8 * l));
    }
    for (size_t l = 0; l < 8; ++l) _mm256_storeu_ps(sums + j + 8 * l, _mm256_mul_ps(s[l], f));
  }
  for (; j + 8 <= dims; j += 8) {
    __m256 s = _mm256_loadu_ps(rows[0] + j);
    for (size_t i = 1; i < n; ++i) s = _mm256_add_ps(s, _mm256_loadu_ps(rows[i] + j));
    _mm256_storeu_ps(sums + j, _mm256_mul_ps(s, f));
  }
  for (; j < dims; ++j) {
    float sum = rows[0][j];
    for (size_t i = 1; i < n; ++i) sum += rows[i][j];
    sums[j] = sum * factor;
  }
}

}  // namespace nestor
