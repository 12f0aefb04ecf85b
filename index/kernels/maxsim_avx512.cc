// AVX-512 with VNNI. Only intrinsics and the kernel headers here.
#include <immintrin.h>

#include "index/kernels/maxsim.h"

namespace nestor {
namespace {

// Query tokens and blocks of document tokens whose sums are in registers together.
constexpr int kTileQueries = 8;
constexpr int kTileBlocks = 3;

// The largest products so far of kTileQueries query tokens with the document's, by lane: token t is
// in lane t % 16. `first` is the first token of the block that they are of.
struct Best {
  __m512 product[kTileQueries];
  __m512i first[kTileQueries];
};

struct Document {
  const int8_t* base;
  size_t block_bytes;
  size_t n;
  const float* scales;
};

// vpdpbusd multiplies unsigned by signed bytes: a code x becomes x + 128 by flipping its top bit,
// and 128 * (sum of the query's codes) is what the sums start below.
template <int kQueries, int kBlocks, bool kTokens>
inline void Tile(const int8_t* query, const int32_t* code_sums, size_t groups,
                 const Document& document, size_t b, Best* best) {
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  const int8_t* base = document.base + b * document.block_bytes;
  __m512i s[kQueries][kBlocks];
#pragma GCC unroll 8
  for (int q = 0; q < kQueries; ++q) {
#pragma GCC unroll 3
    for (int c = 0; c < kBlocks; ++c) s[q][c] = _mm512_set1_epi32(-128 * code_sums[q]);
  }
  for (size_t g = 0; g < groups; ++g) {
    __m512i line[kBlocks];
#pragma GCC unroll 3
    for (int c = 0; c < kBlocks; ++c) {
      line[c] = _mm512_xor_si512(
          _mm512_load_si512(base + static_cast<size_t>(c) * document.block_bytes + g * 64), flip);
    }
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      int32_t dword;
      __builtin_memcpy(&dword, query + (static_cast<size_t>(q) * groups + g) * 4, 4);
      const __m512i x = _mm512_set1_epi32(dword);
#pragma GCC unroll 3
      for (int c = 0; c < kBlocks; ++c) s[q][c] = _mm512_dpbusd_epi32(s[q][c], line[c], x);
    }
  }
#pragma GCC unroll 3
  for (int c = 0; c < kBlocks; ++c) {
    const size_t first = (b + static_cast<size_t>(c)) * 16;
    const size_t left = document.n - first;
    const __mmask16 lanes =
        left >= 16 ? __mmask16{0xffff} : static_cast<__mmask16>((1u << left) - 1);
    const __m512 scales = _mm512_maskz_loadu_ps(lanes, document.scales + first);
#pragma GCC unroll 8
    for (int q = 0; q < kQueries; ++q) {
      const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(s[q][c]), scales);
      if (kTokens) {
        const __mmask16 above =
            _mm512_mask_cmp_ps_mask(lanes, product, best->product[q], _CMP_GT_OQ);
        best->product[q] = _mm512_mask_mov_ps(best->product[q], above, product);
        best->first[q] = _mm512_mask_mov_epi32(best->first[q], above,
                                               _mm512_set1_epi32(static_cast<int>(first)));
      } else {
        best->product[q] = _mm512_mask_max_ps(best->product[q], lanes, best->product[q], product);
      }
    }
  }
}

// The largest lane of each of the eight, together: 24 steps where one by one it takes 64. Documents
// of few tokens end here often.
inline void LargestOfEach(const __m512* products, float* largest) {
  static_assert(kTileQueries == 8);
  __m512 halves[4], quarters[2];  // 8, then 4 lanes of each
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512 x = products[2 * i], y = products[2 * i + 1];
    halves[i] = _mm512_max_ps(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xee));
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const __m512 x = halves[2 * i], y = halves[2 * i + 1];
    quarters[i] = _mm512_max_ps(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd));
  }
  // Of each 128 bits: two lanes of one of the first four and of one of the others, by turns.
  const __m512 pairs = _mm512_max_ps(_mm512_unpacklo_ps(quarters[0], quarters[1]),
                                     _mm512_unpackhi_ps(quarters[0], quarters[1]));
  const __m512 all = _mm512_max_ps(pairs, _mm512_permute_ps(pairs, 0x4e));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
  _mm256_storeu_ps(largest, _mm512_castps512_ps256(_mm512_permutexvar_ps(order, all)));
}

