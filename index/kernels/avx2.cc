// AVX2 with FMA and F16C. int8 products are widened to int16 first: the saturating vpmaddubsw is
// not exact. Only intrinsics and the kernel header here.
#include <immintrin.h>

#include "index/kernels/codes.h"
#include "index/kernels/kernels.h"
#include "index/kernels/maxsim.h"
#include "index/kernels/multiply.h"

namespace nestor {
namespace {

constexpr size_t kPrefetchRows = 4;

// 16 bytes -> 16 int16.
inline __m256i Widen(const int8_t* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

// A 64-byte line holds 4 dims of 16 rows: each 16-byte quarter holds 4 rows, whose pairs of int32
// sums are added up at the end.
template <bool kPlaces>
void ScanI8(const int8_t* base, size_t block_bytes, size_t blocks, const int8_t* query,
            const uint32_t* places, size_t groups, float query_scale, const float* scales,
            float* sums) {
  const __m256 qscale = _mm256_set1_ps(query_scale);
  for (size_t b = 0; b < blocks; ++b) {
    const int8_t* block = base + b * block_bytes;
    __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
    for (size_t g = 0; g < groups; ++g) {
      int32_t dword;
      __builtin_memcpy(&dword, query + 4 * g, 4);
      const __m256i q = _mm256_cvtepi8_epi16(_mm_set1_epi32(dword));
      const int8_t* line = block + (kPlaces ? places[g] : g) * 64;
      s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(Widen(line), q));
      s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(Widen(line + 16), q));
      s2 = _mm256_add_epi32(s2, _mm256_madd_epi16(Widen(line + 32), q));
      s3 = _mm256_add_epi32(s3, _mm256_madd_epi16(Widen(line + 48), q));
    }
    // hadd gives rows 0 1 4 5 | 2 3 6 7; the permutation puts them in order.
    const __m256i rows0 = _mm256_permute4x64_epi64(_mm256_hadd_epi32(s0, s1), 0xd8);
    const __m256i rows8 = _mm256_permute4x64_epi64(_mm256_hadd_epi32(s2, s3), 0xd8);
    const float* scale = scales + b * 16;
    _mm256_storeu_ps(sums + b * 16, _mm256_mul_ps(_mm256_cvtepi32_ps(rows0),
                                                  _mm256_mul_ps(qscale, _mm256_loadu_ps(scale))));
    _mm256_storeu_ps(sums + b * 16 + 8,
                     _mm256_mul_ps(_mm256_cvtepi32_ps(rows8),
                                   _mm256_mul_ps(qscale, _mm256_loadu_ps(scale + 8))));
  }
}

void ScanI8OrPlaces(const int8_t* base, size_t block_bytes, size_t blocks, const int8_t* query,
                    const uint32_t* places, size_t groups, float query_scale, const float* scales,
                    float* sums) {
  const auto scan = places == nullptr ? ScanI8<false> : ScanI8<true>;
  scan(base, block_bytes, blocks, query, places, groups, query_scale, scales, sums);
}

inline __m256 LoadLanes(const float* p) { return _mm256_loadu_ps(p); }
inline __m256 LoadLanes(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

template <typename Stored>
void ScanFloat(const Stored* base, size_t block_bytes, size_t blocks, const float* query,
               size_t dims, float* sums) {
  const char* bytes = reinterpret_cast<const char*>(base);
  for (size_t b = 0; b < blocks; ++b) {
    const Stored* block = reinterpret_cast<const Stored*>(bytes + b * block_bytes);
    __m256 a0 = _mm256_setzero_ps(), a8 = a0, b0 = a0, b8 = a0;
    size_t d = 0;
    for (; d + 2 <= dims; d += 2) {
      const __m256 q0 = _mm256_set1_ps(query[d]);
      const __m256 q1 = _mm256_set1_ps(query[d + 1]);
      a0 = _mm256_fmadd_ps(q0, LoadLanes(block + d * 16), a0);
      a8 = _mm256_fmadd_ps(q0, LoadLanes(block + d * 16 + 8), a8);
      b0 = _mm256_fmadd_ps(q1, LoadLanes(block + d * 16 + 16), b0);
      b8 = _mm256_fmadd_ps(q1, LoadLanes(block + d * 16 + 24), b8);
    }
    if (d < dims) {
      const __m256 q0 = _mm256_set1_ps(query[d]);
      a0 = _mm256_fmadd_ps(q0, LoadLanes(block + d * 16), a0);
      a8 = _mm256_fmadd_ps(q0, LoadLanes(block + d * 16 + 8), a8);
    }
    _mm256_storeu_ps(sums + b * 16, _mm256_add_ps(a0, b0));
    _mm256_storeu_ps(sums + b * 16 + 8, _mm256_add_ps(a8, b8));
  }
}

template <typename T>
inline void PrefetchRow(const T* row, size_t n) {
  const char* p = reinterpret_cast<const char*>(row);
  const size_t bytes = n * sizeof(T) < 1024 ? n * sizeof(T) : 1024;
  for (size_t i = 0; i < bytes; i += 64) _mm_prefetch(p + i, _MM_HINT_T0);
}

void DotsI8(const int8_t* query, const int8_t* const* rows, size_t rows_n, size_t n,
            int32_t* sums) {
  const size_t whole = n & ~size_t{31};
  for (size_t i = 0; i < rows_n; ++i) {
    const int8_t* row = rows[i];
    __m256i s0 = _mm256_setzero_si256(), s1 = s0;
    for (size_t j = 0; j < whole; j += 32) {
      s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(Widen(row + j), Widen(query + j)));
      s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(Widen(row + j + 16), Widen(query + j + 16)));
    }
    const __m256i both = _mm256_add_epi32(s0, s1);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    int32_t sum = _mm_cvtsi128_si32(four);
    for (size_t j = whole; j < n; ++j) sum += static_cast<int32_t>(query[j]) * row[j];
    sums[i] = sum;
  }
}

