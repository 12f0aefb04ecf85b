// nestor-kernels: how fast codes are scanned from L2, L3 and DRAM at each SIMD level, in lookups a
// second, beside the speed at which one thread reads the same memory in the same run; then, in
// tokens.cc, what is done with token matrices. The fastest of several rounds, in which everything
// takes its turn. `nestor-kernels codes` or `tokens` runs only these.
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "client/kernels/measure.h"
#include "client/kernels/tokens.h"
#include "index/base/pages.h"
#include "index/codes/layout.h"
#include "index/codes/spec.h"
#include "index/kernels/kernels.h"

namespace nestor {
namespace {

constexpr int kRounds = 5;
constexpr double kSeconds = 0.08;  // of one measurement in a round
// Blocks of one call, as a search scans a list.
constexpr size_t kCallBlocks = 16;

struct Memory {
  const char* name;
  size_t bytes;
};
constexpr Memory kMemories[] = {
    {"L2", size_t{512} << 10}, {"L3", size_t{8} << 20}, {"DRAM", size_t{512} << 20}};

__attribute__((target("avx512f"))) uint64_t ReadAvx512(const std::byte* p, size_t bytes) {
  __m512i s[8];
  for (__m512i& lane : s) lane = _mm512_setzero_si512();
  for (size_t i = 0; i + 512 <= bytes; i += 512) {
    for (size_t j = 0; j < 8; ++j) s[j] = _mm512_or_si512(s[j], _mm512_load_si512(p + i + 64 * j));
  }
  for (size_t j = 1; j < 8; ++j) s[0] = _mm512_or_si512(s[0], s[j]);
  uint64_t lanes[8];
  _mm512_storeu_si512(lanes, s[0]);
  return lanes[0] | lanes[7];
}

uint64_t ReadSse2(const std::byte* p, size_t bytes) {
  __m128i s[8];
  for (__m128i& lane : s) lane = _mm_setzero_si128();
  for (size_t i = 0; i + 128 <= bytes; i += 128) {
    for (size_t j = 0; j < 8; ++j)
      s[j] = _mm_or_si128(s[j], _mm_load_si128(reinterpret_cast<const __m128i*>(p + i + 16 * j)));
  }
  uint64_t any = 0;
  for (const __m128i& lane : s) any |= static_cast<uint64_t>(_mm_cvtsi128_si64(lane));
  return any;
}

volatile uint64_t sink = 0;

void RunCodes() {
  const size_t most =
      std::max_element(std::begin(kMemories), std::end(kMemories), [](auto a, auto b) {
        return a.bytes < b.bytes;
      })->bytes;
  const PageBuffer pages(most, /*huge=*/true);
  std::mt19937_64 random(1);
  for (size_t i = 0; i < most; i += 8) {
    const uint64_t value = random();
    __builtin_memcpy(pages.data() + i, &value, 8);
  }
  std::vector<uint8_t> tables4(size_t{1} << 16);
  for (uint8_t& entry : tables4) entry = static_cast<uint8_t>(random());
  std::vector<float> tables8(size_t{256} * 256, 0.5f);
  std::vector<float> sums(kCallBlocks * kBlockRows);

  for (const Memory& memory : kMemories) {
    std::vector<Measured> all;
    std::vector<OpqSpec> specs;  // of each, a code or none
    const bool avx512 = Supported(SimdLevel::kAvx512);
    specs.emplace_back();
    all.push_back({"read", static_cast<double>(memory.bytes), [&] {
                     sink = avx512 ? ReadAvx512(pages.data(), memory.bytes)
                                   : ReadSse2(pages.data(), memory.bytes);
                   }});
    for (SimdLevel level : {SimdLevel::kScalar, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
      if (!Supported(level)) continue;
      // Slow ones are as fast from anywhere.
      if (level == SimdLevel::kScalar && &memory != kMemories) continue;
      for (const OpqSpec& spec : {OpqSpec{96, 16, 4}, OpqSpec{128, 32, 4}, OpqSpec{384, 96, 4},
                                  OpqSpec{128, 32, 8}, OpqSpec{384, 96, 8}}) {
        // (8 bits are the same on all levels)
        if (spec.bits == 8 && level != SimdLevel::kScalar) continue;
        const CodeLayout layout(spec);
        const size_t blocks = memory.bytes / layout.block_bytes() / kCallBlocks * kCallBlocks;
        const auto pass = [&, level, spec, layout, blocks] {
          const Kernels& kernels = KernelsOf(level);
          const auto* base = reinterpret_cast<const uint8_t*>(pages.data());
          for (size_t b = 0; b < blocks; b += kCallBlocks) {
            if (spec.bits == 4) {
              kernels.scan_opq4(base + b * layout.block_bytes(), layout.lines(), kCallBlocks,
                                tables4.data(), 0.5f, 1, sums.data());
            } else {
              kernels.scan_opq8(base + b * layout.block_bytes(), layout.lines(), kCallBlocks,
                                tables8.data(), 1, sums.data());
            }
          }
        };
        specs.push_back(spec);
        all.push_back({std::string(Name(level)) + " " + OpqName(spec),
                       static_cast<double>(blocks * kBlockRows), pass});
      }
    }
    MeasureAll(kRounds, kSeconds, &all);
    const double read = all[0].best;
    std::printf("%-5s read %.1f GB/s\n", memory.name, read / 1e9);
    for (size_t i = 1; i < all.size(); ++i) {
      const Measured& m = all[i];
      const OpqSpec& spec = specs[i];
      std::printf("%-5s %-20s %7.1f G lookups/s %7.1f M codes/s %6.1f GB/s = %3.0f %% of read\n",
                  memory.name, m.name.c_str(), m.best * spec.subquantizers() / 1e9, m.best / 1e6,
                  m.best * spec.bytes / 1e9, 100 * m.best * spec.bytes / read);
    }
  }
}

}  // namespace
}  // namespace nestor

int main(int argc, char** argv) {
  const std::string only = argc > 1 ? argv[1] : "";
  if (only != "tokens") nestor::RunCodes();
  if (only != "codes") nestor::RunTokens();
}
