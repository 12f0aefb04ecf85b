#include "index/memory_estimate.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "tests/index/index_testutil.h"

namespace nestor {
namespace {

constexpr size_t kRows = 1500;

struct Case {
  const char* name;
  Metric metric;
  IndexSpec spec;
};

std::vector<Case> Cases() {
  const GraphSpec graph{64, 16, 40};
  return {
      {"defaults", Metric::kCosine, {}},
      {"lists", Metric::kL2, {.coarse_dim = 32, .lists = 30}},
      {"shells", Metric::kDot, {.shells = {32, 64, 128}, .codec = ShellCodec::kF16}},
      {"store", Metric::kL2, {.exact_vectors = ExactVectors::kStore}},
      {"tiers", Metric::kCosine, {.exact_vectors = ExactVectors::kStore, .memory_dim = 64}},
      {"codes", Metric::kL2, {.lists = 30, .codes = {{32, 8, 4}, {32, 4, 8}}}},
      {"code of cosine", Metric::kCosine, {.codes = {{64, 8, 4}}}},
      {"both", Metric::kL2, {.graph = graph}},
      {"graph", Metric::kDot, {.graph = graph, .no_lists = true}},
  };
}

TEST(MemoryEstimateTest, IsCloseToWhatABuildTakes) {
  for (const Case& c : Cases()) {
    const VectorSchema schema{128, {32, 64, 128}, c.metric, Dtype::kF32};
    const std::unique_ptr<IvfIndex> index = BuildOrDie(MakeMatrix(schema, kRows, 3), c.spec);
    const auto real = static_cast<double>(index->Memory().Total());
    const auto estimate =
        static_cast<double>(EstimateIndexBytes(schema, c.spec, IdKind::kNum, kRows));
    EXPECT_GE(estimate, 0.9 * real) << c.name;
    EXPECT_LE(estimate, 1.1 * real) << c.name;
  }
}

// What is added row by row, too, with what lists keep for more.
TEST(MemoryEstimateTest, RowBytesAreWhatARowAdds) {
  IdKind kind = IdKind::kNum;
  for (const Case& c : Cases()) {
    kind = kind == IdKind::kNum ? IdKind::kStr : IdKind::kNum;
    const VectorSchema schema{128, {32, 64, 128}, c.metric, Dtype::kF32};
    const Matrix matrix = MakeMatrix(schema, kRows, 3);
    const MatrixSource source(matrix, kind);
    const std::unique_ptr<IvfIndex> index = BuildOrDie(matrix, c.spec, kind);
    const uint64_t before = index->Memory().Total();
    uint64_t characters = 0;
    for (uint64_t i = 0; i < kRows; ++i) {
      const PointId id = source.At(i).id;
      if (const auto* text = std::get_if<std::string>(&id)) characters += text->size();
      const uint32_t list = index->Assign(matrix.stored(i));
      ASSERT_TRUE(index->Append(list, id, kRows + i, 2, matrix.stored(i)).ok());
    }
    const auto added = static_cast<double>(index->Memory().Total() - before - characters);
    const auto expected = static_cast<double>(kRows * index->row_bytes());
    EXPECT_GE(added, 0.85 * expected) << c.name;
    EXPECT_LE(added, 1.4 * expected) << c.name;
  }
}

}  // namespace
}  // namespace nestor
