#include "client/kernels/tokens.h"

#include <immintrin.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "client/kernels/measure.h"
#include "index/base/pages.h"
#include "index/kernels/kernels.h"
#include "index/multi/fde_model.h"
#include "index/multi/token_codes.h"
#include "index/shells.h"

namespace nestor {
namespace {

// Many short rounds: some fit between the turns of whatever else runs.
constexpr int kRounds = 50;
constexpr double kSeconds = 0.003;  // of one measurement in a round
constexpr uint32_t kDim = 128;
constexpr size_t kQueryTokens = 32;

// Sums in registers alone: 16 chains of 512-bit instructions.
constexpr size_t kPeakSteps = 10000;
__attribute__((target("avx512f"))) void PeakF32() {
  __m512 s[16];
  for (__m512& lane : s) lane = _mm512_set1_ps(1);
  const __m512 x = _mm512_set1_ps(0.5f);
  for (size_t i = 0; i < kPeakSteps; ++i) {
#pragma GCC unroll 16
    for (__m512& lane : s) {
      lane = _mm512_fmadd_ps(lane, x, x);
      asm volatile("" : "+v"(lane));
    }
  }
}

__attribute__((target("avx512f,avx512vnni"))) void PeakI8() {
  __m512i s[16];
  for (__m512i& lane : s) lane = _mm512_setzero_si512();
  const __m512i x = _mm512_set1_epi8(1);
  for (size_t i = 0; i < kPeakSteps; ++i) {
#pragma GCC unroll 16
    for (__m512i& lane : s) {
      lane = _mm512_dpbusd_epi32(lane, x, x);
      asm volatile("" : "+v"(lane));
    }
  }
}

std::vector<float> RandomFloats(size_t n) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& v : values) v = normal(random);
  return values;
}

// Of the process's level (NESTOR_SIMD): 10,240 dims from tokens of 128.
void AddEncodings(const FdeModel& model, const std::vector<float>& tokens, std::vector<float>* fde,
                  std::vector<Measured>* all) {
  const auto add = [&, fde](FdeSide side, size_t n, bool fill, const char* name) {
    all->push_back({name, 1, [&model, &tokens, fde, side, n, fill] {
                      FdeOptions options = {.side = side};
                      if (fill) options.fill_empty = true;
                      const auto matrix = std::span(tokens).first(n * kDim);
                      if (!model.Encode(matrix, options, fde->data()).ok()) std::abort();
                    }});
  };
  add(FdeSide::kQuery, kQueryTokens, false, "FDE of a query of 32 tokens");
  add(FdeSide::kDocument, 100, false, "FDE of a document of 100 tokens");
  add(FdeSide::kDocument, 100, true, "FDE of a document of 100 tokens, filled");
  add(FdeSide::kDocument, 1000, false, "FDE of a document of 1000 tokens");
}

