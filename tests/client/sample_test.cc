// The sample under tests/data is whole and its parts fit each other.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/files/jsonl.h"
#include "client/files/vector_file.h"

namespace nestor {
namespace {

constexpr uint64_t kRows = 6000, kQueries = 300, kTruth = 100;
constexpr uint32_t kDim = 768;

VectorFile Open(const std::string& name) {
  absl::StatusOr<VectorFile> file =
      VectorFile::Open(std::string(NESTOR_SOURCE_DIR "/tests/data/") + name);
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

void ExpectShape(const VectorFile& file, Element element, uint64_t rows, uint32_t dim) {
  SCOPED_TRACE(file.path());
  EXPECT_EQ(file.element(), element);
  EXPECT_EQ(file.rows(), rows);
  EXPECT_EQ(file.dim(), dim);
}

class SampleTest : public ::testing::TestWithParam<std::string> {};

TEST_P(SampleTest, TruthHoldsTheScoresOfItsRows) {
  const VectorFile base = Open(GetParam() + "/base.f16bin");
  const VectorFile query = Open(GetParam() + "/query.f16bin");
  const VectorFile ids = Open(GetParam() + "/gt.ids.ibin");
  const VectorFile scores = Open(GetParam() + "/gt.dist.fbin");
  ExpectShape(base, Element::kF16, kRows, kDim);
  ExpectShape(query, Element::kF16, kQueries, kDim);
  ExpectShape(ids, Element::kI32, kQueries, kTruth);
  ExpectShape(scores, Element::kF32, kQueries, kTruth);

  const bool l2 = GetParam() == "wnh";
  std::vector<float> q(kDim), x(kDim), expected(kTruth);
  std::vector<uint64_t> hits(kTruth);
  for (uint64_t row = 0; row < kQueries; ++row) {
    query.ReadF32(row, q);
    scores.ReadF32(row, expected);
    ASSERT_EQ(ids.ReadIds(row, hits), absl::OkStatus());
    for (uint64_t k = 0; k < kTruth; ++k) {
      ASSERT_LT(hits[k], kRows);
      base.ReadF32(hits[k], x);
      double score = 0;
      for (uint32_t i = 0; i < kDim; ++i) {
        const double a = q[i], b = x[i];
        score += l2 ? (a - b) * (a - b) : a * b;
      }
      ASSERT_FLOAT_EQ(static_cast<float>(score), expected[k]) << "query " << row << ", hit " << k;
      if (k > 0) {
        ASSERT_TRUE(l2 ? expected[k] >= expected[k - 1] : expected[k] <= expected[k - 1]);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, SampleTest, ::testing::Values("wnh", "text"));

TEST(SampleFilesTest, LabelsAndPositivesFitTheRows) {
  ExpectShape(Open("wnh/base.labels.ibin"), Element::kI32, kRows, 1);
  ExpectShape(Open("wnh/query.labels.ibin"), Element::kI32, kQueries, 1);
  const VectorFile positives = Open("text/query.positive.ibin");
  ExpectShape(positives, Element::kI32, kQueries, 1);
  for (uint64_t row = 0; row < kQueries; ++row) {
    uint64_t positive = kRows;
    ASSERT_EQ(positives.ReadIds(row, {&positive, 1}), absl::OkStatus());
    EXPECT_LT(positive, kRows);
  }
}

TEST(SampleFilesTest, AttributesAreTyped) {
  absl::StatusOr<JsonlAttributesReader> reader =
      JsonlAttributesReader::Open(NESTOR_SOURCE_DIR "/tests/data/text/attributes.jsonl",
                                  {{"name", JsonlType::kString},
                                   {"source", JsonlType::kString},
                                   {"section", JsonlType::kString},
                                   {"arch", JsonlType::kString},
                                   {"installed_kib", JsonlType::kInt64},
                                   {"n_depends", JsonlType::kInt64},
                                   {"downloads_month", JsonlType::kInt64},
                                   {"major", JsonlType::kInt64},
                                   {"scoped", JsonlType::kBool},
                                   {"tags", JsonlType::kStringList}});
  ASSERT_TRUE(reader.ok()) << reader.status();
  JsonlAttributes attributes;
  uint64_t rows = 0;
  while (true) {
    const absl::StatusOr<bool> more = reader->Next(&attributes);
    ASSERT_TRUE(more.ok()) << more.status();
    if (!*more) break;
    ++rows;
    EXPECT_EQ(attributes.count("name"), 1u);
  }
  EXPECT_EQ(rows, kRows);
}

}  // namespace
}  // namespace nestor
