// Every level against the scalar specification: lane-edge lengths, misaligned rows, extreme values.
#include "index/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "index/half.h"

namespace nestor {
namespace {

constexpr size_t kLengths[] = {1,   2,   3,   4,   5,   7,   8,   9,   15,  16,  17,
                               31,  32,  33,  47,  48,  63,  64,  65,  96,  127, 128,
                               129, 191, 192, 255, 256, 257, 768, 784, 2048};

class KernelsTest : public testing::TestWithParam<SimdLevel> {
 protected:
  const Kernels& level() const { return KernelsOf(GetParam()); }
  std::mt19937_64 random_{7};

  std::vector<int8_t> RandomCodes(size_t n) {
    std::vector<int8_t> codes(n);
    for (int8_t& c : codes) c = static_cast<int8_t>(random_() % 256 - 128);
    // The extremes, where saturating arithmetic would show.
    for (size_t i = 0; i < n; i += 3) codes[i] = random_() % 2 == 0 ? -128 : 127;
    return codes;
  }
  std::vector<float> RandomFloats(size_t n) {
    std::normal_distribution<float> normal;
    std::vector<float> values(n);
    for (float& v : values) v = normal(random_);
    return values;
  }
};

struct alignas(64) Line {
  std::byte bytes[64];
};

TEST_P(KernelsTest, ScanI8EqualsScalar) {
  for (size_t dims : kLengths) {
    const size_t groups = (dims + 3) / 4;
    for (size_t blocks : {1, 2, 3, 4, 5, 7, 9}) {
      // Blocks hold more lines than are scanned: a prefix of the shell.
      const size_t lines = groups + 2;
      std::vector<Line> memory(blocks * lines);
      const std::vector<int8_t> codes = RandomCodes(memory.size() * 64);
      std::memcpy(memory.data(), codes.data(), codes.size());
      std::vector<int8_t> query = RandomCodes(groups * 4);
      const std::vector<float> scales = RandomFloats(blocks * 16);
      std::vector<float> expected(blocks * 16, -1), sums(blocks * 16, -2);
      const auto* base = reinterpret_cast<const int8_t*>(memory.data());
      kScalarKernels.scan_i8(base, lines * 64, blocks, query.data(), nullptr, groups, 0.37f,
                             scales.data(), expected.data());
      level().scan_i8(base, lines * 64, blocks, query.data(), nullptr, groups, 0.37f, scales.data(),
                      sums.data());
      ASSERT_EQ(expected, sums) << dims << " dims, " << blocks << " blocks";
      // Every third group of zeros: left out, they change nothing.
      std::vector<int8_t> few;
      std::vector<uint32_t> places;
      for (size_t g = 0; g < groups; ++g) {
        int8_t* group = query.data() + g * 4;
        if (g % 3 == 1) {
          std::fill_n(group, 4, int8_t{0});
          continue;
        }
        few.insert(few.end(), group, group + 4);
        places.push_back(static_cast<uint32_t>(g));
      }
      kScalarKernels.scan_i8(base, lines * 64, blocks, query.data(), nullptr, groups, 0.37f,
                             scales.data(), expected.data());
      level().scan_i8(base, lines * 64, blocks, few.data(), places.data(), places.size(), 0.37f,
                      scales.data(), sums.data());
      ASSERT_EQ(expected, sums) << dims << " dims, " << blocks << " blocks, some left out";
    }
  }
}

TEST_P(KernelsTest, ScanOfFloatsIsNearDouble) {
  for (size_t dims : kLengths) {
    const size_t blocks = 3;
    std::vector<Line> memory(blocks * dims), half_memory(blocks * dims);
    const std::vector<float> values = RandomFloats(blocks * dims * 16);
    std::memcpy(memory.data(), values.data(), values.size() * 4);
    auto* halves = reinterpret_cast<uint16_t*>(half_memory.data());
    for (size_t i = 0; i < values.size(); ++i) halves[i] = FloatToHalf(values[i]);
    const std::vector<float> query = RandomFloats(dims);
    std::vector<float> sums(blocks * 16), half_sums(blocks * 16);
    level().scan_f32(reinterpret_cast<const float*>(memory.data()), dims * 64, blocks, query.data(),
                     dims, sums.data());
    level().scan_f16(halves, dims * 32, blocks, query.data(), dims, half_sums.data());
    for (size_t i = 0; i < blocks * 16; ++i) {
      double sum = 0, half_sum = 0, magnitude = 0;
      for (size_t d = 0; d < dims; ++d) {
        const size_t at = (i / 16 * dims + d) * 16 + i % 16;
        sum += static_cast<double>(query[d]) * values[at];
        half_sum += static_cast<double>(query[d]) * HalfToFloat(FloatToHalf(values[at]));
        magnitude += std::fabs(query[d] * values[at]);
      }
      // dims roundings of half an ulp each, relative to the sum of absolute values.
      const double bound = 2 * magnitude * static_cast<double>(dims + 2) * 0x1p-24;
      ASSERT_NEAR(sums[i], sum, bound) << dims;
      ASSERT_NEAR(half_sums[i], half_sum, bound) << dims;
    }
  }
}

TEST_P(KernelsTest, DotsI8EqualScalarOnMisalignedRows) {
  for (size_t n : kLengths) {
    constexpr size_t kRows = 7;
    const std::vector<int8_t> memory = RandomCodes(kRows * (n + 1) + 3);
    const std::vector<int8_t> query = RandomCodes(n);
    std::vector<const int8_t*> rows;
    for (size_t i = 0; i < kRows; ++i) rows.push_back(memory.data() + 3 + i * (n + 1));
    std::vector<int32_t> expected(kRows, -1), sums(kRows, -2);
    kScalarKernels.dots_i8(query.data(), rows.data(), kRows, n, expected.data());
    level().dots_i8(query.data(), rows.data(), kRows, n, sums.data());
    ASSERT_EQ(expected, sums) << n;
  }
}

TEST_P(KernelsTest, DotsI8OfTheLargestVectorDoNotOverflow) {
  const std::vector<int8_t> low(16384, -128);
  const int8_t* row = low.data();
  int32_t sum = 0;
  level().dots_i8(low.data(), &row, 1, low.size(), &sum);
  EXPECT_EQ(sum, 16384 * 128 * 128);
}

TEST_P(KernelsTest, FloatSumsAreNearDouble) {
  const Kernels& k = level();
  for (size_t n : kLengths) {
    const std::vector<float> query = RandomFloats(n);
    const std::vector<float> values = RandomFloats(n + 1);
    std::vector<uint16_t> halves(n + 1), bfloats(n + 1);
    std::vector<int8_t> codes = RandomCodes(n + 1);
    for (size_t i = 0; i <= n; ++i) {
      halves[i] = FloatToHalf(values[i]);
      bfloats[i] = FloatToBf16(values[i]);
    }
    // Each from its second element on, so that no row is aligned.
    const float* f32 = values.data() + 1;
    const uint16_t* f16 = halves.data() + 1;
    const uint16_t* bf16 = bfloats.data() + 1;
    const int8_t* i8 = codes.data() + 1;
    const auto check = [&](const char* what, auto value_of, float dot, float l2) {
      double dot64 = 0, l264 = 0, magnitude = 0;
      for (size_t i = 0; i < n; ++i) {
        const double x = value_of(i);
        dot64 += query[i] * x;
        l264 += (query[i] - x) * (query[i] - x);
        magnitude += std::fabs(query[i] * x);
      }
      // The bound that exact.cc relies on.
      const double relative = 2 * (static_cast<double>(n) / 16 + 20) * 0x1p-24;
      ASSERT_NEAR(dot, dot64, relative * magnitude + 1e-30) << what << " of " << n;
      ASSERT_NEAR(l2, l264, relative * l264 + 1e-30) << what << " of " << n;
    };
    float dot = 0, l2 = 0;
    k.dots_f32(query.data(), &f32, 1, n, &dot);
    k.l2s_f32(query.data(), &f32, 1, n, &l2);
    check(
        "f32", [&](size_t i) { return f32[i]; }, dot, l2);
    k.dots_f16(query.data(), &f16, 1, n, &dot);
    k.l2s_f16(query.data(), &f16, 1, n, &l2);
    check(
        "f16", [&](size_t i) { return HalfToFloat(f16[i]); }, dot, l2);
    k.dots_bf16(query.data(), &bf16, 1, n, &dot);
    k.l2s_bf16(query.data(), &bf16, 1, n, &l2);
    check(
        "bf16", [&](size_t i) { return Bf16ToFloat(bf16[i]); }, dot, l2);
    k.dots_i8f(query.data(), &i8, 1, n, &dot);
    k.l2s_i8f(query.data(), &i8, 1, n, &l2);
    check(
        "i8", [&](size_t i) { return static_cast<float>(i8[i]); }, dot, l2);
  }
}

TEST_P(KernelsTest, ProductsAreBitEqual) {
  for (size_t dims : {1, 2, 3, 15, 16, 17, 63, 64, 65, 100, 128, 129}) {
    const size_t lines = (dims + 1) / 2;
    for (size_t columns_n : {1, 4, 8, 9, 16, 23, 24, 32, 55}) {
      const size_t blocks = (columns_n + 7) / 8;
      std::vector<Line> memory(blocks * lines);
      const std::vector<float> values = RandomFloats(memory.size() * 16);
      std::memcpy(memory.data(), values.data(), values.size() * 4);
      const auto* columns = reinterpret_cast<const float*>(memory.data());
      for (size_t n : {1, 2, 3, 5, 6, 7, 8, 9, 13, 16, 23}) {
        // Rows begin misaligned and end where the memory does.
        const std::vector<float> row_memory = RandomFloats(n * dims + 1);
        const float* rows = row_memory.data() + 1;
        const size_t stride = columns_n + 3;
        std::vector<float> expected(n * stride, -1), products(n * stride, -1);
        std::vector<float*> expected_rows, product_rows;
        for (size_t i = 0; i < n; ++i) {
          expected_rows.push_back(&expected[(n - 1 - i) * stride]);
          product_rows.push_back(&products[(n - 1 - i) * stride]);
        }
        kScalarKernels.multiply_f32(rows, n, dims, columns, columns_n, expected_rows.data());
        level().multiply_f32(rows, n, dims, columns, columns_n, product_rows.data());
        ASSERT_EQ(expected, products) << n << " rows of " << dims << ", " << columns_n;
        std::vector<uint8_t> signs(n * blocks), expected_signs(n * blocks, 1);
        level().signs_f32(rows, n, dims, columns, blocks, signs.data());
        kScalarKernels.signs_f32(rows, n, dims, columns, blocks, expected_signs.data());
        ASSERT_EQ(signs, expected_signs);
        for (size_t i = 0; i < n; ++i) {
          for (size_t c = 0; c < columns_n; ++c) {
            double product = 0, magnitude = 0;
            for (size_t d = 0; d < dims; ++d) {
              const size_t at = ((c / 8 * lines + d / 2) * 8 + c % 8) * 2 + d % 2;
              product += static_cast<double>(rows[i * dims + d]) * columns[at];
              magnitude += std::fabs(rows[i * dims + d] * columns[at]);
            }
            ASSERT_NEAR(product_rows[i][c], product,
                        magnitude * static_cast<double>(dims) * 0x1p-24);
            ASSERT_EQ(signs[i * blocks + c / 8] >> c % 8 & 1, product_rows[i][c] > 0);
          }
        }
      }
    }
  }
  // Zero is not above zero, nor is what is not a number.
  const Line line = {};
  std::vector<Line> columns(1, line);
  const float lanes[16] = {0, 0, -0.0f, 0, NAN, 0, INFINITY, 0, -INFINITY, 0, 1e-45f, 0, -1e-45f};
  std::memcpy(columns.data(), lanes, sizeof(lanes));
  const float one = 1;
  uint8_t signs = 0;
  level().signs_f32(&one, 1, 1, reinterpret_cast<const float*>(columns.data()), 1, &signs);
  EXPECT_EQ(signs, 0b101000);
}

TEST_P(KernelsTest, MaxSimI8EqualsScalar) {
  for (size_t groups : {1, 2, 8, 31, 32, 256}) {
    for (size_t n : {1, 15, 16, 17, 32, 33, 48, 64, 97, 112}) {
      const size_t blocks = (n + 15) / 16;
      const size_t lines = groups + 1;  // a prefix of the tokens' dims
      std::vector<Line> memory(blocks * lines);
      const std::vector<int8_t> codes = RandomCodes(memory.size() * 64);
      std::memcpy(memory.data(), codes.data(), codes.size());
      // No scales behind the last token; equal ones and zeros make ties.
      std::vector<float> scales(n);
      for (float& scale : scales) scale = 0.25f * static_cast<float>(random_() % 3);
      for (size_t query_n : {1, 2, 3, 7, 8, 9, 20}) {
        const std::vector<int8_t> query = RandomCodes(query_n * groups * 4);
        std::vector<int32_t> code_sums(query_n);
        for (size_t i = 0; i < query.size(); ++i) code_sums[i / (groups * 4)] += query[i];
        std::vector<float> largest(query_n, -1), expected(query_n, -2);
        std::vector<uint32_t> tokens(query_n, ~0u), expected_tokens(query_n, ~1u);
        const auto* base = reinterpret_cast<const int8_t*>(memory.data());
        kScalarKernels.maxsim_i8(query.data(), code_sums.data(), query_n, groups, base, lines * 64,
                                 n, scales.data(), expected.data(), expected_tokens.data());
        level().maxsim_i8(query.data(), code_sums.data(), query_n, groups, base, lines * 64, n,
                          scales.data(), largest.data(), tokens.data());
        ASSERT_EQ(largest, expected) << groups << " groups, " << n << " tokens, " << query_n;
        ASSERT_EQ(tokens, expected_tokens) << groups << " groups, " << n << " tokens, " << query_n;
        std::fill(largest.begin(), largest.end(), -1.0f);
        level().maxsim_i8(query.data(), code_sums.data(), query_n, groups, base, lines * 64, n,
                          scales.data(), largest.data(), nullptr);
        ASSERT_EQ(largest, expected);
      }
    }
  }
}

TEST_P(KernelsTest, MaxSimF32IsBitEqual) {
  for (size_t dims : {1, 2, 17, 64, 127, 128}) {
    const size_t lines = (dims + 1) / 2, stride = dims + 1;
    for (size_t columns_n : {1, 7, 8, 20, 24, 32}) {
      const size_t blocks = (columns_n + 7) / 8;
      std::vector<Line> memory(blocks * lines);
      const std::vector<float> values = RandomFloats(memory.size() * 16);
      std::memcpy(memory.data(), values.data(), values.size() * 4);
      const auto* columns = reinterpret_cast<const float*>(memory.data());
      for (size_t n : {1, 2, 7, 8, 15, 16, 17, 40}) {
        std::vector<float> rows = RandomFloats(n * stride);
        // The same row twice: a tie.
        if (n > 2) std::copy_n(rows.begin() + static_cast<ptrdiff_t>(stride), dims, rows.begin());
        std::vector<float> largest(blocks * 8), expected(columns_n);
        std::vector<uint32_t> tokens(blocks * 8, ~0u), expected_tokens(columns_n, ~1u);
        kScalarKernels.maxsim_f32(rows.data(), n, stride, dims, columns, columns_n, expected.data(),
                                  expected_tokens.data());
        for (uint32_t* matches : {tokens.data(), static_cast<uint32_t*>(nullptr)}) {
          std::fill(largest.begin(), largest.end(), NAN);
          level().maxsim_f32(rows.data(), n, stride, dims, columns, columns_n, largest.data(),
                             matches);
          ASSERT_TRUE(std::equal(expected.begin(), expected.end(), largest.begin()))
              << n << " rows of " << dims << ", " << columns_n;
        }
        ASSERT_TRUE(std::equal(expected_tokens.begin(), expected_tokens.end(), tokens.begin()))
            << n << " rows of " << dims << ", " << columns_n;
      }
    }
  }
}

TEST_P(KernelsTest, SumsOfRowsAreBitEqual) {
  for (size_t dims : kLengths) {
    for (size_t n : {1, 2, 3, 7}) {
      const std::vector<float> memory = RandomFloats(n * dims + 1);
      std::vector<const float*> rows;
      for (size_t i = 0; i < n; ++i) rows.push_back(memory.data() + 1 + (n - 1 - i) * dims);
      std::vector<float> sums(dims + 1, -1), expected(dims + 1, -1);
      level().sum_rows_f32(rows.data(), n, dims, 0.3f, sums.data());
      kScalarKernels.sum_rows_f32(rows.data(), n, dims, 0.3f, expected.data());
      ASSERT_EQ(sums, expected);
      for (size_t j = 0; j < dims; ++j) {
        double sum = 0;
        for (size_t i = 0; i < n; ++i) sum += rows[i][j];
        ASSERT_NEAR(sums[j], 0.3 * sum, 1e-5);
      }
    }
  }
}

TEST_P(KernelsTest, DoublesAreBitEqual) {
  for (size_t n : kLengths) {
    const std::vector<float> a = RandomFloats(n), b = RandomFloats(n);
    EXPECT_EQ(level().dot_f64(a.data(), b.data(), n), kScalarKernels.dot_f64(a.data(), b.data(), n))
        << n;
    EXPECT_EQ(level().l2_f64(a.data(), b.data(), n), kScalarKernels.l2_f64(a.data(), b.data(), n))
        << n;
  }
}

TEST_P(KernelsTest, WidenAllSixteenBitValues) {
  std::vector<uint16_t> bits;
  for (uint32_t i = 0; i < 65536; ++i) {
    // NaN payloads may be quieted.
    if (!std::isnan(HalfToFloat(static_cast<uint16_t>(i))) &&
        !std::isnan(Bf16ToFloat(static_cast<uint16_t>(i)))) {
      bits.push_back(static_cast<uint16_t>(i));
    }
  }
  bits.resize(bits.size() / 16 * 16 - 3);  // ends inside a vector
  std::vector<float> out(bits.size());
  level().widen_f16(bits.data(), bits.size(), out.data());
  for (size_t i = 0; i < bits.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(out[i]), std::bit_cast<uint32_t>(HalfToFloat(bits[i])))
        << bits[i];
  }
  level().widen_bf16(bits.data(), bits.size(), out.data());
  for (size_t i = 0; i < bits.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(out[i]), uint32_t{bits[i]} << 16) << bits[i];
  }
  std::vector<int8_t> codes(256);
  for (int i = 0; i < 256; ++i) codes[static_cast<size_t>(i)] = static_cast<int8_t>(i - 128);
  level().widen_i8(codes.data(), codes.size(), out.data());
  for (int i = 0; i < 256; ++i) EXPECT_EQ(out[static_cast<size_t>(i)], static_cast<float>(i - 128));
}

