#include "index/multi/multi_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nestor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Refused(const absl::StatusOr<VectorSchema>& schema) {
  EXPECT_EQ(schema.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(schema.status().message());
}

TEST(FdeSchemaTest, PrefixesAreOfRepetitions) {
  const FdeSpec spec{.dim = 128};
  const auto chosen = FdeSchema(spec, {});
  ASSERT_TRUE(chosen.ok()) << chosen.status();
  EXPECT_EQ(chosen->dim, 10240u);
  EXPECT_THAT(chosen->nesting, ElementsAre(640, 1280, 2560, 5120, 10240));
  EXPECT_EQ(chosen->metric, Metric::kDot);
  EXPECT_TRUE(ValidateSchema(*chosen, kMaxFdeDims).ok());
  const uint32_t given[] = {3, 80};
  EXPECT_THAT(FdeSchema(spec, given)->nesting, ElementsAre(384, 10240));
  // Few repetitions have few prefixes.
  EXPECT_THAT(FdeSchema({.dim = 128, .repetitions = 3}, {})->nesting, ElementsAre(128, 256, 384));
  EXPECT_THAT(FdeSchema({.dim = 128, .repetitions = 1}, {})->nesting, ElementsAre(128));
}

TEST(FdeSchemaTest, SketchesAreNotCut) {
  const FdeSpec spec{.dim = 128, .repetitions = 80, .sketch_repetitions = 20, .sketch_dim = 1000};
  EXPECT_THAT(FdeSchema(spec, {})->nesting, ElementsAre(1000, 2000, 4000));
  const uint32_t cut[] = {10, 80};
  EXPECT_THAT(Refused(FdeSchema(spec, cut)), HasSubstr("cut a sketch at 10"));
}

TEST(FdeSchemaTest, LongFdesHaveEvenPrefixes) {
  const FdeSpec spec{.dim = 128, .repetitions = 512, .k_sim = 7, .d_proj = 16};
  ASSERT_EQ(spec.dims(), kMaxFdeDims);
  const auto schema = FdeSchema(spec, {});
  ASSERT_TRUE(schema.ok()) << schema.status();
  EXPECT_EQ(schema->nesting.size(), kMaxNesting);
  EXPECT_EQ(schema->nesting[0], 65536u);
  const IndexSpec resolved = ResolveSpec({}, *schema, 100000);
  EXPECT_TRUE(ValidateSpec(resolved, *schema).ok()) << ValidateSpec(resolved, *schema);
  EXPECT_EQ(resolved.shells.back(), kMaxFdeDims);
  IndexSpec shells;
  shells.shells = {65536, 196608, kMaxFdeDims};
  EXPECT_THAT(std::string(ValidateSpec(shells, *schema).message()),
              HasSubstr("from 65536 to 196608 has over 65536 dims"));
  IndexSpec graph;
  graph.graph = {.dim = 65600};
  EXPECT_THAT(std::string(ValidateSpec(graph, *schema).message()),
              HasSubstr("graph_dim 65600 is over 65536"));
}

TEST(FdeSchemaTest, PrefixesThatCannotBe) {
  const FdeSpec spec{.dim = 128};
  const auto refused = [&](std::vector<uint32_t> prefixes) {
    return Refused(FdeSchema(spec, prefixes));
  };
  EXPECT_THAT(refused({40}), HasSubstr("end in 40, they must end in all 80"));
  EXPECT_THAT(refused({0, 80}), HasSubstr("do not ascend at 0"));
  EXPECT_THAT(refused({20, 20, 80}), HasSubstr("do not ascend at 20 after 20"));
  EXPECT_THAT(refused({20, 81}), HasSubstr("end in 81"));
  std::vector<uint32_t> many(17);
  for (uint32_t i = 0; i < 17; ++i) many[i] = 64 + i;
  EXPECT_THAT(refused(many), HasSubstr("are 17, the limit is 16"));
  const FdeSpec wide{.dim = 128, .repetitions = 2, .k_sim = 12, .d_proj = 128};
  EXPECT_THAT(Refused(FdeSchema(wide, {})), HasSubstr("leave 524288 dims"));
}

TEST(FdeSchemaTest, GraphsOfFdesAreOfALongPrefix) {
  const auto dim = [](uint32_t repetitions) {
    const VectorSchema schema = *FdeSchema({.dim = 128, .repetitions = repetitions}, {});
    IndexSpec spec;
    EXPECT_FALSE(ChooseForFdes(spec, schema).graph.has_value());
    spec.graph.emplace();
    const IndexSpec chosen = ChooseForFdes(spec, schema);
    EXPECT_TRUE(ValidateSpec(chosen, schema).ok());
    spec.graph->dim = 64;
    EXPECT_EQ(ChooseForFdes(spec, schema), spec) << "what is given stays";
    return chosen.graph->dim;
  };
  EXPECT_EQ(dim(80), 1280u);
  EXPECT_EQ(dim(1), 128u);
  EXPECT_EQ(dim(20), 640u);
  EXPECT_EQ(dim(75), 1152u);
  EXPECT_EQ(dim(800), 2560u);
}

TEST(MultiSpecTest, TokensOfOneDim) {
  MultiSpec spec;
  spec.tokens.token = {128, {32, 128}, Metric::kDot, Dtype::kF32};
  spec.fde.dim = 128;
  EXPECT_TRUE(ValidateMultiSpec(spec).ok());
  spec.fde.dim = 64;
  EXPECT_THAT(std::string(ValidateMultiSpec(spec).message()),
              HasSubstr("of tokens of 64 dims, the collection's have 128"));
}

}  // namespace
}  // namespace nestor
