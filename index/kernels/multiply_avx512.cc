// AVX-512. Only intrinsics and the kernel headers here.
#include <immintrin.h>

#include "index/kernels/multiply.h"

namespace nestor {
namespace {

// Blocks of columns and rows whose sums are in registers together: enough to hide the latency of
// the multiply-adds, and so that each loaded value serves several.
constexpr int kTileBlocks = 3;
constexpr int TileRows(int blocks) { return blocks == 1 ? 16 : 8; }

// Of the sums of even and odd dims of 8 columns, side by side.
inline __m256 AddPairs(__m512 sums) {
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14);
  const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 1, 3, 5, 7, 9, 11, 13, 15);
  return _mm256_add_ps(_mm512_castps512_ps256(_mm512_permutexvar_ps(even, sums)),
                       _mm512_castps512_ps256(_mm512_permutexvar_ps(odd, sums)));
}

struct Store {
  float* const* products;
  size_t columns_n;
  void operator()(size_t i, size_t b, __m512 sums) const {
    float* to = products[i] + b * 8;
    const size_t left = columns_n - b * 8;
    if (left >= 8) {
      _mm256_storeu_ps(to, AddPairs(sums));
    } else {
      _mm256_mask_storeu_ps(to, static_cast<__mmask8>((1u << left) - 1), AddPairs(sums));
    }
  }
};

struct StoreSigns {
  uint8_t* bits;
  size_t blocks;
  void operator()(size_t i, size_t b, __m512 sums) const {
    bits[i * blocks + b] = _mm256_cmp_ps_mask(AddPairs(sums), _mm256_setzero_ps(), _CMP_GT_OQ);
  }
};

// Rows come in order, so the first of equals stays.
template <bool kTokens>
struct KeepLargest {
  float* largest;
  uint32_t* tokens;
  void operator()(size_t i, size_t b, __m512 sums) const {
    const __m256 product = AddPairs(sums);
    float* best = largest + b * 8;
    const __mmask8 above = _mm256_cmp_ps_mask(product, _mm256_loadu_ps(best), _CMP_GT_OQ);
    _mm256_storeu_ps(best, _mm256_mask_mov_ps(_mm256_loadu_ps(best), above, product));
    if (kTokens) {
      _mm256_mask_storeu_epi32(tokens + b * 8, above, _mm256_set1_epi32(static_cast<int>(i)));
    }
  }
};

inline __m512 BroadcastPair(const float* p) {
  double pair;
  __builtin_memcpy(&pair, p, sizeof(pair));
  return _mm512_castpd_ps(_mm512_set1_pd(pair));
}

template <int kRows, int kBlocks, typename Out>
inline void Tile(const float* rows, size_t i, size_t stride, size_t dims, const float* columns,
                 size_t b, const Out& out) {
  const size_t lines = (dims + 1) / 2;
  const float* row = rows + i * stride;
  const float* column = columns + b * lines * 16;
  __m512 s[kRows][kBlocks];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int c = 0; c < kBlocks; ++c) s[r][c] = _mm512_setzero_ps();
  }
  for (size_t g = 0; g < dims / 2; ++g) {
    __m512 line[kBlocks];
#pragma GCC unroll 3
    for (int c = 0; c < kBlocks; ++c) {
      line[c] = _mm512_load_ps(column + (static_cast<size_t>(c) * lines + g) * 16);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const __m512 x = BroadcastPair(row + static_cast<size_t>(r) * stride + 2 * g);
#pragma GCC unroll 3
      for (int c = 0; c < kBlocks; ++c) s[r][c] = _mm512_fmadd_ps(x, line[c], s[r][c]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int c = 0; c < kBlocks; ++c) {
      if (dims % 2 != 0) {
        const __m512 x = _mm512_set1_ps(row[static_cast<size_t>(r) * stride + dims - 1]);
        const float* last = column + (static_cast<size_t>(c) * lines + lines - 1) * 16;
        s[r][c] = _mm512_mask3_fmadd_ps(x, _mm512_load_ps(last), s[r][c], 0x5555);
      }
      out(i + static_cast<size_t>(r), b + static_cast<size_t>(c), s[r][c]);
    }
  }
}

// The last n <= kRows rows.
template <int kRows, int kBlocks, typename Out>
inline void LastRows(const float* rows, size_t i, size_t n, size_t stride, size_t dims,
                     const float* columns, size_t b, const Out& out) {
  if (n == kRows) {
    Tile<kRows, kBlocks>(rows, i, stride, dims, columns, b, out);
  } else if constexpr (kRows > 1) {
    LastRows<kRows - 1, kBlocks>(rows, i, n, stride, dims, columns, b, out);
  }
}

// All rows with kBlocks blocks of columns, which stay in the L1 cache.
template <int kBlocks, typename Out>
inline void Rows(const float* rows, size_t n, size_t stride, size_t dims, const float* columns,
                 size_t b, const Out& out) {
  constexpr int kRows = TileRows(kBlocks);
  size_t i = 0;
  for (; i + kRows <= n; i += kRows) Tile<kRows, kBlocks>(rows, i, stride, dims, columns, b, out);
  LastRows<kRows - 1, kBlocks>(rows, i, n - i, stride, dims, columns, b, out);
}

template <typename Out>
inline void Multiply(const float* rows, size_t n, size_t stride, size_t dims, const float* columns,
                     size_t blocks, const Out& out) {
  size_t b = 0;
  for (; b + kTileBlocks <= blocks; b += kTileBlocks) {
    Rows<kTileBlocks>(rows, n, stride, dims, columns, b, out);
  }
  for (; b < blocks; ++b) Rows<1>(rows, n, stride, dims, columns, b, out);
}

}  // namespace

void MultiplyF32Avx512(const float* rows, size_t n, size_t dims, const float* columns,
                       size_t columns_n, float* const* products) {
  Multiply(rows, n, dims, dims, columns, (columns_n + 7) / 8, Store{products, columns_n});
}

void SignsF32Avx512(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                    uint8_t* bits) {
  Multiply(rows, n, dims, dims, columns, blocks, StoreSigns{bits, blocks});
}

void MaxSimF32Avx512(const float* rows, size_t n, size_t stride, size_t dims, const float* columns,
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

void SumRowsF32Avx512(const float* const* rows, size_t n, size_t dims, float factor, float* sums) {
  const __m512 f = _mm512_set1_ps(factor);
  size_t j = 0;
  for (; j + 128 <= dims; j += 128) {
    __m512 s[8];
    for (size_t l = 0; l < 8; ++l) s[l] = _mm512_loadu_ps(rows[0] + j + 16 * l);
    for (size_t i = 1; i < n; ++i) {
      const float* row = rows[i] + j;
      for (size_t l = 0; l < 8; ++l) s[l] = _mm512_add_ps(s[l], _mm512_loadu_ps(row + 16 * l));
    }
    for (size_t l = 0; l < 8; ++l) _mm512_storeu_ps(sums + j + 16 * l, _mm512_mul_ps(s[l], f));
  }
  for (; j < dims; j += 16) {
    const __mmask16 lanes =
        dims - j >= 16 ? __mmask16{0xffff} : static_cast<__mmask16>((1u << (dims - j)) - 1);
    __m512 s = _mm512_maskz_loadu_ps(lanes, rows[0] + j);
    for (size_t i = 1; i < n; ++i) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(lanes, rows[i] + j));
    _mm512_mask_storeu_ps(sums + j, lanes, _mm512_mul_ps(s, f));
  }
}

}  // namespace nestor
