// AVX-512 (F, BW, DQ, VL) with VNNI. Only intrinsics and the kernel header here: nothing inline
// from elsewhere may be compiled with this file's flags.
#include <immintrin.h>

#include "index/kernels/codes.h"
#include "index/kernels/kernels.h"
#include "index/kernels/maxsim.h"
#include "index/kernels/multiply.h"

namespace nestor {
namespace {

constexpr size_t kPrefetchRows = 4;

inline __m512i Line(const int8_t* p) { return _mm512_load_si512(p); }

inline __m512i BroadcastDword(const int8_t* query, size_t g) {
  int32_t dword;
  __builtin_memcpy(&dword, query + 4 * g, 4);
  return _mm512_set1_epi32(dword);
}

inline void StoreSums(__m512i sum, __m512 query_scale, const float* scales, float* sums) {
  const __m512 scale = _mm512_mul_ps(query_scale, _mm512_loadu_ps(scales));
  _mm512_storeu_ps(sums, _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale));
}

// vpdpbusd multiplies unsigned by signed bytes: a code x becomes x + 128 by flipping its top bit,
// and 128 * (sum of the query codes) is what the sums start below.
template <bool kPlaces>
void ScanI8(const int8_t* base, size_t block_bytes, size_t blocks, const int8_t* query,
            const uint32_t* places, size_t groups, float query_scale, const float* scales,
            float* sums) {
  const auto at = [places](size_t g) { return (kPlaces ? places[g] : g) * 64; };
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  __m512i offset = _mm512_setzero_si512();
  for (size_t g = 0; g < groups; ++g)
    offset = _mm512_dpbusd_epi32(offset, flip, BroadcastDword(query, g));
  const __m512i start = _mm512_sub_epi32(_mm512_setzero_si512(), offset);
  const __m512 qscale = _mm512_set1_ps(query_scale);
  size_t b = 0;
  for (; b + 4 <= blocks; b += 4) {
    const int8_t* p0 = base + b * block_bytes;
    const int8_t* p1 = p0 + block_bytes;
    const int8_t* p2 = p1 + block_bytes;
    const int8_t* p3 = p2 + block_bytes;
    __m512i s0 = start, s1 = start, s2 = start, s3 = start;
    for (size_t g = 0; g < groups; ++g) {
      const __m512i q = BroadcastDword(query, g);
      const size_t place = at(g);
      s0 = _mm512_dpbusd_epi32(s0, _mm512_xor_si512(Line(p0 + place), flip), q);
      s1 = _mm512_dpbusd_epi32(s1, _mm512_xor_si512(Line(p1 + place), flip), q);
      s2 = _mm512_dpbusd_epi32(s2, _mm512_xor_si512(Line(p2 + place), flip), q);
      s3 = _mm512_dpbusd_epi32(s3, _mm512_xor_si512(Line(p3 + place), flip), q);
    }
    StoreSums(s0, qscale, scales + b * 16, sums + b * 16);
    StoreSums(s1, qscale, scales + b * 16 + 16, sums + b * 16 + 16);
    StoreSums(s2, qscale, scales + b * 16 + 32, sums + b * 16 + 32);
    StoreSums(s3, qscale, scales + b * 16 + 48, sums + b * 16 + 48);
  }
  for (; b < blocks; ++b) {
    const int8_t* p = base + b * block_bytes;
    __m512i s0 = start, s1 = _mm512_setzero_si512();
    size_t g = 0;
    for (; g + 2 <= groups; g += 2) {
      s0 = _mm512_dpbusd_epi32(s0, _mm512_xor_si512(Line(p + at(g)), flip),
                               BroadcastDword(query, g));
      s1 = _mm512_dpbusd_epi32(s1, _mm512_xor_si512(Line(p + at(g + 1)), flip),
                               BroadcastDword(query, g + 1));
    }
    if (g < groups) {
      s0 = _mm512_dpbusd_epi32(s0, _mm512_xor_si512(Line(p + at(g)), flip),
                               BroadcastDword(query, g));
    }
    StoreSums(_mm512_add_epi32(s0, s1), qscale, scales + b * 16, sums + b * 16);
  }
}

void ScanI8OrPlaces(const int8_t* base, size_t block_bytes, size_t blocks, const int8_t* query,
                    const uint32_t* places, size_t groups, float query_scale, const float* scales,
                    float* sums) {
  const auto scan = places == nullptr ? ScanI8<false> : ScanI8<true>;
  scan(base, block_bytes, blocks, query, places, groups, query_scale, scales, sums);
}

inline __m512 LoadLanes(const float* p) { return _mm512_loadu_ps(p); }
inline __m512 LoadLanes(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

template <typename Stored>
void ScanFloat(const Stored* base, size_t block_bytes, size_t blocks, const float* query,
               size_t dims, float* sums) {
  const char* bytes = reinterpret_cast<const char*>(base);
  for (size_t b = 0; b < blocks; ++b) {
    const Stored* block = reinterpret_cast<const Stored*>(bytes + b * block_bytes);
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t d = 0;
    for (; d + 4 <= dims; d += 4) {
      s0 = _mm512_fmadd_ps(_mm512_set1_ps(query[d]), LoadLanes(block + d * 16), s0);
      s1 = _mm512_fmadd_ps(_mm512_set1_ps(query[d + 1]), LoadLanes(block + d * 16 + 16), s1);
      s2 = _mm512_fmadd_ps(_mm512_set1_ps(query[d + 2]), LoadLanes(block + d * 16 + 32), s2);
      s3 = _mm512_fmadd_ps(_mm512_set1_ps(query[d + 3]), LoadLanes(block + d * 16 + 48), s3);
    }
    for (; d < dims; ++d)
      s0 = _mm512_fmadd_ps(_mm512_set1_ps(query[d]), LoadLanes(block + d * 16), s0);
    _mm512_storeu_ps(sums + b * 16, _mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
  }
}

template <typename T>
inline void PrefetchRow(const T* row, size_t n) {
  const char* p = reinterpret_cast<const char*>(row);
  // The first lines start the walk; of long rows the hardware's stream prefetcher brings the rest.
  const size_t bytes = n * sizeof(T) < 1024 ? n * sizeof(T) : 1024;
  for (size_t i = 0; i < bytes; i += 64) _mm_prefetch(p + i, _MM_HINT_T0);
}

// The sums of the lanes of each, in order.
inline __m128i SumLanes(const __m512i (&s)[4]) {
  const __m512i ab =
      _mm512_add_epi32(_mm512_unpacklo_epi32(s[0], s[1]), _mm512_unpackhi_epi32(s[0], s[1]));
  const __m512i cd =
      _mm512_add_epi32(_mm512_unpacklo_epi32(s[2], s[3]), _mm512_unpackhi_epi32(s[2], s[3]));
  const __m512i abcd =
      _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half =
      _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

void DotsI8(const int8_t* query, const int8_t* const* rows, size_t rows_n, size_t n,
            int32_t* sums) {
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  const size_t whole = n & ~size_t{63};
  const __mmask64 tail = n == whole ? 0 : (~uint64_t{0} >> (64 - (n - whole)));
  __m512i offsets = _mm512_setzero_si512();
  for (size_t j = 0; j < whole; j += 64) {
    offsets = _mm512_dpbusd_epi32(offsets, flip, _mm512_loadu_si512(query + j));
  }
  const __m512i query_tail = _mm512_maskz_loadu_epi8(tail, query + whole);
  if (tail != 0) offsets = _mm512_dpbusd_epi32(offsets, flip, query_tail);
  const __m128i offset = _mm_set1_epi32(_mm512_reduce_add_epi32(offsets));
  for (size_t i = 0; i < rows_n; i += 4) {
    const size_t group = rows_n - i < 4 ? rows_n - i : 4;
    const int8_t* row[4];
    for (size_t r = 0; r < 4; ++r) row[r] = rows[i + (r < group ? r : group - 1)];
    __m512i s[4] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(),
                    _mm512_setzero_si512()};
    for (size_t j = 0; j < whole; j += 64) {
      const __m512i q = _mm512_loadu_si512(query + j);
      for (size_t r = 0; r < 4; ++r) {
        s[r] = _mm512_dpbusd_epi32(s[r], _mm512_xor_si512(_mm512_loadu_si512(row[r] + j), flip), q);
      }
    }
    if (tail != 0) {
      for (size_t r = 0; r < 4; ++r) {
        s[r] = _mm512_dpbusd_epi32(
            s[r], _mm512_xor_si512(_mm512_maskz_loadu_epi8(tail, row[r] + whole), flip),
            query_tail);
      }
    }
    const __m128i four = _mm_sub_epi32(SumLanes(s), offset);
    _mm_mask_storeu_epi32(sums + i, static_cast<__mmask8>((1u << group) - 1), four);
  }
}

struct F32 {
  using Stored = float;
  static __m512 Load(const float* p) { return _mm512_loadu_ps(p); }
  static __m512 Load(const float* p, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, p); }
};
struct F16 {
  using Stored = uint16_t;
  static __m512 Load(const uint16_t* p) { return LoadLanes(p); }
  static __m512 Load(const uint16_t* p, __mmask16 mask) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, p));
  }
};
struct B16 {
  using Stored = uint16_t;
  static __m512 Widen(__m256i v) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
  }
  static __m512 Load(const uint16_t* p) {
    return Widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static __m512 Load(const uint16_t* p, __mmask16 mask) {
    return Widen(_mm256_maskz_loadu_epi16(mask, p));
  }
};
struct I8 {
  using Stored = int8_t;
  static __m512 Widen(__m128i v) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(v)); }
  static __m512 Load(const int8_t* p) {
    return Widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static __m512 Load(const int8_t* p, __mmask16 mask) {
    return Widen(_mm_maskz_loadu_epi8(mask, p));
  }
};

