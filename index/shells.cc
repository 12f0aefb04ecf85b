#include "index/shells.h"

#include <emmintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "index/half.h"
#include "index/kernels/kernels.h"

namespace nestor {
namespace {

// One group of zeros in so many is not worth a list of the others.
constexpr size_t kFewZeros = 8;

}  // namespace

ShellLayout::ShellLayout(std::vector<uint32_t> bounds, ShellCodec codec)
    : bounds_(std::move(bounds)),
      codec_(codec),
      code_bytes_(codec == ShellCodec::kInt8  ? 1
                  : codec == ShellCodec::kF16 ? 2
                                              : 4) {}

size_t ShellLayout::block_bytes() const {
  return (width(0) + line_dims() - 1) / line_dims() * line_bytes();
}

// SSE2 is the baseline of x86-64, and its conversion rounds to nearest even.
float QuantizeInt8(const float* values, size_t n, int8_t* codes) {
  float least = 0;
  float largest = 0;
  if (n > 0) ActiveKernels().min_max(values, n, &least, &largest);
  const float max = std::max(-least, largest);
  const float scale = max / 127.0f;
  // Below the smallest normal scale 127 / max overflows: such a shell is coded as zero.
  if (!(scale >= 1e-37f)) {
    std::memset(codes, 0, n);
    return 0;
  }
  const float inverse = 127.0f / max;
  const __m128 factor = _mm_set1_ps(inverse);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m128i a = _mm_cvtps_epi32(_mm_mul_ps(_mm_loadu_ps(values + i), factor));
    const __m128i b = _mm_cvtps_epi32(_mm_mul_ps(_mm_loadu_ps(values + i + 4), factor));
    const __m128i c = _mm_cvtps_epi32(_mm_mul_ps(_mm_loadu_ps(values + i + 8), factor));
    const __m128i d = _mm_cvtps_epi32(_mm_mul_ps(_mm_loadu_ps(values + i + 12), factor));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + i),
                     _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d)));
  }
  for (; i < n; ++i)
    codes[i] = static_cast<int8_t>(_mm_cvtss_si32(_mm_set_ss(values[i] * inverse)));
  return scale;
}

void CopyInt8(const float* values, size_t n, int8_t* codes) {
  for (size_t i = 0; i < n; ++i) codes[i] = static_cast<int8_t>(values[i]);
}

RowCode::RowCode(const ShellLayout* layout, bool exact_int8)
    : layout_(layout), exact_int8_(exact_int8), scales_(layout->shells()) {
  size_t bytes = 0;
  for (size_t s = 0; s < layout->shells(); ++s) {
    offsets_.push_back(bytes);
    bytes += layout->row_bytes(s);
  }
  bytes_.resize(bytes);
}

void RowCode::Encode(const float* vector) {
  for (size_t s = 0; s < layout_->shells(); ++s) {
    const float* values = vector + layout_->begin(s);
    const size_t width = layout_->width(s);
    std::byte* out = bytes_.data() + offsets_[s];
    scales_[s] = 1;
    switch (layout_->codec()) {
      case ShellCodec::kInt8:
        if (exact_int8_) {
          CopyInt8(values, width, reinterpret_cast<int8_t*>(out));
        } else {
          scales_[s] = QuantizeInt8(values, width, reinterpret_cast<int8_t*>(out));
        }
        break;
      case ShellCodec::kF16:
        for (size_t i = 0; i < width; ++i) {
          // A value beyond half's range saturates: the shell is an approximation, the exact vector
          // is not.
          const uint16_t bits = FloatToHalf(std::clamp(values[i], -65504.0f, 65504.0f));
          std::memcpy(out + 2 * i, &bits, 2);
        }
        break;
      case ShellCodec::kF32:
        std::memcpy(out, values, width * sizeof(float));
        break;
    }
  }
}

void QueryCode::Encode(const ShellLayout& layout, const float* query, bool integral,
                       uint32_t deepest) {
  query_ = query;
  const size_t shells = layout.shells();
  scales_.assign(shells, 1.0f);
  if (layout.codec() != ShellCodec::kInt8) return;
  offsets_.resize(shells);
  size_t bytes = 0;
  for (size_t s = 0; s < shells; ++s) {
    offsets_[s] = bytes;
    bytes += layout.row_bytes(s);
  }
  codes_.resize(bytes);
  for (size_t s = 0; s < shells && layout.begin(s) < deepest; ++s) {
    int8_t* out = codes_.data() + offsets_[s];
    const float* values = query + layout.begin(s);
    if (integral) {
      CopyInt8(values, layout.width(s), out);
    } else {
      scales_[s] = QuantizeInt8(values, layout.width(s), out);
    }
    std::memset(out + layout.width(s), 0, layout.row_bytes(s) - layout.width(s));
  }
}

QueryCode::ScanCodes QueryCode::Prefix(const ShellLayout& layout, size_t s, uint32_t dims) {
  const size_t groups = (dims + 3) / 4;
  const int8_t* codes = codes_.data() + offsets_[s];
  if (dims % 4 != 0 && dims != layout.width(s)) {
    // Behind a whole shell there are zeros already.
    prefix_.assign(groups * 4, 0);
    std::memcpy(prefix_.data(), codes, dims);
    codes = prefix_.data();
  }
  places_.clear();
  for (uint32_t g = 0; g < groups; ++g) {
    int32_t dword;
    std::memcpy(&dword, codes + size_t{g} * 4, 4);
    if (dword != 0) places_.push_back(g);
  }
  if (places_.size() >= groups - groups / kFewZeros || places_.empty()) {
    return {.codes = codes, .groups = groups};
  }
  // Groups only move to the front, so in place.
  if (prefix_.data() != codes) prefix_.resize(groups * 4);
  for (size_t i = 0; i < places_.size(); ++i) {
    std::memmove(prefix_.data() + i * 4, codes + size_t{places_[i]} * 4, 4);
  }
  return {.codes = prefix_.data(), .places = places_.data(), .groups = places_.size()};
}

bool IsIntegral(const float* values, size_t n) {
  return std::all_of(values, values + n,
                     [](float v) { return v >= -128 && v <= 127 && v == std::nearbyint(v); });
}

void PrefixSquares(const VectorSchema& schema, const float* vector, double* squares) {
  double square = 0;
  uint32_t begin = 0;
  for (size_t i = 0; i < schema.nesting.size(); ++i) {
    const uint32_t end = schema.nesting[i];
    square += ActiveKernels().dot_f64(vector + begin, vector + begin, end - begin);
    squares[i] = square;
    begin = end;
  }
}

float AuxOf(Metric metric, double square) {
  switch (metric) {
    case Metric::kCosine:
      return square > 0 ? static_cast<float>(1 / std::sqrt(square)) : 0;
    case Metric::kL2:
      return static_cast<float>(square / 2);
    case Metric::kDot:
      return static_cast<float>(std::sqrt(square));
  }
  return 0;
}

}  // namespace nestor
