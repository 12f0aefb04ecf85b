#include "index/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nestor {
namespace {

using testing::HasSubstr;

const VectorSchema kSchema{.dim = 768, .nesting = {64, 128, 256, 768}, .metric = Metric::kL2};

TEST(PlanTest, TextRoundTrips) {
  for (const char* text :
       {"coarse=64:32,scan=128:100,refine=256:30,rescore", "coarse=64:1,scan=64:10",
        "coarse=768:65536,scan=128:100,refine=256:50,refine=768:10",
        "coarse=64:8,scan=128:10,rescore", "graph=384:200:0.18,refine=768:15,rescore",
        "graph=384:10", "graph=64:10000:0.5", "graph=768:12,rescore",
        "graph=100:50:0.12345679,refine=128:40,refine=256:30,refine=768:10",
        "graph=64:10:1e-05,rescore", "coarse=64:32,scan=opq256x32b4:200",
        "coarse=64:32,scan=opq768x96b8:200,refine=64:100,refine=64:50,refine=768:10,rescore"}) {
    const auto plan = ParsePlan(text);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(FormatPlan(*plan), text);
    EXPECT_TRUE(ValidatePlan(*plan, kSchema, 10).ok()) << text;
  }
}

TEST(PlanTest, TokenStages) {
  const VectorSchema tokens{.dim = 128, .nesting = {32, 128}, .metric = Metric::kDot};
  for (const char* text :
       {"coarse=64:32,scan=128:100,refine=768:60,maxsim=128:20,rescore",
        "coarse=64:32,scan=128:100,maxsim=32:50,maxsim=128:20", "graph=384:200,maxsim=32:10"}) {
    const auto plan = ParsePlan(text);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(FormatPlan(*plan), text);
    EXPECT_TRUE(ValidatePlan(*plan, kSchema, 10, &tokens).ok()) << text;
    EXPECT_THAT(std::string(ValidatePlan(*plan, kSchema, 10).message()), HasSubstr("kind MULTI"));
  }
  struct Bad {
    const char* text;
    const char* message;
  };
  for (const Bad& bad :
       {Bad{"graph=64:50,maxsim=64:20", "maxsim dim 64 is not in the nesting 32,128"},
        Bad{"graph=64:50,maxsim=128:20,maxsim=32:10", "maxsim dim 32 is below the 128"},
        Bad{"graph=64:50,maxsim=32:51", "maxsim keep 51 is above the 50"},
        Bad{"graph=64:50,maxsim=32:20,maxsim=128:21", "maxsim keep 21 is above the 20"},
        Bad{"graph=64:50,maxsim=32:9", "last keep 9 is below the limit 10"},
        Bad{"graph=64:50,maxsim=32:0", "maxsim keep 0 is outside"}}) {
    const auto plan = ParsePlan(bad.text);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_THAT(std::string(ValidatePlan(*plan, kSchema, 10, &tokens).message()),
                HasSubstr(bad.message));
  }
  EXPECT_EQ(LastKeep(*ParsePlan("coarse=64:1,scan=64:70,maxsim=32:10")), 70u);
  EXPECT_EQ(LastKeep(*ParsePlan("graph=64:50,maxsim=32:10")), 50u);
  EXPECT_EQ(LastKeep(*ParsePlan("graph=64:50,refine=768:40,maxsim=32:10")), 40u);
}

struct BadText {
  const char* text;
  const char* message;
};

TEST(PlanTest, BadTextNamesTheStage) {
  for (const BadText& bad : {
           BadText{"", "''"},
           BadText{"coarse=64:8", "lacks"},
           BadText{"scan=64:8", "out of place"},
           BadText{"coarse=64:8,scan=128", "scan=128"},
           BadText{"coarse=64:8,scan=128:1:2", "scan=128:1:2"},
           BadText{"coarse=64:x,scan=128:1", "coarse=64:x"},
           BadText{"coarse=64:-1,scan=128:1", "coarse=64:-1"},
           BadText{"coarse=64:8,scan=128:99999999999", "99999999999"},
           BadText{"coarse=64:8,refine=128:9,scan=128:9", "out of place"},
           BadText{"coarse=64:8,scan=128:9,rescore,refine=256:9", "out of place"},
           BadText{"coarse=64:8,scan=128:9,rescore=1", "rescore=1"},
           BadText{"coarse=64:8,scan=128:9,graph=64:8", "graph=64:8"},
           BadText{"coarse=64:8,scan=128:9,", "''"},
           BadText{"coarse=64:8,scan=opq256x32b4", "scan=opq256x32b4"},
           BadText{"coarse=64:8,scan=opq256x32b4:", "scan=opq256x32b4:"},
           BadText{"coarse=64:8,scan=opq256x32b4:9:9", "scan=opq256x32b4:9:9"},
           BadText{"coarse=64:8,scan=opq256x032b4:9", "scan=opq256x032b4:9"},
           BadText{"coarse=64:8,scan=pq256x32b4:9", "scan=pq256x32b4:9"},
           BadText{"coarse=64:8,scan=128:9,refine=opq256x32b4:9", "refine=opq256x32b4:9"},
           BadText{"graph=64", "graph=64"},
           BadText{"graph=", "graph="},
           BadText{"graph=64:8:0.1:2", "graph=64:8:0.1:2"},
           BadText{"graph=64:x", "graph=64:x"},
           BadText{"graph=-64:8", "graph=-64:8"},
           BadText{"graph=64:8:", "graph=64:8:"},
           BadText{"graph=64:8:much", "graph=64:8:much"},
           BadText{"graph=64:99999999999", "99999999999"},
           BadText{"graph=64:8,graph=64:8", "'graph=64:8' is out of place"},
           BadText{"graph=64:8,scan=128:8", "'scan=128:8' is out of place"},
           BadText{"graph=64:8,coarse=64:8", "'coarse=64:8' is out of place"},
           BadText{"coarse=64:8,graph=64:8", "'graph=64:8' is out of place"},
           BadText{"refine=768:8,graph=64:8", "'refine=768:8' is out of place"},
           BadText{"rescore,graph=64:8", "'rescore' is out of place"},
           BadText{"graph=64:8,rescore,refine=768:8", "'refine=768:8' is out of place"},
           BadText{"graph=64:8,rescore,rescore", "'rescore' is out of place"},
           BadText{"maxsim=32:8,graph=64:8", "'maxsim=32:8' is out of place"},
           BadText{"graph=64:8,maxsim=32:8,refine=64:8", "'refine=64:8' is out of place"},
           BadText{"graph=64:8,rescore,maxsim=32:8", "'maxsim=32:8' is out of place"},
           BadText{"graph=64:8,maxsim=32", "maxsim=32"},
       }) {
    const auto plan = ParsePlan(bad.text);
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kInvalidArgument) << bad.text;
    EXPECT_THAT(std::string(plan.status().message()), HasSubstr(bad.message)) << bad.text;
  }
}

