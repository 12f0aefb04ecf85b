#include "index/stored_code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>

#include "tests/index/codes_testutil.h"

namespace nestor {
namespace {

using testing::HasSubstr;

constexpr OpqSpec kSpec{.dim = 32, .bytes = 8, .bits = 4};
constexpr uint32_t kLists = 3;

std::vector<float> Means() {
  std::vector<float> means(kLists * kSpec.dim);
  for (size_t i = 0; i < means.size(); ++i) means[i] = static_cast<float>(i) / 100;
  return means;
}

TEST(StoredCodeTest, ComesBackAndCodesTheSame) {
  const TrainedCode& trained = Trained(Metric::kL2, kSpec);
  for (const uint32_t lists : {1u, kLists}) {
    const Code code(Metric::kL2, trained.quantizer, lists == 1 ? std::vector<float>() : Means());
    const std::string bytes = SerializeCode(code);
    const auto back = ParseCode(bytes, Metric::kL2, kSpec, lists);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(SerializeCode(**back), bytes);
    EXPECT_EQ((*back)->half_squares(), code.half_squares());
    std::vector<float> prepared;
    std::vector<uint8_t> expected, found;
    for (size_t i = 0; i < 20; ++i) {
      const uint32_t list = static_cast<uint32_t>(i) % lists;
      const float* row = trained.matrix.row(i);
      EXPECT_EQ(code.Encode(row, list, &prepared, &expected),
                (*back)->Encode(row, list, &prepared, &found));
      EXPECT_EQ(found, expected);
    }
  }
}

// What was given says so; where rows are coded whole there are no means, whatever the lists.
TEST(StoredCodeTest, OriginsComeBack) {
  const TrainedCode& trained = Trained(Metric::kL2, kSpec);
  for (const CodeOrigin origin : {CodeOrigin::kGivenForResiduals, CodeOrigin::kGivenForRows}) {
    const bool whole = origin == CodeOrigin::kGivenForRows;
    const Code code(Metric::kL2, trained.quantizer, whole ? std::vector<float>() : Means(), origin);
    const auto back = ParseCode(SerializeCode(code), Metric::kL2, kSpec, kLists);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ((*back)->origin(), origin);
    EXPECT_EQ((*back)->of_residuals(), !whole);
    EXPECT_EQ((*back)->given().quantizer->rotation(), trained.quantizer->rotation());
  }
  std::string bytes = SerializeCode(Code(Metric::kL2, trained.quantizer, Means()));
  bytes[3] = static_cast<char>(0xc0);
  EXPECT_EQ(ParseCode(bytes, Metric::kL2, kSpec, kLists).status(),
            absl::DataLossError("the code opq32x8b4 has origin 3"));
}

TEST(StoredCodeTest, DamageIsNamed) {
  const Code code(Metric::kL2, Trained(Metric::kL2, kSpec).quantizer, Means());
  const std::string bytes = SerializeCode(code);
  const auto refused = [](absl::string_view stored, const OpqSpec& spec, uint32_t lists) {
    const auto parsed = ParseCode(stored, Metric::kL2, spec, lists);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kDataLoss) << parsed.status();
    return std::string(parsed.status().message());
  };
  for (size_t length = 0; length < bytes.size(); length += 7) {
    refused(absl::string_view(bytes).substr(0, length), kSpec, kLists);
  }
  refused(bytes + "x", kSpec, kLists);
  EXPECT_THAT(refused(bytes, kSpec, 2), HasSubstr("has means of 3 lists, not of 2"));
  EXPECT_THAT(refused(bytes, kSpec, 1), HasSubstr("has means of 3 lists, not of 0"));
  EXPECT_THAT(refused(bytes, {.dim = 32, .bytes = 4, .bits = 4}, kLists),
              HasSubstr("the code opq32x4b4 has the quantizer of opq32x8b4"));
  std::string bad = bytes;
  const float infinite = std::numeric_limits<float>::infinity();
  std::memcpy(bad.data() + 8, &infinite, sizeof(infinite));
  EXPECT_THAT(refused(bad, kSpec, kLists), HasSubstr("a mean that is not finite"));
}

}  // namespace
}  // namespace nestor
