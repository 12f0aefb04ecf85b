#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "index/codes/quantizer.h"
#include "index/codes/stored.h"
#include "index/codes/train_opq.h"
#include "tests/index/codes_testutil.h"

namespace nestor {
namespace {

using testing::HasSubstr;

constexpr OpqSpec kSpecs[] = {{32, 8, 4}, {32, 4, 8}, {16, 1, 4}, {48, 12, 4}};

class QuantizerTest : public testing::TestWithParam<OpqSpec> {};

TEST_P(QuantizerTest, CodesNameTheNearestCentroids) {
  const TrainedCode& t = Trained(Metric::kCosine, GetParam());
  const OpqSpec& spec = GetParam();
  const std::vector<float> rotation = t.quantizer->rotation();
  const std::vector<float> centroids = t.quantizer->centroids();
  const size_t dim = spec.dim, sub_dim = spec.sub_dim();
  for (size_t i = 0; i < t.n(); ++i) {
    for (size_t s = 0; s < spec.subquantizers(); ++s) {
      std::vector<double> squares;
      for (size_t k = 0; k < spec.centroids(); ++k) {
        double square = 0;
        for (size_t j = 0; j < sub_dim; ++j) {
          double y = 0;
          for (size_t d = 0; d < dim; ++d) {
            y += static_cast<double>(rotation[(s * sub_dim + j) * dim + d]) * t.row(i)[d];
          }
          const double difference = y - centroids[(s * spec.centroids() + k) * sub_dim + j];
          square += difference * difference;
        }
        squares.push_back(square);
      }
      const size_t k = t.code(i)[s * spec.bits / 8] >> s * spec.bits % 8 & (spec.centroids() - 1);
      ASSERT_NEAR(squares[k], *std::min_element(squares.begin(), squares.end()), 1e-5)
          << "row " << i << ", sub-quantizer " << s;
    }
  }
}

TEST_P(QuantizerTest, OneByOneGivesTheCodesOfABatch) {
  const TrainedCode& t = Trained(Metric::kDot, GetParam());
  std::vector<uint8_t> code(GetParam().bytes);
  for (size_t i = 0; i < t.n(); ++i) {
    t.quantizer->Encode(t.row(i), 1, code.data());
    ASSERT_TRUE(std::equal(code.begin(), code.end(), t.code(i))) << i;
  }
}

// The rotation is really applied, both ways: it keeps lengths, and codes of rows that lie on
// centroids decode to those rows.
TEST_P(QuantizerTest, DecodesWhatItCodes) {
  const TrainedCode& t = Trained(Metric::kL2, GetParam());
  const uint32_t dim = GetParam().dim;
  std::vector<float> decoded(dim), again(dim);
  std::vector<uint8_t> code(GetParam().bytes);
  for (size_t i = 0; i < 50; ++i) {
    t.quantizer->Decode(t.code(i), decoded.data());
    t.quantizer->Encode(decoded.data(), 1, code.data());
    t.quantizer->Decode(code.data(), again.data());
    double square = 0;
    for (uint32_t d = 0; d < dim; ++d) {
      ASSERT_NEAR(decoded[d], again[d], 1e-4) << i;
      square += static_cast<double>(decoded[d]) * decoded[d];
    }
    ASSERT_NEAR(t.quantizer->HalfSquare(t.code(i), nullptr), square / 2, 1e-4 * (1 + square));
  }
  const double error = t.quantizer->RelativeError(t.rows.data(), t.n());
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 0.6);
  const std::vector<float> rotation = t.quantizer->rotation();
  double off_diagonal = 0;
  for (uint32_t i = 0; i < dim; ++i) {
    for (uint32_t j = 0; j < dim; ++j) {
      double product = 0;
      for (uint32_t d = 0; d < dim; ++d)
        product += static_cast<double>(rotation[i * dim + d]) * rotation[j * dim + d];
      ASSERT_NEAR(product, i == j ? 1 : 0, 1e-4);
    }
    for (uint32_t j = 0; j < dim; ++j)
      off_diagonal += i == j ? 0 : std::fabs(rotation[i * dim + j]);
  }
  EXPECT_GT(off_diagonal, dim);
}

TEST_P(QuantizerTest, ComesBackFromItsBytes) {
  const TrainedCode& t = Trained(Metric::kCosine, GetParam());
  const std::string bytes = SerializeOpq(*t.quantizer);
  const auto parsed = ParseOpq(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)->spec(), GetParam());
  EXPECT_EQ((*parsed)->rotation(), t.quantizer->rotation());
  EXPECT_EQ((*parsed)->centroids(), t.quantizer->centroids());
  EXPECT_EQ(SerializeOpq(**parsed), bytes);
  std::vector<uint8_t> codes(t.codes.size());
  (*parsed)->Encode(t.rows.data(), t.n(), codes.data());
  EXPECT_EQ(codes, t.codes);
  for (size_t length : {size_t{0}, size_t{15}, size_t{16}, bytes.size() - 1}) {
    EXPECT_TRUE(absl::IsDataLoss(ParseOpq(absl::string_view(bytes).substr(0, length)).status()));
  }
  EXPECT_TRUE(absl::IsDataLoss(ParseOpq(bytes + "x").status()));
}

INSTANTIATE_TEST_SUITE_P(Specs, QuantizerTest, testing::ValuesIn(kSpecs),
                         [](const auto& info) { return OpqName(info.param); });