TEST(PlanTest, ValidationNamesValueAndLimit) {
  struct Case {
    const char* text;
    uint32_t limit;
    const char* message;
  };
  for (const Case& c : {
           Case{"coarse=65:8,scan=128:10", 10,
                "coarse dim 65 is not in the nesting 64,128,256,768"},
           Case{"coarse=64:0,scan=128:10", 10, "probes 0 is outside 1..65536"},
           Case{"coarse=64:65537,scan=128:10", 10, "probes 65537 is outside 1..65536"},
           Case{"coarse=64:8,scan=100:10", 10, "scan dim 100"},
           Case{"coarse=64:8,scan=128:0", 10, "keep 0 is outside"},
           Case{"coarse=64:8,scan=128:1000001", 10, "keep 1000001 is outside 1..1000000"},
           Case{"coarse=64:8,scan=128:50,refine=64:20", 10, "refine dim 64 is below the 128"},
           Case{"coarse=64:8,scan=128:50,refine=256:60", 10, "refine keep 60 is above the 50"},
           Case{"coarse=64:8,scan=128:50,refine=256:9", 10, "last keep 9 is below the limit 10"},
           Case{"coarse=64:8,scan=128:50", 51, "last keep 50 is below the limit 51"},
           Case{"coarse=64:8,scan=opq100x10b4:50", 10, "dim 100 is not in the nesting"},
           Case{"coarse=64:8,scan=opq256x32b5:50", 10, "bits must be 4 or 8, not 5"},
           Case{"coarse=64:8,scan=opq256x33b4:50", 10, "66 sub-quantizers"},
           Case{"coarse=64:8,scan=opq256x32b4:0", 10, "keep 0 is outside"},
           Case{"coarse=64:8,scan=opq256x32b4:9", 10, "last keep 9 is below the limit 10"},
           Case{"coarse=64:8,scan=opq256x32b4:50,refine=100:20", 10, "refine dim 100"},
           Case{"coarse=64:8,scan=opq256x32b4:50,refine=64:51", 10, "51 is above the 50"},
           Case{"coarse=64:8,scan=opq256x32b4:50,refine=256:50,refine=64:20", 10,
                "refine dim 64 is below the 256"},
           Case{"graph=0:50", 10, "graph dim 0 is outside 1..768"},
           Case{"graph=769:50", 10, "graph dim 769 is outside 1..768"},
           Case{"graph=64:0", 10, "ef 0 is outside 1..10000"},
           Case{"graph=64:10001", 10, "ef 10001 is outside 1..10000"},
           Case{"graph=64:50:-0.1", 10, "margin -0.1"},
           Case{"graph=64:50:nan", 10, "margin nan"},
           Case{"graph=64:50:inf", 10, "margin inf"},
           Case{"graph=64:9", 10, "9 is below the limit 10"},
           Case{"graph=64:50,refine=768:9", 10, "last keep 9 is below the limit 10"},
           Case{"graph=64:50,refine=768:51", 10, "refine keep 51 is above the 50"},
           Case{"graph=384:50,refine=256:20", 10, "refine dim 256 is below the 384"},
           Case{"graph=384:50,refine=384:20", 10, "refine dim 384 is not in the nesting"},
           Case{"graph=64:50,refine=768:0", 1, "keep 0 is outside"},
       }) {
    const auto plan = ParsePlan(c.text);
    ASSERT_TRUE(plan.ok()) << plan.status();
    const absl::Status status = ValidatePlan(*plan, kSchema, c.limit);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message)) << c.text;
  }
}

