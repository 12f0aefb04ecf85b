#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "index/codes/spec.h"
#include "index/schema.h"

namespace nestor {
namespace {

using testing::HasSubstr;

TEST(OpqSpecTest, NamesComeBack) {
  for (const OpqSpec& spec : {OpqSpec{256, 32, 4}, OpqSpec{8, 1, 8}, OpqSpec{4096, 4096, 8}}) {
    const auto parsed = ParseOpqName(OpqName(spec));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, spec);
  }
  EXPECT_EQ(OpqName({256, 32, 4}), "opq256x32b4");
}

TEST(OpqSpecTest, RefusesOtherNames) {
  for (const char* name :
       {"", "opq", "opq256", "opq256x32", "opq256x32b", "256x32b4", "opq256x32b4 ", " opq256x32b4",
        "opq+256x32b4", "opq0256x32b4", "opq256x32b4b4", "opq256x32x4", "opq-1x32b4", "OPQ256x32b4",
        "opq4294967296x32b4", "opqx32b4", "opq256xb4"}) {
    const auto parsed = ParseOpqName(name);
    ASSERT_FALSE(parsed.ok()) << name;
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(OpqSpecTest, RefusesBadSpecsWithValueAndLimit) {
  const VectorSchema schema{.dim = 768, .nesting = {100, 256, 768}};
  const struct {
    OpqSpec spec;
    const char* message;
  } cases[] = {
      {{256, 32, 5}, "bits must be 4 or 8, not 5"},
      {{256, 32, 0}, "bits must be 4 or 8, not 0"},
      {{0, 32, 4}, "dim must be 1..4096, not 0"},
      {{8192, 32, 4}, "dim must be 1..4096, not 8192"},
      {{256, 0, 8}, "bytes must be 1..256 (its dim), not 0"},
      {{256, 257, 8}, "bytes must be 1..256 (its dim), not 257"},
      {{256, 0xffffffff, 4}, "bytes must be 1..256"},
      {{256, 24, 8}, "24 sub-quantizers (8 * 24 bytes / 8 bits) must divide its dim 256"},
      {{256, 192, 4}, "384 sub-quantizers (8 * 192 bytes / 4 bits) must divide its dim 256"},
      {{128, 32, 4}, "dim 128 is not in the nesting 100,256,768"},
  };
  for (const auto& c : cases) {
    const absl::Status status = ValidateOpq(c.spec, schema);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
  for (const OpqSpec& spec :
       {OpqSpec{256, 32, 4}, OpqSpec{256, 256, 8}, OpqSpec{256, 128, 4}, OpqSpec{100, 5, 4}}) {
    EXPECT_TRUE(ValidateOpq(spec, schema).ok()) << OpqName(spec);
  }
}

}  // namespace
}  // namespace nestor
