#include <cpuid.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "index/kernels/kernels.h"

namespace nestor {
namespace {

constexpr SimdLevel kLevels[] = {SimdLevel::kAvx512, SimdLevel::kAvx2, SimdLevel::kScalar};

const Kernels& Choose() {
  const char* wanted = std::getenv("NESTOR_SIMD");
  for (SimdLevel level : kLevels) {
    if (!Supported(level)) continue;
    if (wanted == nullptr || *wanted == '\0' || std::strcmp(wanted, Name(level)) == 0)
      return KernelsOf(level);
  }
  // The named level is unknown or not supported here: the best one.
  for (SimdLevel level : kLevels) {
    if (Supported(level)) return KernelsOf(level);
  }
  return kScalarKernels;
}

// Floats in an order-preserving way as integers.
int32_t ToOrdered(float f) {
  const int32_t bits = std::bit_cast<int32_t>(f);
  return bits < 0 ? static_cast<int32_t>(0x80000000u - static_cast<uint32_t>(bits)) : bits;
}
float FromOrdered(int32_t i) {
  return std::bit_cast<float>(i < 0 ? static_cast<int32_t>(0x80000000u - static_cast<uint32_t>(i))
                                    : i);
}

// __builtin_cpu_supports of clang 14 does not know it. Its registers are AVX's.
bool HasF16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

// The level's own scan of 4-bit codes needs VBMI, which the first CPUs with VNNI lack.
Kernels Avx512OfThisCpu() {
  Kernels kernels = kAvx512Kernels;
  if (!__builtin_cpu_supports("avx512vbmi")) kernels.scan_opq4 = kAvx2Kernels.scan_opq4;
  return kernels;
}

}  // namespace

bool Supported(SimdLevel level) {
  // __builtin_cpu_supports also asks the OS whether it saves the registers (XCR0).
  switch (level) {
    case SimdLevel::kScalar:
      return true;
    case SimdLevel::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && HasF16c();
    case SimdLevel::kAvx512:
      return Supported(SimdLevel::kAvx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  }
  return false;
}

const Kernels& KernelsOf(SimdLevel level) {
  switch (level) {
    case SimdLevel::kAvx512: {
      static const Kernels kernels = Avx512OfThisCpu();
      return kernels;
    }
    case SimdLevel::kAvx2:
      return kAvx2Kernels;
    case SimdLevel::kScalar:
      break;
  }
  return kScalarKernels;
}

const char* Name(SimdLevel level) {
  switch (level) {
    case SimdLevel::kAvx512:
      return "avx512";
    case SimdLevel::kAvx2:
      return "avx2";
    case SimdLevel::kScalar:
      break;
  }
  return "scalar";
}

const Kernels& ActiveKernels() {
  static const Kernels& kernels = Choose();
  return kernels;
}

// Bisection over the float values: each step is one streaming count, ~20 steps of n / 16 vector
// operations, without the branch misses of nth_element.
float SelectThreshold(const Kernels& kernels, const float* keys, size_t n, size_t k) {
  float min = 0;
  float max = 0;
  kernels.min_max(keys, n, &min, &max);
  // Invariant: more than k keys are > low (or low is below all), fewer than k are > high.
  int64_t low = int64_t{ToOrdered(min)} - 1;
  int64_t high = ToOrdered(max);
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    const float pivot = FromOrdered(static_cast<int32_t>(middle));
    const size_t greater = kernels.count_greater(keys, n, pivot);
    if (greater == k) return pivot;
    if (greater > k) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return FromOrdered(static_cast<int32_t>(high));
}

}  // namespace nestor