template <bool kDistance>
inline __m512 Add(__m512 sum, __m512 q, __m512 x) {
  if (!kDistance) return _mm512_fmadd_ps(q, x, sum);
  const __m512 difference = _mm512_sub_ps(q, x);
  return _mm512_fmadd_ps(difference, difference, sum);
}

template <typename Type, bool kDistance>
void Sums(const float* query, const typename Type::Stored* const* rows, size_t rows_n, size_t n,
          float* sums) {
  const size_t whole = n & ~size_t{15};
  const __mmask16 tail = static_cast<__mmask16>((1u << (n - whole)) - 1);
  for (size_t i = 0; i < rows_n && i < kPrefetchRows; ++i) PrefetchRow(rows[i], n);
  for (size_t i = 0; i < rows_n; ++i) {
    if (i + kPrefetchRows < rows_n) PrefetchRow(rows[i + kPrefetchRows], n);
    const typename Type::Stored* row = rows[i];
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t j = 0;
    for (; j + 64 <= n; j += 64) {
      s0 = Add<kDistance>(s0, _mm512_loadu_ps(query + j), Type::Load(row + j));
      s1 = Add<kDistance>(s1, _mm512_loadu_ps(query + j + 16), Type::Load(row + j + 16));
      s2 = Add<kDistance>(s2, _mm512_loadu_ps(query + j + 32), Type::Load(row + j + 32));
      s3 = Add<kDistance>(s3, _mm512_loadu_ps(query + j + 48), Type::Load(row + j + 48));
    }
    for (; j < whole; j += 16)
      s0 = Add<kDistance>(s0, _mm512_loadu_ps(query + j), Type::Load(row + j));
    if (tail != 0) {
      s1 = Add<kDistance>(s1, _mm512_maskz_loadu_ps(tail, query + whole),
                          Type::Load(row + whole, tail));
    }
    sums[i] = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
  }
}