TEST(PlanTest, DefaultPlanIsValidForAnyShape) {
  const VectorSchema schemas[] = {
      kSchema,
      {.dim = 1, .nesting = {1}, .metric = Metric::kDot},
      {.dim = 784, .nesting = {10, 784}, .metric = Metric::kL2},
      {.dim = 64, .nesting = {8, 16, 32, 64}, .metric = Metric::kCosine},
      {.dim = 3072, .nesting = {256, 512, 1024, 3072}, .metric = Metric::kCosine},
  };
  for (const VectorSchema& schema : schemas) {
    for (uint64_t rows : {0, 1, 999, 1000, 20000, 5000000}) {
      const IndexSpec spec = ResolveSpec({}, schema, rows);
      ASSERT_TRUE(ValidateSpec(spec, schema).ok());
      const IndexShape shape{.rows = rows,
                             .lists = spec.lists,
                             .coarse_dim = spec.lists > 1 ? spec.coarse_dim : 0,
                             .shells = spec.shells};
      for (uint32_t limit : {1u, 10u, 100u, kMaxLimit}) {
        const Plan plan = DefaultPlan(schema, shape, limit);
        EXPECT_TRUE(ValidatePlan(plan, schema, limit).ok())
            << FormatPlan(plan) << " " << ValidatePlan(plan, schema, limit);
      }
    }
  }
}

