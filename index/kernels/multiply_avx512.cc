// AVX-512. Only intrinsics and the kernel headers here.
#include <immintrin.h>

#include "index/kernels/multiply.h"

namespace nestor {
namespace {

// Rows and blocks of columns whose sums are in registers together: 24 sums hide the latency of the
// multiply-adds, and each loaded value serves several.
constexpr int kTileRows = 8;
constexpr int kTileBlocks = 3;

struct Store {
  float* products;
  size_t stride;
  void operator()(size_t i, size_t b, __m512 sum) const {
    _mm512_storeu_ps(products + i * stride + b * 16, sum);
  }
};

struct StoreSigns {
  uint16_t* bits;
  size_t stride;
  void operator()(size_t i, size_t b, __m512 sum) const {
    bits[i * stride + b] = _mm512_cmp_ps_mask(sum, _mm512_setzero_ps(), _CMP_GT_OQ);
  }
};

template <int kRows, int kBlocks, typename Out>
inline void Tile(const float* rows, size_t i, size_t dims, const float* columns, size_t b,
                 const Out& out) {
  const float* row = rows + i * dims;
  const float* column = columns + b * dims * 16;
  __m512 s[kRows][kBlocks];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int c = 0; c < kBlocks; ++c) s[r][c] = _mm512_setzero_ps();
  }
  for (size_t d = 0; d < dims; ++d) {
    __m512 line[kBlocks];
#pragma GCC unroll 3
    for (int c = 0; c < kBlocks; ++c) {
      line[c] = _mm512_load_ps(column + (static_cast<size_t>(c) * dims + d) * 16);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m512 x = _mm512_set1_ps(row[static_cast<size_t>(r) * dims + d]);
#pragma GCC unroll 3
      for (int c = 0; c < kBlocks; ++c) s[r][c] = _mm512_fmadd_ps(x, line[c], s[r][c]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int c = 0; c < kBlocks; ++c) {
      out(i + static_cast<size_t>(r), b + static_cast<size_t>(c), s[r][c]);
    }
  }
}

// All rows with kBlocks blocks of columns, which stay in the L1 cache.
template <int kBlocks, typename Out>
inline void Rows(const float* rows, size_t n, size_t dims, const float* columns, size_t b,
                 const Out& out) {
  size_t i = 0;
  for (; i + kTileRows <= n; i += kTileRows) {
    Tile<kTileRows, kBlocks>(rows, i, dims, columns, b, out);
  }
  if (i + 4 <= n) {
    Tile<4, kBlocks>(rows, i, dims, columns, b, out);
    i += 4;
  }
  if (i + 2 <= n) {
    Tile<2, kBlocks>(rows, i, dims, columns, b, out);
    i += 2;
  }
  if (i < n) Tile<1, kBlocks>(rows, i, dims, columns, b, out);
}

template <typename Out>
inline void Multiply(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                     const Out& out) {
  size_t b = 0;
  for (; b + kTileBlocks <= blocks; b += kTileBlocks) {
    Rows<kTileBlocks>(rows, n, dims, columns, b, out);
  }
  for (; b < blocks; ++b) Rows<1>(rows, n, dims, columns, b, out);
}

}  // namespace

void MultiplyF32Avx512(const float* rows, size_t n, size_t dims, const float* columns,
                       size_t blocks, size_t stride, float* products) {
  Multiply(rows, n, dims, columns, blocks, Store{products, stride});
}

void SignsF32Avx512(const float* rows, size_t n, size_t dims, const float* columns, size_t blocks,
                    uint16_t* bits) {
  Multiply(rows, n, dims, columns, blocks, StoreSigns{bits, blocks});
}

void SumRowsF32Avx512(const float* const* rows, size_t n, size_t dims, float* sums) {
  size_t j = 0;
  for (; j + 64 <= dims; j += 64) {
    __m512 s[4];
    for (size_t l = 0; l < 4; ++l) s[l] = _mm512_loadu_ps(rows[0] + j + 16 * l);
    for (size_t i = 1; i < n; ++i) {
      const float* row = rows[i] + j;
      for (size_t l = 0; l < 4; ++l) s[l] = _mm512_add_ps(s[l], _mm512_loadu_ps(row + 16 * l));
    }
    for (size_t l = 0; l < 4; ++l) _mm512_storeu_ps(sums + j + 16 * l, s[l]);
  }
  for (; j < dims; j += 16) {
    const __mmask16 lanes =
        dims - j >= 16 ? __mmask16{0xffff} : static_cast<__mmask16>((1u << (dims - j)) - 1);
    __m512 s = _mm512_maskz_loadu_ps(lanes, rows[0] + j);
    for (size_t i = 1; i < n; ++i) s = _mm512_add_ps(s, _mm512_maskz_loadu_ps(lanes, rows[i] + j));
    _mm512_mask_storeu_ps(sums + j, lanes, s);
  }
}

}  // namespace nestor
