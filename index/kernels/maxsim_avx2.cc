// AVX2. int8 products are widened to int16 first: the saturating vpmaddubsw is not exact. Only
// intrinsics and the kernel headers here.
#include <immintrin.h>

#include "index/kernels/maxsim.h"

namespace nestor {
namespace {

constexpr size_t kMostDims = 1024;

// 16 bytes -> 16 int16.
inline __m256i Widen(const int8_t* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

// The largest products of one query token so far: token t in lane t % 16. `first` is the first
// token of the block that they are of.
struct Best {
  __m256 product[2];
  __m256i first[2];
};

inline void Keep(__m256 product, int first, __m256 valid, int half, Best* best) {
  const __m256 above =
      _mm256_and_ps(valid, _mm256_cmp_ps(product, best->product[half], _CMP_GT_OQ));
  best->product[half] = _mm256_blendv_ps(best->product[half], product, above);
  best->first[half] =
      _mm256_blendv_epi8(best->first[half], _mm256_set1_epi32(first), _mm256_castps_si256(above));
}

// kQueries query tokens, widened, with all document tokens.
template <int kQueries>
inline void Queries(const int16_t (*query)[kMostDims], size_t groups, const int8_t* base,
                    size_t block_bytes, size_t n, const float* scales, float* largest,
                    uint32_t* tokens) {
  Best best[kQueries];
  for (Best& b : best) {
    for (int half = 0; half < 2; ++half) {
      b.product[half] = _mm256_set1_ps(-__builtin_inff());
      b.first[half] = _mm256_setzero_si256();
    }
  }
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  for (size_t first = 0; first < n; first += 16) {
    const int8_t* block = base + first / 16 * block_bytes;
    // Sums of pairs of dims: each 16-byte quarter of a line holds 4 tokens.
    __m256i s[kQueries][4];
#pragma GCC unroll 2
    for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) s[q][c] = _mm256_setzero_si256();
    }
    for (size_t g = 0; g < groups; ++g) {
      __m256i quarter[4];
#pragma GCC unroll 4
      for (int c = 0; c < 4; ++c) quarter[c] = Widen(block + g * 64 + c * 16);
#pragma GCC unroll 2
      for (int q = 0; q < kQueries; ++q) {
        int64_t dims;
        __builtin_memcpy(&dims, query[q] + g * 4, 8);
        const __m256i x = _mm256_set1_epi64x(dims);
#pragma GCC unroll 4
        for (int c = 0; c < 4; ++c) {
          s[q][c] = _mm256_add_epi32(s[q][c], _mm256_madd_epi16(quarter[c], x));
        }
      }
    }
    // The lanes of the last block behind token n are no tokens.
    const int left = static_cast<int>(n - first < 16 ? n - first : 16);
    __m256 valid[2], scale[2];
    for (int half = 0; half < 2; ++half) {
      const __m256i inside = _mm256_cmpgt_epi32(_mm256_set1_epi32(left - 8 * half), lane);
      valid[half] = _mm256_castsi256_ps(inside);
      scale[half] = _mm256_maskload_ps(scales + first + 8 * half, inside);
    }
#pragma GCC unroll 2
    for (int q = 0; q < kQueries; ++q) {
      // hadd gives tokens 0 1 4 5 | 2 3 6 7; the permutation puts them in order.
      const __m256i low = _mm256_permute4x64_epi64(_mm256_hadd_epi32(s[q][0], s[q][1]), 0xd8);
      const __m256i high = _mm256_permute4x64_epi64(_mm256_hadd_epi32(s[q][2], s[q][3]), 0xd8);
      Keep(_mm256_mul_ps(_mm256_cvtepi32_ps(low), scale[0]), static_cast<int>(first), valid[0], 0,
           &best[q]);
      Keep(_mm256_mul_ps(_mm256_cvtepi32_ps(high), scale[1]), static_cast<int>(first), valid[1], 1,
           &best[q]);
    }
  }
  for (int q = 0; q < kQueries; ++q) {
    float products[16];
    int firsts[16];
    for (int half = 0; half < 2; ++half) {
      _mm256_storeu_ps(products + 8 * half, best[q].product[half]);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(firsts + 8 * half), best[q].first[half]);
    }
    float most = products[0];
    uint32_t token = static_cast<uint32_t>(firsts[0]);
    for (uint32_t i = 1; i < 16; ++i) {
      const uint32_t t = static_cast<uint32_t>(firsts[i]) + i;
      if (products[i] > most || (products[i] == most && t < token)) {
        most = products[i];
        token = t;
      }
    }
    largest[q] = most;
    if (tokens != nullptr) tokens[q] = token;
  }
}

}  // namespace

void MaxSimI8Avx2(const int8_t* query, const int32_t* code_sums, size_t query_n, size_t groups,
                  const int8_t* base, size_t block_bytes, size_t n, const float* scales,
                  float* largest, uint32_t* tokens) {
  int16_t widened[2][kMostDims];
  for (size_t q = 0; q < query_n; q += 2) {
    const size_t pair = query_n - q < 2 ? 1 : 2;
    for (size_t i = 0; i < pair; ++i) {
      const int8_t* row = query + (q + i) * groups * 4;
      for (size_t d = 0; d < groups * 4; ++d) widened[i][d] = row[d];
    }
    uint32_t* matches = tokens == nullptr ? nullptr : tokens + q;
    if (pair == 2) {
      Queries<2>(widened, groups, base, block_bytes, n, scales, largest + q, matches);
    } else {
      Queries<1>(widened, groups, base, block_bytes, n, scales, largest + q, matches);
    }
  }
}

}  // namespace nestor