TEST(PlanTest, GraphDimNeedNotBeInTheNesting) {
  for (const char* text : {"graph=384:10", "graph=384:10:0", "graph=1:10000:100000,rescore",
                           "graph=384:10,refine=768:10", "graph=768:10,refine=768:10"}) {
    const auto plan = ParsePlan(text);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_TRUE(ValidatePlan(*plan, kSchema, 10).ok()) << text;
  }
  // No margin and a margin of 0 are the same.
  EXPECT_EQ(*ParsePlan("graph=384:10"), *ParsePlan("graph=384:10:0"));
  EXPECT_EQ(FormatPlan(*ParsePlan("graph=384:10:0")), "graph=384:10");
}

TEST(PlanTest, DefaultPlanTakesTheGraphWhereThereIsOne) {
  const VectorSchema schemas[] = {
      kSchema,
      {.dim = 1, .nesting = {1}, .metric = Metric::kDot},
      {.dim = 100, .nesting = {10, 100}, .metric = Metric::kCosine},
      {.dim = 3072, .nesting = {256, 512, 1024, 3072}, .metric = Metric::kCosine},
  };
  for (const VectorSchema& schema : schemas) {
    for (bool no_lists : {false, true}) {
      for (uint64_t rows : {0, 1, 20000, 5000000}) {
        const IndexSpec spec =
            ResolveSpec({.graph = GraphSpec{}, .no_lists = no_lists}, schema, rows);
        ASSERT_TRUE(ValidateSpec(spec, schema).ok()) << ValidateSpec(spec, schema);
        const IndexShape shape{.rows = rows,
                               .lists = spec.lists,
                               .coarse_dim = spec.lists > 1 ? spec.coarse_dim : 0,
                               .shells = spec.shells,
                               .graph = spec.graph,
                               .has_lists = !no_lists};
        for (uint32_t limit : {1u, 10u, 100u, 9999u, kMaxLimit}) {
          const Plan plan = DefaultPlan(schema, shape, limit);
          ASSERT_TRUE(plan.graph.has_value());
          EXPECT_EQ(plan.graph->dim, spec.graph->dim);
          EXPECT_TRUE(plan.rescore);
          EXPECT_TRUE(ValidatePlan(plan, schema, limit).ok())
              << FormatPlan(plan) << " " << ValidatePlan(plan, schema, limit);
          // What it says is what it means.
          EXPECT_EQ(*ParsePlan(FormatPlan(plan)), plan) << FormatPlan(plan);
        }
      }
    }
  }
}

TEST(SchemaTest, SpecIsResolvedByRows) {
  EXPECT_EQ(ResolveSpec({}, kSchema, 999).lists, 1u);
  EXPECT_EQ(ResolveSpec({.lists = 512}, kSchema, 1000).lists, 25u);  // 1,000 / 39
  EXPECT_EQ(ResolveSpec({.lists = 512}, kSchema, 20000).lists, 512u);
  EXPECT_GT(ResolveSpec({}, kSchema, 20000).lists, 256u);
  const IndexSpec spec = ResolveSpec({}, kSchema, 20000);
  EXPECT_EQ(spec.coarse_dim, 128u);
  EXPECT_EQ(spec.shells, (std::vector<uint32_t>{128, 256, 768}));
}

TEST(SchemaTest, BadSchemasAndSpecsAreRefused) {
  const auto refused = [](const VectorSchema& schema) {
    return ValidateSchema(schema).code() == absl::StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({.dim = 0, .nesting = {0}}));
  EXPECT_TRUE(refused({.dim = 16385, .nesting = {16385}}));
  EXPECT_TRUE(refused({.dim = 64, .nesting = {}}));
  EXPECT_TRUE(refused({.dim = 64, .nesting = {32, 32, 64}}));
  EXPECT_TRUE(refused({.dim = 64, .nesting = {32, 16, 64}}));
  EXPECT_TRUE(refused({.dim = 64, .nesting = {32}}));
  EXPECT_TRUE(
      refused({.dim = 17, .nesting = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}}));
  EXPECT_FALSE(refused({.dim = 784, .nesting = {784}}));
  EXPECT_FALSE(ValidateSpec({.coarse_dim = 65}, kSchema).ok());
  EXPECT_FALSE(ValidateSpec({.lists = 65537}, kSchema).ok());
  EXPECT_FALSE(ValidateSpec({.shells = {128, 256}}, kSchema).ok());
  EXPECT_FALSE(ValidateSpec({.shells = {100, 768}}, kSchema).ok());
  EXPECT_FALSE(ValidateSpec({.shells = {256, 128, 768}}, kSchema).ok());
  EXPECT_TRUE(ValidateSpec({.coarse_dim = 64, .lists = 65536, .shells = {768}}, kSchema).ok());
}