template <typename Type>
void Widen(const typename Type::Stored* values, size_t n, float* out) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) _mm512_storeu_ps(out + i, Type::Load(values + i));
  if (i < n) {
    const __mmask16 tail = static_cast<__mmask16>((1u << (n - i)) - 1);
    _mm512_mask_storeu_ps(out + i, tail, Type::Load(values + i, tail));
  }
}

// Multiply, then add: no fused operation, as the result is to be bit-equal on every level.
template <bool kDistance>
inline __m512d AddF64(__m512d lanes, __m512d x, __m512d y) {
  if (!kDistance) return _mm512_add_pd(lanes, _mm512_mul_pd(x, y));
  const __m512d difference = _mm512_sub_pd(x, y);
  return _mm512_add_pd(lanes, _mm512_mul_pd(difference, difference));
}

template <bool kDistance>
double SumF64(const float* a, const float* b, size_t n) {
  __m512d low = _mm512_setzero_pd(), high = low;
  size_t j = 0;
  for (; j + 16 <= n; j += 16) {
    low = AddF64<kDistance>(low, _mm512_cvtps_pd(_mm256_loadu_ps(a + j)),
                            _mm512_cvtps_pd(_mm256_loadu_ps(b + j)));
    high = AddF64<kDistance>(high, _mm512_cvtps_pd(_mm256_loadu_ps(a + j + 8)),
                             _mm512_cvtps_pd(_mm256_loadu_ps(b + j + 8)));
  }
  if (j < n) {
    const uint32_t tail = (1u << (n - j)) - 1;
    const __mmask8 first = static_cast<__mmask8>(tail);
    const __mmask8 second = static_cast<__mmask8>(tail >> 8);
    low = AddF64<kDistance>(low, _mm512_cvtps_pd(_mm256_maskz_loadu_ps(first, a + j)),
                            _mm512_cvtps_pd(_mm256_maskz_loadu_ps(first, b + j)));
    high = AddF64<kDistance>(high, _mm512_cvtps_pd(_mm256_maskz_loadu_ps(second, a + j + 8)),
                             _mm512_cvtps_pd(_mm256_maskz_loadu_ps(second, b + j + 8)));
  }
  double l[8];
  _mm512_storeu_pd(l, _mm512_add_pd(low, high));
  return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
}