struct F32 {
  using Stored = float;
  static __m256 Load(const float* p) { return _mm256_loadu_ps(p); }
};
struct F16 {
  using Stored = uint16_t;
  static __m256 Load(const uint16_t* p) { return LoadLanes(p); }
};
struct B16 {
  using Stored = uint16_t;
  static __m256 Load(const uint16_t* p) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
  }
};
struct I8 {
  using Stored = int8_t;
  static __m256 Load(const int8_t* p) {
    const __m128i v = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(v));
  }
};

inline float ReduceAdd(__m256 v) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}

template <bool kDistance>
inline __m256 Add(__m256 sum, __m256 q, __m256 x) {
  if (!kDistance) return _mm256_fmadd_ps(q, x, sum);
  const __m256 difference = _mm256_sub_ps(q, x);
  return _mm256_fmadd_ps(difference, difference, sum);
}

template <typename Type, bool kDistance>
void Sums(const float* query, const typename Type::Stored* const* rows, size_t rows_n, size_t n,
          float* sums) {
  using Stored = typename Type::Stored;
  const size_t whole = n & ~size_t{7};
  for (size_t i = 0; i < rows_n && i < kPrefetchRows; ++i) PrefetchRow(rows[i], n);
  for (size_t i = 0; i < rows_n; ++i) {
    if (i + kPrefetchRows < rows_n) PrefetchRow(rows[i + kPrefetchRows], n);
    const Stored* row = rows[i];
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t j = 0;
    for (; j + 32 <= n; j += 32) {
      s0 = Add<kDistance>(s0, _mm256_loadu_ps(query + j), Type::Load(row + j));
      s1 = Add<kDistance>(s1, _mm256_loadu_ps(query + j + 8), Type::Load(row + j + 8));
      s2 = Add<kDistance>(s2, _mm256_loadu_ps(query + j + 16), Type::Load(row + j + 16));
      s3 = Add<kDistance>(s3, _mm256_loadu_ps(query + j + 24), Type::Load(row + j + 24));
    }
    for (; j < whole; j += 8)
      s0 = Add<kDistance>(s0, _mm256_loadu_ps(query + j), Type::Load(row + j));
    if (j < n) {
      float q[8] = {};
      Stored x[8] = {};
      __builtin_memcpy(q, query + j, (n - j) * sizeof(float));
      __builtin_memcpy(x, row + j, (n - j) * sizeof(Stored));
      s1 = Add<kDistance>(s1, _mm256_loadu_ps(q), Type::Load(x));
    }
    sums[i] = ReduceAdd(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
  }
}

template <typename Type>
void Widen(const typename Type::Stored* values, size_t n, float* out) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, Type::Load(values + i));
  if (i < n) {
    typename Type::Stored x[8] = {};
    float widened[8];
    __builtin_memcpy(x, values + i, (n - i) * sizeof(x[0]));
    _mm256_storeu_ps(widened, Type::Load(x));
    __builtin_memcpy(out + i, widened, (n - i) * sizeof(float));
  }
}

template <bool kDistance>
inline __m256d AddF64(__m256d lanes, const float* a, const float* b) {
  const __m256d x = _mm256_cvtps_pd(_mm_loadu_ps(a));
  const __m256d y = _mm256_cvtps_pd(_mm_loadu_ps(b));
  if (!kDistance) return _mm256_add_pd(lanes, _mm256_mul_pd(x, y));
  const __m256d difference = _mm256_sub_pd(x, y);
  return _mm256_add_pd(lanes, _mm256_mul_pd(difference, difference));
}