// 32 query tokens against documents of 112: one in the cache, or 4,000 in turn from DRAM.
void RunMaxSim() {
  constexpr size_t kTokens = 112, kDocuments = 4000;
  const TokenCodeLayout layout(kDim);
  const size_t document_bytes = layout.bytes(kTokens);
  const PageBuffer codes(kDocuments * document_bytes, /*huge=*/true);
  std::vector<float> scales(kTokens);
  const std::vector<float> tokens = RandomFloats(kTokens * kDim);
  for (size_t i = 0; i < kDocuments; ++i) {
    EncodeTokenCodes(layout, tokens.data(), kTokens, /*exact_int8=*/false,
                     reinterpret_cast<int8_t*>(codes.data() + i * document_bytes), scales.data());
  }
  std::vector<int8_t> query(kQueryTokens * kDim);
  std::vector<int32_t> code_sums(kQueryTokens);
  for (size_t q = 0; q < kQueryTokens; ++q) {
    QuantizeInt8(tokens.data() + 7 * q, kDim, query.data() + q * kDim);
    for (uint32_t d = 0; d < kDim; ++d) code_sums[q] += query[q * kDim + d];
  }
  const PageBuffer columns(kQueryTokens * kDim * sizeof(float), /*huge=*/false);
  std::memcpy(columns.data(), tokens.data(), columns.bytes());
  std::vector<float> largest(kQueryTokens);
  std::vector<uint32_t> matches(kQueryTokens);

  // Multiplications and additions of a document.
  constexpr double kOps = 2.0 * kQueryTokens * kTokens * kDim;
  std::vector<Measured> all;
  if (Supported(SimdLevel::kAvx512)) {
    all.push_back({"peak of int8 in registers", 2.0 * 64 * 16 * kPeakSteps, PeakI8});
    all.push_back({"peak of f32 in registers", 2.0 * 16 * 16 * kPeakSteps, PeakF32});
  }
  for (SimdLevel level : {SimdLevel::kScalar, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    if (!Supported(level)) continue;
    const Kernels& kernels = KernelsOf(level);
    const auto score = [&](size_t i, uint32_t* tokens_out) {
      kernels.maxsim_i8(query.data(), code_sums.data(), kQueryTokens, layout.groups(),
                        reinterpret_cast<const int8_t*>(codes.data() + i * document_bytes),
                        layout.block_bytes(), kTokens, scales.data(), largest.data(), tokens_out);
    };
    const std::string name = std::string(Name(level)) + " MaxSim ";
    all.push_back({name + "int8", kOps, [score] { score(0, nullptr); }});
    all.push_back(
        {name + "int8 with matches", kOps, [score, &matches] { score(0, matches.data()); }});
    all.push_back({name + "int8 from DRAM", kOps * kDocuments, [score] {
                     for (size_t i = 0; i < kDocuments; ++i) score(i, nullptr);
                   }});
    all.push_back({name + "f32", kOps, [&] {
                     kernels.maxsim_f32(tokens.data(), kTokens, kDim, kDim,
                                        reinterpret_cast<const float*>(columns.data()),
                                        kQueryTokens, largest.data(), nullptr);
                   }});
  }
  MeasureAll(kRounds, kSeconds, &all);
  for (const Measured& m : all) {
    std::printf("%-40s %7.1f Gop/s", m.name.c_str(), m.best / 1e9);
    if (m.name.find("MaxSim") != std::string::npos) {
      std::printf(" %6.2f us a document of 112 tokens", 1e6 * kOps / m.best);
    }
    std::printf("\n");
  }
}

}  // namespace

void RunTokens() {
  const std::vector<float> tokens = RandomFloats(1000 * kDim);
  const auto model = *FdeModel::Draw({.dim = kDim});
  std::vector<float> fde(model->spec().dims());
  std::vector<Measured> encodings;
  AddEncodings(*model, tokens, &fde, &encodings);
  MeasureAll(kRounds, kSeconds, &encodings);
  for (const Measured& m : encodings) {
    std::printf("%-40s %7.1f us (%s)\n", m.name.c_str(), 1e6 / m.best, Name(ActiveKernels().level));
  }

  // Products of 32 and 100 tokens with the 320 hyperplanes of that encoding.
  constexpr size_t kBlocks = 40;
  const PageBuffer columns(kBlocks * kBlockColumns * kDim * sizeof(float), /*huge=*/false);
  std::memcpy(columns.data(), tokens.data(), columns.bytes());
  std::vector<uint8_t> signs(1000 * kBlocks);
  std::vector<Measured> products;
  if (Supported(SimdLevel::kAvx512)) {
    products.push_back({"peak of f32 in registers", 2.0 * 16 * 16 * kPeakSteps, PeakF32});
  }
  for (SimdLevel level : {SimdLevel::kScalar, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    if (!Supported(level)) continue;
    for (const size_t n : {size_t{32}, size_t{100}}) {
      products.push_back(
          {std::string(Name(level)) + " signs of " + std::to_string(n) + " x 320",
           2.0 * static_cast<double>(n * kBlocks * kBlockColumns * kDim), [&, level, n] {
             KernelsOf(level).signs_f32(tokens.data(), n, kDim,
                                        reinterpret_cast<const float*>(columns.data()), kBlocks,
                                        signs.data());
           }});
    }
  }
  MeasureAll(kRounds, kSeconds, &products);
  for (const Measured& m : products) {
    std::printf("%-40s %7.1f Gflop/s\n", m.name.c_str(), m.best / 1e9);
  }
  RunMaxSim();
}

}  // namespace nestor