// The first token with the largest product.
inline uint32_t TokenOf(__m512 products, __m512i firsts, float largest) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __mmask16 equal = _mm512_cmp_ps_mask(products, _mm512_set1_ps(largest), _CMP_EQ_OQ);
  return _mm512_mask_reduce_min_epu32(equal, _mm512_add_epi32(firsts, lane));
}

template <int kQueries, bool kTokens>
inline void Queries(const int8_t* query, const int32_t* code_sums, size_t groups,
                    const Document& document, float* largest, uint32_t* tokens) {
  Best best;
  for (int q = 0; q < kTileQueries; ++q) best.product[q] = _mm512_set1_ps(-__builtin_inff());
  for (int q = 0; q < kQueries; ++q) best.first[q] = _mm512_setzero_si512();
  const size_t blocks = (document.n + 15) / 16;
  size_t b = 0;
  for (; b + kTileBlocks <= blocks; b += kTileBlocks) {
    Tile<kQueries, kTileBlocks, kTokens>(query, code_sums, groups, document, b, &best);
  }
  if (b + 2 <= blocks) {
    Tile<kQueries, 2, kTokens>(query, code_sums, groups, document, b, &best);
    b += 2;
  }
  if (b < blocks) Tile<kQueries, 1, kTokens>(query, code_sums, groups, document, b, &best);
  float each[kTileQueries];
  LargestOfEach(best.product, each);
  for (int q = 0; q < kQueries; ++q) {
    largest[q] = each[q];
    if (kTokens) tokens[q] = TokenOf(best.product[q], best.first[q], largest[q]);
  }
}

// The last n <= kQueries query tokens.
template <int kQueries, bool kTokens>
inline void LastQueries(const int8_t* query, const int32_t* code_sums, size_t n, size_t groups,
                        const Document& document, float* largest, uint32_t* tokens) {
  if (n == kQueries) {
    Queries<kQueries, kTokens>(query, code_sums, groups, document, largest, tokens);
  } else if constexpr (kQueries > 1) {
    LastQueries<kQueries - 1, kTokens>(query, code_sums, n, groups, document, largest, tokens);
  }
}

template <bool kTokens>
void MaxSim(const int8_t* query, const int32_t* code_sums, size_t query_n, size_t groups,
            const Document& document, float* largest, uint32_t* tokens) {
  size_t q = 0;
  for (; q + kTileQueries <= query_n; q += kTileQueries) {
    Queries<kTileQueries, kTokens>(query + q * groups * 4, code_sums + q, groups, document,
                                   largest + q, kTokens ? tokens + q : nullptr);
  }
  LastQueries<kTileQueries - 1, kTokens>(query + q * groups * 4, code_sums + q, query_n - q, groups,
                                         document, largest + q, kTokens ? tokens + q : nullptr);
}

}  // namespace

void MaxSimI8Avx512(const int8_t* query, const int32_t* code_sums, size_t query_n, size_t groups,
                    const int8_t* base, size_t block_bytes, size_t n, const float* scales,
                    float* largest, uint32_t* tokens) {
  const Document document = {base, block_bytes, n, scales};
  if (tokens == nullptr) {
    MaxSim<false>(query, code_sums, query_n, groups, document, largest, tokens);
  } else {
    MaxSim<true>(query, code_sums, query_n, groups, document, largest, tokens);
  }
}

}  // namespace nestor
