// The specification of every kernel, in portable C++.
#include <algorithm>

#include "index/half.h"
#include "index/kernels/codes.h"
#include "index/kernels/kernels.h"
#include "index/kernels/maxsim.h"
#include "index/kernels/multiply.h"

namespace nestor {
namespace {

float ToFloat(float x) { return x; }
float ToFloat(int8_t x) { return static_cast<float>(x); }
struct Half {
  uint16_t bits;
};
struct Bf16 {
  uint16_t bits;
};
float ToFloat(Half x) { return HalfToFloat(x.bits); }
float ToFloat(Bf16 x) { return Bf16ToFloat(x.bits); }

void ScanI8(const int8_t* base, size_t block_bytes, size_t blocks, const int8_t* query,
            const uint32_t* places, size_t groups, float query_scale, const float* scales,
            float* sums) {
  for (size_t b = 0; b < blocks; ++b) {
    const int8_t* block = base + b * block_bytes;
    for (size_t r = 0; r < kBlockRows; ++r) {
      int32_t sum = 0;
      for (size_t g = 0; g < groups; ++g) {
        const int8_t* codes = block + (places == nullptr ? g : places[g]) * 64 + r * 4;
        for (size_t j = 0; j < 4; ++j) sum += int32_t{query[4 * g + j]} * codes[j];
      }
      const size_t i = b * kBlockRows + r;
      sums[i] = static_cast<float>(sum) * (query_scale * scales[i]);
    }
  }
}

template <typename T, typename Stored>
void ScanFloat(const Stored* base, size_t block_bytes, size_t blocks, const float* query,
               size_t dims, float* sums) {
  for (size_t b = 0; b < blocks; ++b) {
    const T* block =
        reinterpret_cast<const T*>(reinterpret_cast<const char*>(base) + b * block_bytes);
    for (size_t r = 0; r < kBlockRows; ++r) {
      float sum = 0;
      for (size_t d = 0; d < dims; ++d) sum += query[d] * ToFloat(block[d * kBlockRows + r]);
      sums[b * kBlockRows + r] = sum;
    }
  }
}

void DotsI8(const int8_t* query, const int8_t* const* rows, size_t rows_n, size_t n,
            int32_t* sums) {
  for (size_t i = 0; i < rows_n; ++i) {
    int32_t sum = 0;
    for (size_t j = 0; j < n; ++j) sum += int32_t{query[j]} * rows[i][j];
    sums[i] = sum;
  }
}

// 16 running sums, so that the error bound of a sum holds on every level alike.
template <typename T, bool kDistance, typename Stored>
void Sums(const float* query, const Stored* const* rows, size_t rows_n, size_t n, float* sums) {
  for (size_t i = 0; i < rows_n; ++i) {
    const T* row = reinterpret_cast<const T*>(rows[i]);
    float lanes[16] = {};
    for (size_t j = 0; j < n; ++j) {
      const float x = ToFloat(row[j]);
      lanes[j % 16] += kDistance ? (query[j] - x) * (query[j] - x) : query[j] * x;
    }
    float sum = 0;
    for (float lane : lanes) sum += lane;
    sums[i] = sum;
  }
}

template <typename T, typename Stored>
void Widen(const Stored* values, size_t n, float* out) {
  const T* typed = reinterpret_cast<const T*>(values);
  for (size_t i = 0; i < n; ++i) out[i] = ToFloat(typed[i]);
}

template <bool kDistance>
double SumF64(const float* a, const float* b, size_t n) {
  double lanes[16] = {};
  for (size_t j = 0; j < n; ++j) {
    const double x = a[j];
    const double y = b[j];
    lanes[j % 16] += kDistance ? (x - y) * (x - y) : x * y;
  }
  double l[8];
  for (size_t j = 0; j < 8; ++j) l[j] = lanes[j] + lanes[j + 8];
  return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
}

size_t Filter(const float* sums, const float* aux, KeyKind kind, size_t n, float threshold,
              float* keys, float* kept_sums, uint32_t* positions) {
  size_t kept = 0;
  for (size_t i = 0; i < n; ++i) {
    float key = sums[i];
    if (kind == KeyKind::kTimes) key = sums[i] * aux[i];
    if (kind == KeyKind::kMinus) key = sums[i] - aux[i];
    if (key > threshold) {
      keys[kept] = key;
      kept_sums[kept] = sums[i];
      positions[kept] = static_cast<uint32_t>(i);
      ++kept;
    }
  }
  return kept;
}

size_t CountGreater(const float* keys, size_t n, float pivot) {
  return static_cast<size_t>(
      std::count_if(keys, keys + n, [pivot](float key) { return key > pivot; }));
}

void MinMax(const float* keys, size_t n, float* min, float* max) {
  const auto [lowest, highest] = std::minmax_element(keys, keys + n);
  *min = *lowest;
  *max = *highest;
}

}  // namespace

const Kernels kScalarKernels = {
    .level = SimdLevel::kScalar,
    .scan_i8 = ScanI8,
    .scan_f16 = ScanFloat<Half, uint16_t>,
    .scan_f32 = ScanFloat<float, float>,
    .scan_opq4 = ScanOpq4Scalar,
    .scan_opq8 = ScanOpq8,
    .dots_i8 = DotsI8,
    .dots_f32 = Sums<float, false, float>,
    .dots_f16 = Sums<Half, false, uint16_t>,
    .dots_bf16 = Sums<Bf16, false, uint16_t>,
    .dots_i8f = Sums<int8_t, false, int8_t>,
    .l2s_f32 = Sums<float, true, float>,
    .l2s_f16 = Sums<Half, true, uint16_t>,
    .l2s_bf16 = Sums<Bf16, true, uint16_t>,
    .l2s_i8f = Sums<int8_t, true, int8_t>,
    .maxsim_i8 = MaxSimI8Scalar,
    .multiply_f32 = MultiplyF32Scalar,
    .signs_f32 = SignsF32Scalar,
    .maxsim_f32 = MaxSimF32Scalar,
    .sum_rows_f32 = SumRowsF32Scalar,
    .widen_f16 = Widen<Half, uint16_t>,
    .widen_bf16 = Widen<Bf16, uint16_t>,
    .widen_i8 = Widen<int8_t, int8_t>,
    .dot_f64 = SumF64<false>,
    .l2_f64 = SumF64<true>,
    .filter = Filter,
    .count_greater = CountGreater,
    .min_max = MinMax,
};

}  // namespace nestor