// Multiply, then add, in the 16 lanes of the specification.
template <bool kDistance>
double SumF64(const float* a, const float* b, size_t n) {
  __m256d s0 = _mm256_setzero_pd(), s1 = s0, s2 = s0, s3 = s0;
  const auto add = [&](const float* x, const float* y) {
    s0 = AddF64<kDistance>(s0, x, y);
    s1 = AddF64<kDistance>(s1, x + 4, y + 4);
    s2 = AddF64<kDistance>(s2, x + 8, y + 8);
    s3 = AddF64<kDistance>(s3, x + 12, y + 12);
  };
  size_t j = 0;
  for (; j + 16 <= n; j += 16) add(a + j, b + j);
  if (j < n) {
    float x[16] = {};
    float y[16] = {};
    __builtin_memcpy(x, a + j, (n - j) * sizeof(float));
    __builtin_memcpy(y, b + j, (n - j) * sizeof(float));
    add(x, y);
  }
  double l[8];
  _mm256_storeu_pd(l, _mm256_add_pd(s0, s2));
  _mm256_storeu_pd(l + 4, _mm256_add_pd(s1, s3));
  return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
}

size_t Filter(const float* sums, const float* aux, KeyKind kind, size_t n, float threshold,
              float* keys, float* kept_sums, uint32_t* positions) {
  const __m256 bar = _mm256_set1_ps(threshold);
  size_t kept = 0;
  const auto keep = [&](size_t i, float key) {
    keys[kept] = key;
    kept_sums[kept] = sums[i];
    positions[kept] = static_cast<uint32_t>(i);
    ++kept;
  };
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __m256 key = _mm256_loadu_ps(sums + i);
    if (kind == KeyKind::kTimes) key = _mm256_mul_ps(key, _mm256_loadu_ps(aux + i));
    if (kind == KeyKind::kMinus) key = _mm256_sub_ps(key, _mm256_loadu_ps(aux + i));
    int pass = _mm256_movemask_ps(_mm256_cmp_ps(key, bar, _CMP_GT_OQ));
    if (pass == 0) continue;
    float lanes[8];
    _mm256_storeu_ps(lanes, key);
    for (; pass != 0; pass &= pass - 1) {
      const int lane = __builtin_ctz(static_cast<unsigned>(pass));
      keep(i + static_cast<size_t>(lane), lanes[lane]);
    }
  }
  for (; i < n; ++i) {
    float key = sums[i];
    if (kind == KeyKind::kTimes) key = sums[i] * aux[i];
    if (kind == KeyKind::kMinus) key = sums[i] - aux[i];
    if (key > threshold) keep(i, key);
  }
  return kept;
}

size_t CountGreater(const float* keys, size_t n, float pivot) {
  const __m256 bar = _mm256_set1_ps(pivot);
  size_t count = 0;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const int pass = _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(keys + i), bar, _CMP_GT_OQ));
    count += static_cast<size_t>(__builtin_popcount(static_cast<unsigned>(pass)));
  }
  for (; i < n; ++i) count += keys[i] > pivot ? 1 : 0;
  return count;
}

void MinMax(const float* keys, size_t n, float* min, float* max) {
  __m256 low = _mm256_set1_ps(keys[0]);
  __m256 high = low;
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 v = _mm256_loadu_ps(keys + i);
    low = _mm256_min_ps(low, v);
    high = _mm256_max_ps(high, v);
  }
  float lows[8];
  float highs[8];
  _mm256_storeu_ps(lows, low);
  _mm256_storeu_ps(highs, high);
  float lowest = lows[0];
  float highest = highs[0];
  for (int j = 1; j < 8; ++j) {
    lowest = lows[j] < lowest ? lows[j] : lowest;
    highest = highs[j] > highest ? highs[j] : highest;
  }
  for (; i < n; ++i) {
    lowest = keys[i] < lowest ? keys[i] : lowest;
    highest = keys[i] > highest ? keys[i] : highest;
  }
  *min = lowest;
  *max = highest;
}

}  // namespace

const Kernels kAvx2Kernels = {
    .level = SimdLevel::kAvx2,
    .scan_i8 = ScanI8OrPlaces,
    .scan_f16 = ScanFloat<uint16_t>,
    .scan_f32 = ScanFloat<float>,
    .scan_opq4 = ScanOpq4Avx2,
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
    .maxsim_i8 = MaxSimI8Avx2,
    .multiply_f32 = MultiplyF32Avx2,
    .signs_f32 = SignsF32Avx2,
    .maxsim_f32 = MaxSimF32Avx2,
    .sum_rows_f32 = SumRowsF32Avx2,
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