size_t Filter(const float* sums, const float* aux, KeyKind kind, size_t n, float threshold,
              float* keys, float* kept_sums, uint32_t* positions) {
  const __m512 bar = _mm512_set1_ps(threshold);
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  size_t kept = 0;
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 rows = n - i >= 16 ? 0xffff : static_cast<__mmask16>((1u << (n - i)) - 1);
    const __m512 sum = _mm512_maskz_loadu_ps(rows, sums + i);
    __m512 key = sum;
    if (kind == KeyKind::kTimes) key = _mm512_mul_ps(sum, _mm512_maskz_loadu_ps(rows, aux + i));
    if (kind == KeyKind::kMinus) key = _mm512_sub_ps(sum, _mm512_maskz_loadu_ps(rows, aux + i));
    const __mmask16 pass = _mm512_mask_cmp_ps_mask(rows, key, bar, _CMP_GT_OQ);
    if (pass == 0) continue;
    // Compress in registers, then a whole store: compressing stores are slow on Zen.
    _mm512_storeu_ps(keys + kept, _mm512_maskz_compress_ps(pass, key));
    _mm512_storeu_ps(kept_sums + kept, _mm512_maskz_compress_ps(pass, sum));
    _mm512_storeu_si512(positions + kept,
                        _mm512_maskz_compress_epi32(
                            pass, _mm512_add_epi32(lane, _mm512_set1_epi32(static_cast<int>(i)))));
    kept += static_cast<size_t>(__builtin_popcount(pass));
  }
  return kept;
}

size_t CountGreater(const float* keys, size_t n, float pivot) {
  const __m512 bar = _mm512_set1_ps(pivot);
  size_t count = 0;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    count += static_cast<size_t>(
        __builtin_popcount(_mm512_cmp_ps_mask(_mm512_loadu_ps(keys + i), bar, _CMP_GT_OQ)));
  }
  if (i < n) {
    const __mmask16 rows = static_cast<__mmask16>((1u << (n - i)) - 1);
    count += static_cast<size_t>(__builtin_popcount(
        _mm512_mask_cmp_ps_mask(rows, _mm512_maskz_loadu_ps(rows, keys + i), bar, _CMP_GT_OQ)));
  }
  return count;
}

void MinMax(const float* keys, size_t n, float* min, float* max) {
  __m512 low = _mm512_set1_ps(keys[0]);
  __m512 high = low;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m512 v = _mm512_loadu_ps(keys + i);
    low = _mm512_min_ps(low, v);
    high = _mm512_max_ps(high, v);
  }
  if (i < n) {
    const __mmask16 rows = static_cast<__mmask16>((1u << (n - i)) - 1);
    const __m512 v = _mm512_mask_loadu_ps(low, rows, keys + i);
    low = _mm512_mask_min_ps(low, rows, low, v);
    high = _mm512_mask_max_ps(high, rows, high, v);
  }
  *min = _mm512_reduce_min_ps(low);
  *max = _mm512_reduce_max_ps(high);
}

}  // namespace

const Kernels kAvx512Kernels = {
    .level = SimdLevel::kAvx512,
    .scan_i8 = ScanI8OrPlaces,
    .scan_f16 = ScanFloat<uint16_t>,
    .scan_f32 = ScanFloat<float>,
    .scan_opq4 = ScanOpq4Avx512,
    .scan_opq8 = ScanOpq8,
    .dots_i8 = DotsI8,
    .dots_f32 = Sums<F32, false>,
    .dots_f16 = Sums<F16, false>,
    .dots_bf16 = Sums<B16, false>,
    .dots_i8f = Sums<I8, false>,
    .l2s_f32 = Sums<F32, true>,
    .l2s_f16 = Sums<F16, true>,
    .l2s_bf16 = Sums<B16, true>,
    .l2s_i8f = Sums<I8, true>,
    .maxsim_i8 = MaxSimI8Avx512,
    .multiply_f32 = MultiplyF32Avx512,
    .signs_f32 = SignsF32Avx512,
    .maxsim_f32 = MaxSimF32Avx512,
    .sum_rows_f32 = SumRowsF32Avx512,
    .widen_f16 = Widen<F16>,
    .widen_bf16 = Widen<B16>,
    .widen_i8 = Widen<I8>,
    .dot_f64 = SumF64<false>,
    .l2_f64 = SumF64<true>,
    .filter = Filter,
    .count_greater = CountGreater,
    .min_max = MinMax,
};

}  // namespace nestor