TEST_P(KernelsTest, FilterEqualsScalar) {
  for (size_t n : kLengths) {
    const std::vector<float> sums = RandomFloats(n), aux = RandomFloats(n);
    for (KeyKind kind : {KeyKind::kSum, KeyKind::kTimes, KeyKind::kMinus}) {
      for (float threshold : {-INFINITY, -0.5f, 0.0f, 1.0f, INFINITY}) {
        std::vector<float> keys(n + 16), kept(n + 16), keys_expected(n + 16), kept_expected(n + 16);
        std::vector<uint32_t> positions(n + 16), positions_expected(n + 16);
        const float* a = kind == KeyKind::kSum ? nullptr : aux.data();
        const size_t expected =
            kScalarKernels.filter(sums.data(), a, kind, n, threshold, keys_expected.data(),
                                  kept_expected.data(), positions_expected.data());
        const size_t got = level().filter(sums.data(), a, kind, n, threshold, keys.data(),
                                          kept.data(), positions.data());
        ASSERT_EQ(expected, got);
        for (size_t i = 0; i < got; ++i) {
          ASSERT_EQ(keys[i], keys_expected[i]);
          ASSERT_EQ(kept[i], kept_expected[i]);
          ASSERT_EQ(positions[i], positions_expected[i]);
        }
      }
    }
  }
}