TEST(SchemaTest, GraphIsResolvedByDim) {
  const auto resolved = [](uint32_t dim, GraphSpec graph, bool no_lists = false) {
    const VectorSchema schema{.dim = dim, .nesting = {dim}, .metric = Metric::kL2};
    const IndexSpec spec{.graph = graph, .no_lists = no_lists};
    EXPECT_TRUE(ValidateSpec(spec, schema).ok()) << ValidateSpec(spec, schema);
    const IndexSpec resolved = ResolveSpec(spec, schema, 20000);
    EXPECT_TRUE(ValidateSpec(resolved, schema).ok()) << ValidateSpec(resolved, schema);
    return *resolved.graph;
  };
  for (const auto& [dim, graph_dim] : std::vector<std::pair<uint32_t, uint32_t>>{{1, 1},
                                                                                 {50, 50},
                                                                                 {64, 64},
                                                                                 {100, 64},
                                                                                 {128, 64},
                                                                                 {255, 64},
                                                                                 {256, 128},
                                                                                 {768, 384},
                                                                                 {784, 384},
                                                                                 {1024, 384},
                                                                                 {16384, 384}}) {
    for (bool no_lists : {false, true}) {
      const GraphSpec graph = resolved(dim, {}, no_lists);
      EXPECT_EQ(graph.dim, graph_dim) << dim;
      EXPECT_GE(graph.degree, kMinGraphDegree);
      EXPECT_LE(graph.degree, kMaxGraphDegree);
      EXPECT_GT(graph.ef_construction, 0u);
      EXPECT_LE(graph.ef_construction, kMaxEf);
    }
  }
  // What is said stays.
  EXPECT_EQ(resolved(784, {784, 4, 10}), (GraphSpec{784, 4, 10}));
  EXPECT_EQ(resolved(784, {64, 128, 10000}), (GraphSpec{64, 128, 10000}));
  EXPECT_FALSE(ResolveSpec({}, kSchema, 20000).graph.has_value());
}

TEST(SchemaTest, AGraphAloneIsTheFirstShell) {
  const auto shells = [](const IndexSpec& spec) {
    return ResolveSpec(spec, kSchema, 20000).shells;
  };
  using Bounds = std::vector<uint32_t>;
  EXPECT_EQ(shells({.graph = GraphSpec{384}, .no_lists = true}), (Bounds{384, 768}));
  EXPECT_EQ(shells({.graph = GraphSpec{64}, .no_lists = true}), (Bounds{64, 128, 256, 768}));
  EXPECT_EQ(shells({.graph = GraphSpec{768}, .no_lists = true}), (Bounds{768}));
  EXPECT_EQ(shells({.shells = {64, 256, 768}, .graph = GraphSpec{128}, .no_lists = true}),
            (Bounds{128, 256, 768}));
  EXPECT_EQ(shells({.shells = {768}, .graph = GraphSpec{}, .no_lists = true}), (Bounds{384, 768}));
  EXPECT_EQ(
      ResolveSpec({.lists = 500, .graph = GraphSpec{64}, .no_lists = true}, kSchema, 20000).lists,
      1u);
  // Beside lists it changes nothing of theirs.
  EXPECT_EQ(shells({.graph = GraphSpec{384}}), shells({}));
  EXPECT_EQ(ResolveSpec({.graph = GraphSpec{384}}, kSchema, 20000).lists,
            ResolveSpec({}, kSchema, 20000).lists);
  // Resolved again, it is the same: that is how it is stored.
  for (bool no_lists : {false, true}) {
    const IndexSpec once =
        ResolveSpec({.graph = GraphSpec{}, .no_lists = no_lists}, kSchema, 20000);
    EXPECT_EQ(ResolveSpec(once, kSchema, 20000), once);
  }
}

