#include "index/shells.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "index/model.h"

namespace nestor {
namespace {

TEST(QuantizeInt8Test, ErrorIsHalfAStepAndScaleIsMaxOver127) {
  std::mt19937_64 random(3);
  std::normal_distribution<float> normal;
  for (size_t n : {1, 3, 15, 16, 17, 64, 100}) {
    std::vector<float> values(n);
    for (float& v : values) v = normal(random);
    float max = 0;
    for (float v : values) max = std::max(max, std::fabs(v));
    std::vector<int8_t> codes(n);
    const float scale = QuantizeInt8(values.data(), n, codes.data());
    EXPECT_EQ(scale, max / 127);
    for (size_t i = 0; i < n; ++i) {
      EXPECT_LE(std::fabs(values[i] - scale * codes[i]), scale * 0.5001f);
      EXPECT_GE(codes[i], -127);
    }
  }
}

TEST(QuantizeInt8Test, NearestEven) {
  // max 127 makes the scale 1, so that halves are ties.
  const float values[] = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -127};
  int8_t codes[7];
  EXPECT_EQ(QuantizeInt8(values, 7, codes), 1.0f);
  const int8_t expected[] = {127, 0, 2, 2, 0, -2, -127};
  EXPECT_EQ(std::memcmp(codes, expected, 7), 0);
}

TEST(QuantizeInt8Test, ZeroAndTinyShellsHaveScaleZero) {
  for (float v : {0.0f, -0.0f, 1e-40f}) {
    const std::vector<float> values(20, v);
    std::vector<int8_t> codes(20, 5);
    EXPECT_EQ(QuantizeInt8(values.data(), 20, codes.data()), 0.0f);
    EXPECT_EQ(codes, std::vector<int8_t>(20, 0));
  }
}

TEST(RowCodeTest, OneScalePerShell) {
  const ShellLayout layout({4, 10}, ShellCodec::kInt8);
  EXPECT_EQ(layout.row_bytes(1), 64u);
  EXPECT_EQ(layout.block_bytes(), 64u);
  RowCode code(&layout, /*exact_int8=*/false);
  const float x[] = {127, 1, 2, 3, 0.5f, 0.25f, 0, 0, 0, 0};
  code.Encode(x);
  EXPECT_EQ(code.scale(0), 1.0f);
  EXPECT_EQ(code.scale(1), 0.5f / 127);
  EXPECT_EQ(static_cast<int8_t>(code.shell(0)[3]), 3);
  EXPECT_EQ(static_cast<int8_t>(code.shell(1)[0]), 127);
}

TEST(RowCodeTest, Int8VectorsAreTheirOwnCodes) {
  const ShellLayout layout({3}, ShellCodec::kInt8);
  RowCode code(&layout, /*exact_int8=*/true);
  const float x[] = {-128, 5, 127};
  code.Encode(x);
  EXPECT_EQ(code.scale(0), 1.0f);
  EXPECT_EQ(static_cast<int8_t>(code.shell(0)[0]), -128);
  EXPECT_EQ(static_cast<int8_t>(code.shell(0)[2]), 127);
}

TEST(QueryCodeTest, PrefixHasZerosBehindIt) {
  const ShellLayout layout({8, 16}, ShellCodec::kInt8);
  const std::vector<float> q(16, 1.0f);
  QueryCode code;
  code.Encode(layout, q.data(), /*integral=*/false, layout.begin(layout.shells() - 1) + 1);
  const QueryCode::ScanCodes prefix = code.Prefix(layout, 0, 6);
  EXPECT_EQ(prefix.groups, 2u);
  EXPECT_EQ(prefix.places, nullptr);
  EXPECT_EQ(prefix.codes[5], 127);
  EXPECT_EQ(prefix.codes[6], 0);
  EXPECT_EQ(prefix.codes[7], 0);
  EXPECT_EQ(code.Prefix(layout, 0, 8).codes[7], 127);
}

TEST(QueryCodeTest, PrefixLeavesGroupsOfZerosOut) {
  const ShellLayout layout({32}, ShellCodec::kInt8);
  std::vector<float> q(32, 0.0f);
  q[9] = 1;
  q[28] = -0.5f;
  q[30] = 0.25f;
  QueryCode code;
  code.Encode(layout, q.data(), /*integral=*/false, 32);
  const QueryCode::ScanCodes all = code.Prefix(layout, 0, 32);
  ASSERT_EQ(all.groups, 2u);
  EXPECT_EQ(std::vector(all.places, all.places + 2), (std::vector<uint32_t>{2, 7}));
  EXPECT_EQ(std::vector(all.codes, all.codes + 8),
            (std::vector<int8_t>{0, 127, 0, 0, -64, 0, 32, 0}));
  // Cut within a group.
  const QueryCode::ScanCodes cut = code.Prefix(layout, 0, 29);
  ASSERT_EQ(cut.groups, 2u);
  EXPECT_EQ(std::vector(cut.codes, cut.codes + 8),
            (std::vector<int8_t>{0, 127, 0, 0, -64, 0, 0, 0}));
  // All zeros: nothing is left out, a scan takes one group at least.
  std::fill(q.begin(), q.end(), 0.0f);
  code.Encode(layout, q.data(), /*integral=*/false, 32);
  EXPECT_EQ(code.Prefix(layout, 0, 32).groups, 8u);
}

TEST(PrefixSquaresTest, OnePerNestingDim) {
  const VectorSchema schema{.dim = 4, .nesting = {1, 3, 4}, .metric = Metric::kCosine};
  const float x[] = {1, 2, 3, 4};
  double squares[3];
  PrefixSquares(schema, x, squares);
  EXPECT_EQ(squares[0], 1);
  EXPECT_EQ(squares[1], 14);
  EXPECT_EQ(squares[2], 30);
  EXPECT_FLOAT_EQ(AuxOf(Metric::kCosine, 4), 0.5f);
  EXPECT_FLOAT_EQ(AuxOf(Metric::kL2, 4), 2);
  EXPECT_FLOAT_EQ(AuxOf(Metric::kDot, 4), 2);
}

TEST(ModelTest, BytesRoundTripAndDamageIsFound) {
  const VectorSchema schema{.dim = 4, .nesting = {2, 4}, .metric = Metric::kL2};
  Model model{.lists = 3, .coarse_dim = 2, .centroids = {1, 2, 3, 4, 5, 6}};
  model.means.assign(12, 0.5f);
  const std::string bytes = SerializeModel(model);
  const auto parsed = ParseModel(bytes, schema);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)->centroids, model.centroids);
  EXPECT_EQ((*parsed)->means, model.means);
  EXPECT_TRUE(ParseModel(SerializeModel(*Model::Untrained()), schema).ok());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(ParseModel(absl::string_view(bytes).substr(0, n), schema).status().code(),
              absl::StatusCode::kDataLoss)
        << n;
  }
  EXPECT_FALSE(ParseModel(bytes + "x", schema).ok());
  for (size_t at : {0, 4, 8}) {
    std::string damaged = bytes;
    damaged[at] = 9;
    EXPECT_FALSE(ParseModel(damaged, schema).ok()) << at;
  }
  std::string nan = bytes;
  std::memcpy(nan.data() + nan.size() - 4, "\0\0\xc0\x7f", 4);
  EXPECT_FALSE(ParseModel(nan, schema).ok());
}

}  // namespace
}  // namespace nestor
