// The scans of codes at every level against the scalar specification, that against the tables; and
// the layout that they read.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "index/base/pages.h"
#include "index/codes/layout.h"
#include "index/kernels/kernels.h"

namespace nestor {
namespace {

constexpr size_t kBlockCounts[] = {1, 2, 3, 4, 5, 7, 8, 9};

class CodeScanTest : public testing::TestWithParam<SimdLevel> {
 protected:
  const Kernels& level() const { return KernelsOf(GetParam()); }
  PageBuffer RandomBlocks(size_t bytes) {
    PageBuffer blocks(bytes, /*huge=*/false);
    for (size_t i = 0; i < bytes; ++i) blocks.data()[i] = static_cast<std::byte>(random_());
    return blocks;
  }
  static const uint8_t* Codes(const PageBuffer& blocks) {
    return reinterpret_cast<const uint8_t*>(blocks.data());
  }

  std::mt19937_64 random_{11};
};

TEST_P(CodeScanTest, Opq4EqualsScalar) {
  // 64 lines are what 16 bits hold; 513 are more than what they hold eight times.
  for (size_t lines : {1, 2, 3, 4, 8, 17, 63, 64, 65, 128, 513}) {
    for (size_t blocks : kBlockCounts) {
      const PageBuffer base = RandomBlocks(blocks * lines * 64);
      for (bool largest : {false, true}) {
        std::vector<uint8_t> tables(lines * 128, 255);
        if (!largest) {
          for (uint8_t& entry : tables) entry = static_cast<uint8_t>(random_());
        }
        std::vector<float> expected(blocks * 16, -1), sums(blocks * 16, -2);
        kScalarKernels.scan_opq4(Codes(base), lines, blocks, tables.data(), 0.37f, -5.5f,
                                 expected.data());
        level().scan_opq4(Codes(base), lines, blocks, tables.data(), 0.37f, -5.5f, sums.data());
        ASSERT_EQ(expected, sums) << lines << " lines, " << blocks << " blocks";
        if (largest) {
          ASSERT_EQ(sums[0], static_cast<float>(lines * 8 * 255) * 0.37f + -5.5f);
        }
      }
    }
  }
}

TEST_P(CodeScanTest, Opq8IsNearDouble) {
  std::normal_distribution<float> normal;
  for (size_t lines : {1, 2, 3, 8, 24}) {
    std::vector<float> tables(lines * 1024);
    for (float& entry : tables) entry = normal(random_);
    for (size_t blocks : kBlockCounts) {
      const PageBuffer base = RandomBlocks(blocks * lines * 64);
      std::vector<float> sums(blocks * 16, -2);
      level().scan_opq8(Codes(base), lines, blocks, tables.data(), 0.25f, sums.data());
      for (size_t i = 0; i < sums.size(); ++i) {
        double sum = 0.25, magnitude = 0.25;
        for (size_t g = 0; g < lines; ++g) {
          for (size_t j = 0; j < 4; ++j) {
            const uint8_t code = Codes(base)[(i / 16 * lines + g) * 64 + i % 16 * 4 + j];
            sum += tables[(g * 4 + j) * 256 + code];
            magnitude += std::fabs(tables[(g * 4 + j) * 256 + code]);
          }
        }
        ASSERT_NEAR(sums[i], sum, magnitude * static_cast<double>(lines * 4 + 3) * 0x1p-24);
      }
    }
  }
}

// Every nibble is looked up in its own table: sub-quantizer s of a code has the table of s.
TEST_P(CodeScanTest, Opq4LooksUpEachNibble) {
  const CodeLayout layout(OpqSpec{.dim = 64, .bytes = 10, .bits = 4});
  constexpr uint32_t kRows = 37;
  const PageBuffer blocks(3 * layout.block_bytes(), /*huge=*/false);
  std::vector<uint8_t> codes(kRows * layout.bytes());
  for (uint8_t& byte : codes) byte = static_cast<uint8_t>(random_());
  for (uint32_t i = 0; i < kRows; ++i) {
    layout.Write(codes.data() + i * layout.bytes(), i, blocks.data());
  }
  for (size_t s = 0; s < 20; ++s) {
    std::vector<uint8_t> tables(layout.lines() * 128);
    for (size_t k = 0; k < 16; ++k) {
      tables[s / 8 * 128 + s % 2 * 64 + s % 8 / 2 * 16 + k] = static_cast<uint8_t>(k + 1);
    }
    std::vector<float> sums(3 * 16);
    level().scan_opq4(Codes(blocks), layout.lines(), 3, tables.data(), 1, 0, sums.data());
    for (uint32_t i = 0; i < kRows; ++i) {
      const int nibble = codes[i * layout.bytes() + s / 2] >> s % 2 * 4 & 15;
      ASSERT_EQ(sums[i], static_cast<float>(nibble + 1)) << "row " << i << ", " << s;
    }
  }
}

std::vector<SimdLevel> SupportedLevels() {
  std::vector<SimdLevel> levels;
  for (SimdLevel level : {SimdLevel::kScalar, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    if (Supported(level)) levels.push_back(level);
  }
  return levels;
}

INSTANTIATE_TEST_SUITE_P(Levels, CodeScanTest, testing::ValuesIn(SupportedLevels()),
                         [](const auto& info) { return std::string(Name(info.param)); });

TEST(CodeLayoutTest, WritesOneRowAndReadsIt) {
  std::mt19937_64 random(3);
  for (uint32_t bytes : {1, 2, 3, 4, 5, 8, 31, 32, 33}) {
    const CodeLayout layout(OpqSpec{.dim = bytes, .bytes = bytes, .bits = 8});
    EXPECT_LE(layout.row_bytes(), bytes + 3);
    const PageBuffer blocks(2 * layout.block_bytes(), /*huge=*/false);
    std::vector<std::vector<uint8_t>> codes(32, std::vector<uint8_t>(bytes));
    // In an order of chance: no row may touch another.
    for (uint32_t i = 0; i < 32; ++i) {
      const uint32_t at = i * 13 % 32;
      for (uint8_t& byte : codes[at]) byte = static_cast<uint8_t>(random());
      layout.Write(codes[at].data(), at, blocks.data());
    }
    std::vector<uint8_t> code(bytes);
    for (uint32_t i = 0; i < 32; ++i) {
      layout.Read(blocks.data(), i, code.data());
      EXPECT_EQ(code, codes[i]) << bytes << " bytes, row " << i;
    }
    const PageBuffer copy(2 * layout.block_bytes(), /*huge=*/false);
    for (uint32_t i = 0; i < 32; ++i) layout.Copy(blocks.data(), i, copy.data(), 31 - i);
    for (uint32_t i = 0; i < 32; ++i) {
      layout.Read(copy.data(), 31 - i, code.data());
      EXPECT_EQ(code, codes[i]) << bytes << " bytes, copied row " << i;
    }
  }
}

}  // namespace
}  // namespace nestor
