// AVX-512 with VNNI and VBMI. Only intrinsics and the kernel headers here.
#include <immintrin.h>

#include "index/kernels/codes.h"

namespace nestor {
namespace {

// Adds up the entries of eight sub-quantizers of 16 rows: vpermb looks 64 nibbles up in four tables
// of 16 entries at once, the place of a byte in its row choosing the table, and vpdpbusd adds a
// row's four.
inline __m512i AddLine(__m512i sum, __m512i codes, __m512i low_tables, __m512i high_tables) {
  const __m512i nibble = _mm512_set1_epi8(15);
  const __m512i table = _mm512_set1_epi32(0x30201000);
  const __m512i ones = _mm512_set1_epi8(1);
  constexpr int kAndOr = 0xea;  // (a & b) | c
  const __m512i low = _mm512_ternarylogic_epi32(codes, nibble, table, kAndOr);
  const __m512i high =
      _mm512_ternarylogic_epi32(_mm512_srli_epi16(codes, 4), nibble, table, kAndOr);
  sum = _mm512_dpbusd_epi32(sum, _mm512_permutexvar_epi8(low, low_tables), ones);
  return _mm512_dpbusd_epi32(sum, _mm512_permutexvar_epi8(high, high_tables), ones);
}

inline __m512i Line(const uint8_t* p) { return _mm512_load_si512(p); }

// Four lines of the next four blocks: four streams at once are more than the hardware's prefetcher
// follows. A scan from DRAM is 1.1 to 1.6 times as fast.
inline void Prefetch(const uint8_t* p) {
  for (size_t i = 0; i < 4; ++i) _mm_prefetch(p + i * 64, _MM_HINT_T0);
}

inline void Store(__m512i sum, __m512 step, __m512 bias, float* sums) {
  _mm512_storeu_ps(sums, _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), step), bias));
}

}  // namespace

void ScanOpq4Avx512(const uint8_t* base, size_t lines, size_t blocks, const uint8_t* tables,
                    float step, float bias, float* sums) {
  const __m512 steps = _mm512_set1_ps(step);
  const __m512 start = _mm512_set1_ps(bias);
  const size_t block_bytes = lines * 64;
  size_t b = 0;
  // Four blocks share the loads of the tables, and are four chains of sums.
  for (; b + 4 <= blocks; b += 4) {
    const uint8_t* p0 = base + b * block_bytes;
    const uint8_t* p1 = p0 + block_bytes;
    const uint8_t* p2 = p1 + block_bytes;
    const uint8_t* p3 = p2 + block_bytes;
    __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
    for (size_t g = 0; g < lines; ++g) {
      const __m512i low = _mm512_loadu_si512(tables + g * 128);
      const __m512i high = _mm512_loadu_si512(tables + g * 128 + 64);
      Prefetch(p0 + 4 * block_bytes + 4 * g * 64);
      s0 = AddLine(s0, Line(p0 + g * 64), low, high);
      s1 = AddLine(s1, Line(p1 + g * 64), low, high);
      s2 = AddLine(s2, Line(p2 + g * 64), low, high);
      s3 = AddLine(s3, Line(p3 + g * 64), low, high);
    }
    Store(s0, steps, start, sums + b * 16);
    Store(s1, steps, start, sums + b * 16 + 16);
    Store(s2, steps, start, sums + b * 16 + 32);
    Store(s3, steps, start, sums + b * 16 + 48);
  }
  for (; b < blocks; ++b) {
    const uint8_t* p = base + b * block_bytes;
    __m512i s = _mm512_setzero_si512();
    for (size_t g = 0; g < lines; ++g) {
      s = AddLine(s, Line(p + g * 64), _mm512_loadu_si512(tables + g * 128),
                  _mm512_loadu_si512(tables + g * 128 + 64));
    }
    Store(s, steps, start, sums + b * 16);
  }
}

}  // namespace nestor
