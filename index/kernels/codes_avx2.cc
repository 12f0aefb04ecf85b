// AVX2. Only intrinsics and the kernel headers here.
#include <immintrin.h>

#include "index/kernels/codes.h"

namespace nestor {
namespace {

inline __m256i Load(const uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

// Lines whose sums fit 16 bits: each adds four entries of at most 255 to a sum.
constexpr size_t kLinesOf16Bits = 64;

// Sums of the bytes at even and at odd places, in 16 bits. `even` also gathers the odd ones, times
// 256 and modulo 2^16, until they are taken out again: a shift less for each byte.
struct Sums16 {
  __m256i even = _mm256_setzero_si256();
  __m256i odd = _mm256_setzero_si256();

  void Add(__m256i bytes) {
    even = _mm256_add_epi16(even, bytes);
    odd = _mm256_add_epi16(odd, _mm256_srli_epi16(bytes, 8));
  }
};

// Two sub-quantizers of 16 rows, one in each half of `codes`.
inline void Look(const uint8_t* table, __m256i codes, Sums16* sums) {
  const __m256i low = _mm256_set1_epi8(15);
  sums->Add(_mm256_shuffle_epi8(Load(table), _mm256_and_si256(codes, low)));
  sums->Add(
      _mm256_shuffle_epi8(Load(table + 64), _mm256_and_si256(_mm256_srli_epi16(codes, 4), low)));
}

inline __m256i AddHalves(__m256i sums) {
  return _mm256_add_epi32(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(sums)),
                          _mm256_cvtepu16_epi32(_mm256_extracti128_si256(sums, 1)));
}

}  // namespace

void ScanOpq4Avx2(const uint8_t* base, size_t lines, size_t blocks, const uint8_t* tables,
                  float step, float bias, float* sums) {
  // Four rows' four bytes, to the first bytes of all four, then the second ones ..
  const __m256i transpose =
      _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,  //
                       0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m256 steps = _mm256_set1_ps(step);
  const __m256 start = _mm256_set1_ps(bias);
  for (size_t b = 0; b < blocks; ++b) {
    const uint8_t* block = base + b * lines * 64;
    __m256i even = _mm256_setzero_si256(), odd = even;
    for (size_t first = 0; first < lines; first += kLinesOf16Bits) {
      const size_t end = lines - first < kLinesOf16Bits ? lines : first + kLinesOf16Bits;
      Sums16 s;
      for (size_t g = first; g < end; ++g) {
        const uint8_t* line = block + g * 64;
        const __m256i a = _mm256_shuffle_epi8(Load(line), transpose);
        const __m256i c = _mm256_shuffle_epi8(Load(line + 32), transpose);
        // Byte 0 of rows 0-3, 8-11, 4-7, 12-15, then byte 1 of them; bytes 2 and 3.
        const __m256i low = _mm256_permute4x64_epi64(_mm256_unpacklo_epi32(a, c), 0xd8);
        const __m256i high = _mm256_permute4x64_epi64(_mm256_unpackhi_epi32(a, c), 0xd8);
        Look(tables + g * 128, low, &s);
        Look(tables + g * 128 + 32, high, &s);
      }
      const __m256i true_even = _mm256_sub_epi16(s.even, _mm256_slli_epi16(s.odd, 8));
      even = _mm256_add_epi32(even, AddHalves(true_even));
      odd = _mm256_add_epi32(odd, AddHalves(s.odd));
    }
    // The order of rows above makes these rows 0-7 and 8-15.
    const __m256 rows0 = _mm256_cvtepi32_ps(_mm256_unpacklo_epi32(even, odd));
    const __m256 rows8 = _mm256_cvtepi32_ps(_mm256_unpackhi_epi32(even, odd));
    _mm256_storeu_ps(sums + b * 16, _mm256_add_ps(_mm256_mul_ps(rows0, steps), start));
    _mm256_storeu_ps(sums + b * 16 + 8, _mm256_add_ps(_mm256_mul_ps(rows8, steps), start));
  }
}

}  // namespace nestor