TEST(QuantizerBytesTest, RefusesDamage) {
  const TrainedCode& t = Trained(Metric::kCosine, {16, 1, 4});
  const std::string good = SerializeOpq(*t.quantizer);
  const auto damaged = [&](size_t word, uint32_t value) {
    std::string bytes = good;
    std::memcpy(bytes.data() + 4 * word, &value, 4);
    return std::string(ParseOpq(bytes).status().message());
  };
  EXPECT_THAT(damaged(0, 2), HasSubstr("version 2"));
  EXPECT_THAT(damaged(1, 4096), HasSubstr("bytes, expected"));
  EXPECT_THAT(damaged(1, 0xffffffff), HasSubstr("dim must be 1..4096"));
  EXPECT_THAT(damaged(2, 3), HasSubstr("sub-quantizers"));
  EXPECT_THAT(damaged(3, 7), HasSubstr("bits must be 4 or 8"));
  EXPECT_THAT(damaged(4, 0x7fc00000), HasSubstr("rotation holds nan"));
  EXPECT_THAT(damaged(4, 0x41200000), HasSubstr("times as long"));  // 10
  EXPECT_THAT(damaged(4 + 256, 0x7f800000), HasSubstr("codebook holds inf"));
}

TEST(QuantizerMakeTest, RefusesOtherSizes) {
  const TrainedCode& t = Trained(Metric::kCosine, {16, 1, 4});
  std::vector<float> rotation = t.quantizer->rotation(), centroids = t.quantizer->centroids();
  EXPECT_TRUE(OpqQuantizer::Make({16, 1, 4}, rotation, centroids).ok());
  EXPECT_FALSE(OpqQuantizer::Make({16, 1, 8}, rotation, centroids).ok());
  EXPECT_FALSE(OpqQuantizer::Make({32, 1, 4}, rotation, centroids).ok());
  EXPECT_FALSE(OpqQuantizer::Make({16, 1, 4}, centroids, rotation).ok());
  EXPECT_FALSE(OpqQuantizer::Make({16, 1, 5}, rotation, centroids).ok());
}

TEST(TrainOpqTest, RefusesFewerRowsThanCentroids) {
  const Matrix matrix = MakeMatrix({.dim = 16, .nesting = {16}, .metric = Metric::kDot}, 255, 1);
  const auto refused = TrainOpq({.spec = {16, 2, 8}}, matrix.values);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("at least 256 rows"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("there are 255"));
  EXPECT_TRUE(TrainOpq({.spec = {16, 2, 4}, .iterations = 2}, matrix.values).ok());
  EXPECT_EQ(TrainOpq({.spec = {16, 3, 8}}, matrix.values).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TrainOpqTest, RepeatsWithTheSameSeedAndStops) {
  const Matrix matrix = MakeMatrix({.dim = 16, .nesting = {16}, .metric = Metric::kDot}, 300, 1);
  OpqTraining training{.spec = {16, 2, 4}, .iterations = 3};
  std::vector<double> fractions;
  training.progress = [&](double fraction) {
    fractions.push_back(fraction);
    return true;
  };
  const auto first = TrainOpq(training, matrix.values);
  const auto second = TrainOpq(training, matrix.values);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ((*first)->centroids(), (*second)->centroids());
  EXPECT_EQ((*first)->rotation(), (*second)->rotation());
  EXPECT_THAT(fractions, testing::SizeIs(6));
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.begin() + 3));
  training.progress = [](double fraction) { return fraction < 0.3; };
  EXPECT_TRUE(absl::IsCancelled(TrainOpq(training, matrix.values).status()));
}

// Rows that leave centroids without a row of their own: all zero, a constant dim, few distinct.
TEST(TrainOpqTest, TrainsOnDegenerateRows) {
  constexpr size_t kRows = 300;
  const Matrix matrix = MakeMatrix({.dim = 16, .nesting = {16}, .metric = Metric::kDot}, kRows, 1);
  for (const OpqSpec& spec : {OpqSpec{16, 2, 4}, OpqSpec{16, 2, 8}}) {
    const auto error = [&](const std::vector<float>& rows) {
      const auto quantizer = TrainOpq({.spec = spec, .iterations = 3}, rows);
      EXPECT_TRUE(quantizer.ok()) << quantizer.status();
      if (!quantizer.ok()) return 1.0;
      const std::string bytes = SerializeOpq(**quantizer);
      EXPECT_TRUE(ParseOpq(bytes).ok());
      return (*quantizer)->RelativeError(rows.data(), kRows);
    };
    EXPECT_EQ(error(std::vector<float>(kRows * 16)), 0);
    std::vector<float> constant = matrix.values;
    for (size_t i = 0; i < kRows; ++i) constant[i * 16] = 3, constant[i * 16 + 9] = 0;
    EXPECT_LT(error(constant), 0.3);
    std::vector<float> few = matrix.values;
    for (size_t i = 5 * 16; i < few.size(); ++i) few[i] = few[i % (5 * 16)];
    EXPECT_LT(error(few), 1e-3);
  }
}

TEST(PrepareRowTest, NormalizesUnderCosineAndTakesTheMean) {
  const float x[] = {3, 4, 12};
  const float mean[] = {0.5f, -1};
  float out[2];
  PrepareRow(Metric::kDot, x, 2, nullptr, out);
  EXPECT_THAT(out, testing::ElementsAre(3, 4));
  PrepareRow(Metric::kL2, x, 2, mean, out);
  EXPECT_THAT(out, testing::ElementsAre(2.5f, 5));
  PrepareRow(Metric::kCosine, x, 2, mean, out);
  EXPECT_THAT(
      out, testing::ElementsAre(testing::FloatNear(0.1f, 1e-6f), testing::FloatNear(1.8f, 1e-6f)));
}

}  // namespace
}  // namespace nestor