TEST(SchemaTest, BadGraphSpecsAreRefused) {
  struct Case {
    GraphSpec graph;
    const char* message;
  };
  for (const Case& c : {
           Case{{.dim = 32}, "graph_dim 32"},
           Case{{.dim = 100}, "graph_dim 100"},
           Case{{.dim = 767}, "graph_dim 767"},
           Case{{.dim = 832}, "graph_dim 832"},  // a multiple of 64, but beyond
           Case{{.degree = 3}, "degree 3 is outside 4..128"},
           Case{{.degree = 129}, "degree 129 is outside 4..128"},
           Case{{.ef_construction = 10001}, "ef_construction 10001 is over 10000"},
       }) {
    for (bool no_lists : {false, true}) {
      const absl::Status status = ValidateSpec({.graph = c.graph, .no_lists = no_lists}, kSchema);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.message;
      EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
    }
  }
  EXPECT_EQ(ValidateSpec({.no_lists = true}, kSchema).code(), absl::StatusCode::kInvalidArgument);
  // 384 is a shell bound only where the graph is the first shell.
  EXPECT_TRUE(
      ValidateSpec({.shells = {384, 768}, .graph = GraphSpec{384}, .no_lists = true}, kSchema)
          .ok());
  EXPECT_FALSE(ValidateSpec({.shells = {384, 768}, .graph = GraphSpec{384}}, kSchema).ok());
  EXPECT_TRUE(ValidateSpec({.graph = GraphSpec{768, 4, 10000}}, kSchema).ok());
  EXPECT_TRUE(ValidateSpec({.graph = GraphSpec{64, 128, 1}}, kSchema).ok());
}

TEST(SchemaTest, BadVectorsAreRefused) {
  const VectorSchema l2{.dim = 4, .nesting = {2, 4}, .metric = Metric::kL2};
  VectorSchema cosine = l2;
  cosine.metric = Metric::kCosine;
  const auto status = [](const VectorSchema& schema, std::vector<float> v) {
    return ValidateVector(schema, v.data(), "point 7");
  };
  EXPECT_TRUE(status(l2, {0, 0, 0, 0}).ok());
  EXPECT_THAT(std::string(status(l2, {0, NAN, 0, 0}).message()),
              HasSubstr("point 7 has nan at position 1"));
  EXPECT_THAT(std::string(status(l2, {0, 0, -INFINITY, 0}).message()),
              HasSubstr("-inf at position 2"));
  EXPECT_THAT(std::string(status(l2, {3e38f, 3e38f, 0, 0}).message()), HasSubstr("largest float"));
  EXPECT_TRUE(status(cosine, {1, 0, 0, 0}).ok());
  EXPECT_THAT(std::string(status(cosine, {0, 0, 1, 0}).message()), HasSubstr("first 2 dims"));
  EXPECT_FALSE(status(cosine, {1e-30f, 0, 0, 0}).ok());
}

TEST(SchemaTest, EncodeRefusesOverflow) {
  std::byte out[16];
  const auto encode = [&out](Dtype dtype, float v) { return EncodeVector(dtype, &v, 1, out); };
  EXPECT_TRUE(encode(Dtype::kF16, 65504).ok());
  EXPECT_EQ(encode(Dtype::kF16, 65520).code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(encode(Dtype::kBf16, 3e38f).ok());
  EXPECT_EQ(encode(Dtype::kBf16, 3.4e38f).code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(encode(Dtype::kI8, -128).ok());
  EXPECT_EQ(encode(Dtype::kI8, 128).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(encode(Dtype::kI8, 0.5f).code(), absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace nestor
