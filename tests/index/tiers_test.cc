// Indexes that have a part of their vectors in memory and the rest in a store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/ivf_index.h"
#include "tests/index/index_testutil.h"

namespace nestor {
namespace {

using testing::HasSubstr;

constexpr uint32_t kLimit = 10;

VectorSchema SchemaOf(Metric metric, Dtype dtype) {
  return {.dim = 99, .nesting = {6, 16, 30, 64, 99}, .metric = metric, .dtype = dtype};
}

class MatrixVectors : public VectorSource {
 public:
  explicit MatrixVectors(const Matrix& matrix) : matrix_(matrix) {}
  absl::Status Fetch(std::span<const uint64_t> rows, std::byte* out) const override {
    const size_t bytes = matrix_.schema.dim * DtypeBytes(matrix_.schema.dtype);
    for (size_t i = 0; i < rows.size(); ++i)
      std::memcpy(out + i * bytes, matrix_.stored(rows[i]), bytes);
    return absl::OkStatus();
  }

 private:
  const Matrix& matrix_;
};

TEST(TiersTest, ExactVectorsFromAStoreGiveTheSameAnswers) {
  for (Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    const VectorSchema schema = SchemaOf(metric, Dtype::kF16);
    const Matrix base = MakeMatrix(schema, 1500, 1);
    const Matrix queries = MakeMatrix(schema, 4, 2);
    const std::unique_ptr<IvfIndex> memory = BuildOrDie(base, {.lists = 20});
    const std::unique_ptr<IvfIndex> store =
        BuildOrDie(base, {.lists = 20, .exact_vectors = ExactVectors::kStore});
    EXPECT_EQ(store->VectorAt(0), nullptr);
    EXPECT_EQ(store->Memory().exact_vectors, 0u);
    const MatrixVectors source(base);
    SearchScratch scratch;
    SearchResult a, b;
    const Plan plan = *ParsePlan("coarse=64:10,scan=64:100,refine=99:20,rescore");
    for (size_t i = 0; i < queries.rows(); ++i) {
      SearchQuery query = QueryOf(queries.row(i), schema, kLimit);
      ASSERT_TRUE(memory->Search(query, plan, &scratch, &a).ok());
      EXPECT_EQ(store->Search(query, plan, &scratch, &b).code(),
                absl::StatusCode::kFailedPrecondition);
      query.source = &source;
      ASSERT_TRUE(store->Search(query, plan, &scratch, &b).ok());
      EXPECT_EQ(NumericIds(*memory, a.hits), NumericIds(*store, b.hits));
      ASSERT_TRUE(store->SearchExact(query, 30, &scratch, &b).ok());
      EXPECT_EQ(NumericIds(*store, b.hits), NaiveBest(base, queries.row(i), 30, kLimit));
    }
  }
}

// Rescore finds in the store what memory lacks, and reads each survivor once.
TEST(TiersTest, ShellsBeyondMemoryAreReadFromTheStore) {
  for (Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    const VectorSchema schema = SchemaOf(metric, Dtype::kF16);
    const Matrix base = MakeMatrix(schema, 1500, 1);
    const Matrix queries = MakeMatrix(schema, 4, 2);
    const std::unique_ptr<IvfIndex> whole =
        BuildOrDie(base, {.coarse_dim = 16, .lists = 20, .shells = {30, 64, 99}});
    for (const uint32_t memory_dim : {30, 64, 99}) {
      const std::unique_ptr<IvfIndex> tiered =
          BuildOrDie(base, {.coarse_dim = 16,
                            .lists = 20,
                            .shells = {30, 64, 99},
                            .exact_vectors = ExactVectors::kStore,
                            .memory_dim = memory_dim,
                            .codes = {{64, 8, 4}}});
      const IndexMemory memory = tiered->Memory();
      EXPECT_EQ(memory.exact_vectors, 0u);
      EXPECT_EQ(memory.first_shell, whole->Memory().first_shell);
      EXPECT_EQ(memory.later_shells == whole->Memory().later_shells, memory_dim == 99);
      EXPECT_EQ(memory.later_shells == 0, memory_dim == 30);
      EXPECT_EQ(memory.norms_scales < whole->Memory().norms_scales, memory_dim == 30);
      const MatrixVectors source(base);
      SearchScratch scratch;
      SearchResult a, b;
      for (const char* text :
           {"coarse=99:10,scan=30:100,rescore", "coarse=16:20,scan=16:50,refine=30:20,rescore",
            "coarse=16:20,scan=30:50,refine=64:20,rescore", "coarse=16:20,scan=64:30"}) {
        const Plan plan = *ParsePlan(text);
        const uint32_t deepest = plan.refine.empty() ? plan.scan.dim : plan.refine.back().dim;
        for (size_t i = 0; i < queries.rows(); ++i) {
          SearchQuery query = QueryOf(queries.row(i), schema, kLimit);
          ASSERT_TRUE(whole->Search(query, plan, &scratch, &a).ok());
          EXPECT_EQ(a.stages.back().store_reads, 0u);
          query.source = &source;
          const absl::Status status = tiered->Search(query, plan, &scratch, &b);
          if (deepest > memory_dim) {
            EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << text;
            EXPECT_THAT(std::string(status.message()), HasSubstr("dim 64 is beyond the 30 dims"));
            continue;
          }
          ASSERT_TRUE(status.ok()) << status;
          EXPECT_EQ(NumericIds(*whole, a.hits), NumericIds(*tiered, b.hits)) << text;
          EXPECT_EQ(b.stages.back().store_reads, plan.rescore ? b.stages.back().in : 0u);
        }
      }
      SearchQuery query = QueryOf(queries.row(0), schema, kLimit);
      query.source = &source;
      const Plan by_code = *ParsePlan("coarse=16:20,scan=opq64x8b4:1500,rescore");
      ASSERT_TRUE(tiered->Search(query, by_code, &scratch, &b).ok());
      EXPECT_EQ(NumericIds(*tiered, b.hits), NaiveBest(base, queries.row(0), 99, kLimit));
      EXPECT_EQ(b.stages.back().store_reads, 1500u);
      ASSERT_TRUE(tiered->SearchExact(query, 99, &scratch, &b).ok());
      EXPECT_EQ(NumericIds(*tiered, b.hits), NaiveBest(base, queries.row(0), 99, kLimit));
      EXPECT_GE(b.stages.back().store_reads, 1500u);
      // What is not named is planned within memory.
      const Plan unnamed = DefaultPlan(schema, tiered->Shape(), kLimit);
      ASSERT_TRUE(ValidatePlan(unnamed, schema, kLimit).ok());
      EXPECT_TRUE(tiered->Search(query, unnamed, &scratch, &b).ok()) << FormatPlan(unnamed);
    }
  }
}

TEST(TiersTest, MemoryDimIsABoundOfShells) {
  const VectorSchema schema = SchemaOf(Metric::kDot, Dtype::kF32);
  const auto message = [&](const IndexSpec& spec) {
    return std::string(ValidateSpec(spec, schema).message());
  };
  EXPECT_EQ(message({.memory_dim = 64}), "");
  EXPECT_EQ(message({.shells = {30, 64, 99}, .memory_dim = 64}), "");
  EXPECT_THAT(message({.memory_dim = 65}), HasSubstr("memory_dim 65 is not in the nesting"));
  EXPECT_THAT(message({.shells = {30, 99}, .memory_dim = 64}),
              HasSubstr("memory_dim 64 is none of the bounds of the shells 30,99"));
  const IndexSpec resolved = ResolveSpec({.memory_dim = 30}, schema, 5000);
  EXPECT_EQ(resolved.shells.front(), 30u);
  EXPECT_EQ(resolved.shells.back(), 99u);
  EXPECT_EQ(ShellsInMemory(resolved), std::vector<uint32_t>{30});
  EXPECT_EQ(ShellsInMemory(ResolveSpec({}, schema, 5000)), ResolveSpec({}, schema, 5000).shells);
  // A graph alone has its prefix in memory in any case.
  const IndexSpec graph = ResolveSpec(
      {.memory_dim = 30, .graph = GraphSpec{.dim = 64}, .no_lists = true}, schema, 5000);
  EXPECT_EQ(ShellsInMemory(graph), std::vector<uint32_t>{64});
}

}  // namespace
}  // namespace nestor