TEST_P(KernelsTest, SelectThresholdSplitsAtK) {
  for (size_t n : kLengths) {
    std::vector<float> keys = RandomFloats(n);
    // Ties, both signs of zero, huge and tiny values.
    for (size_t i = 0; i < n; i += 4) keys[i] = keys[0];
    if (n > 8) {
      keys[1] = 0.0f;
      keys[2] = -0.0f;
      keys[3] = 3e38f;
      keys[5] = -3e38f;
      keys[6] = 1e-40f;
    }
    for (size_t k : {size_t{1}, n / 3, n / 2, n - 1, n}) {
      if (k == 0) continue;
      const float t = SelectThreshold(level(), keys.data(), n, k);
      const auto greater = static_cast<size_t>(
          std::count_if(keys.begin(), keys.end(), [t](float key) { return key > t; }));
      const auto at_least = static_cast<size_t>(
          std::count_if(keys.begin(), keys.end(), [t](float key) { return key >= t; }));
      EXPECT_TRUE(greater == k || (greater < k && at_least >= k))
          << "n " << n << " k " << k << " t " << t << " greater " << greater << " at least "
          << at_least;
      EXPECT_EQ(level().count_greater(keys.data(), n, t), greater);
    }
  }
}

// Those that this CPU can run.
std::vector<SimdLevel> SupportedLevels() {
  std::vector<SimdLevel> levels;
  for (SimdLevel level : {SimdLevel::kScalar, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    if (Supported(level)) levels.push_back(level);
  }
  return levels;
}

INSTANTIATE_TEST_SUITE_P(Levels, KernelsTest, testing::ValuesIn(SupportedLevels()),
                         [](const auto& info) { return std::string(Name(info.param)); });

TEST(HalfTest, RoundsToNearestEven) {
  // For every half: itself, and the midpoints to its neighbours, which go to the even one.
  for (uint32_t i = 0; i < 0x7bff; ++i) {
    const auto h = static_cast<uint16_t>(i);
    const auto next = static_cast<uint16_t>(i + 1);
    ASSERT_EQ(FloatToHalf(HalfToFloat(h)), h);
    const float middle = (HalfToFloat(h) + HalfToFloat(next)) / 2;
    ASSERT_EQ(FloatToHalf(middle), h % 2 == 0 ? h : next) << i;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 0.0f)), h) << i;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 1e9f)), next) << i;
    ASSERT_EQ(FloatToHalf(-middle), 0x8000 | (h % 2 == 0 ? h : next)) << i;
  }
  EXPECT_EQ(FloatToHalf(65519.9f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(NAN))));
}

TEST(HalfTest, Bf16RoundsToNearestEven) {
  EXPECT_EQ(FloatToBf16(1.0f), 0x3f80);
  EXPECT_EQ(FloatToBf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);  // midpoint, even below
  EXPECT_EQ(FloatToBf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);  // midpoint, even above
  EXPECT_EQ(FloatToBf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16(NAN))));
}

}  // namespace
}  // namespace nestor
