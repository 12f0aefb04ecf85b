// The rules of `nestor bench`: what counts as a hit, which setting is chosen, what plans are tried,
// what a query may take. No timing is asserted.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/bench/choose.h"
#include "client/bench/recall.h"
#include "client/bench/sweep.h"
#include "client/bench/time_model.h"
#include "client/passes/pass.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/bench_testutil.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Two queries, four rows of truth each.
TruthTable SomeTruth() {
  return {.depth = 4, .ids = {1, 2, 3, 4, 5, 6, 7, 8}, .scores = {10, 20, 30, 40, 1, 2, 3, 4}};
}

uint32_t CountOf(Metric metric, std::map<uint64_t, double> exact, uint32_t k,
                 std::vector<uint64_t> ids) {
  const RecallRule rule(metric, SomeTruth(), [&](uint32_t, uint64_t id) -> std::optional<double> {
    const auto at = exact.find(id);
    return at == exact.end() ? std::nullopt : std::optional(at->second);
  });
  return rule.Count(0, k, ids, {});
}

TEST(RecallRule, CountsIdsAmongTheFirstK) {
  EXPECT_EQ(CountOf(Metric::kL2, {}, 4, {4, 3, 2, 1}), 4u);
  EXPECT_EQ(CountOf(Metric::kL2, {}, 4, {4, 3, 9, 1}), 3u);
  // The truth's third is no hit at k = 2, nor is a hit behind the first k.
  EXPECT_EQ(CountOf(Metric::kL2, {}, 2, {1, 3}), 1u);
  EXPECT_EQ(CountOf(Metric::kL2, {}, 2, {9, 1, 2}), 1u);
  EXPECT_EQ(CountOf(Metric::kL2, {}, 4, {1, kNoId, kNoId, kNoId}), 1u);
  EXPECT_EQ(CountOf(Metric::kL2, {}, 4, {}), 0u);
}

TEST(RecallRule, CountsAScoreThatEqualsOrBeatsTheKth) {
  // The k-th of the truth at k = 2 is row 2 with 20.
  EXPECT_EQ(CountOf(Metric::kL2, {{2, 20}, {9, 20}}, 2, {1, 9}), 2u);
  EXPECT_EQ(CountOf(Metric::kL2, {{2, 20}, {9, 20.00001}}, 2, {1, 9}), 2u);  // 5e-7 relative
  EXPECT_EQ(CountOf(Metric::kL2, {{2, 20}, {9, 20.0001}}, 2, {1, 9}), 1u);   // 5e-6 relative
  EXPECT_EQ(CountOf(Metric::kDot, {{2, 20}, {9, 19.99999}}, 2, {1, 9}), 2u);
  EXPECT_EQ(CountOf(Metric::kDot, {{2, 20}, {9, 19.9999}}, 2, {1, 9}), 1u);
  EXPECT_EQ(CountOf(Metric::kDot, {{2, -20}, {9, -20.0001}}, 2, {1, 9}), 1u);
  EXPECT_EQ(CountOf(Metric::kDot, {{2, -20}, {9, -20.00001}}, 2, {1, 9}), 2u);
}

TEST(RecallRule, NeverCountsMoreThanK) {
  const std::map<uint64_t, double> ties = {{1, 20}, {2, 20}, {8, 20}, {9, 20}};
  EXPECT_EQ(CountOf(Metric::kL2, ties, 2, {1, 2, 8, 9}), 2u);
  EXPECT_EQ(CountOf(Metric::kL2, ties, 4, {1, 1, 1, 1}), 1u);  // a repeated hit is one hit
}

TEST(RecallRule, TakesTheEnginesScoresWhereThereIsNoBase) {
  const RecallRule rule(Metric::kL2, SomeTruth(), nullptr);
  const std::vector<uint64_t> ids = {5, 9};
  EXPECT_EQ(rule.Count(1, 2, ids, std::vector<float>{1, 2}), 2u);
  EXPECT_EQ(rule.Count(1, 2, ids, std::vector<float>{1, 2.1f}), 1u);
  EXPECT_EQ(rule.Count(1, 2, ids, {}), 1u);
  // Scores that are not exact are handed on as NaN.
  EXPECT_EQ(rule.Count(1, 2, ids, std::vector<float>{NAN, NAN}), 1u);
}

TEST(Choose, TakesTheFastestThatReachesTheRecall) {
  const std::vector<Measurement> measured = {Measured(0.99, 100), Measured(0.95, 300),
                                             Measured(0.9499, 900), Measured(0.97, 200)};
  EXPECT_EQ(Fastest(measured, 0.95), 1u);
  EXPECT_EQ(Fastest(measured, 0.96), 3u);
  EXPECT_EQ(Fastest(measured, 0.995), std::nullopt);
  EXPECT_EQ(Fastest(measured, 0.95, &Measurement::steady_qps), 0u);
  EXPECT_THAT(FastestFew(measured, 0.95, 2), ElementsAre(1, 3));
  EXPECT_THAT(FastestFew(measured, 0.98, 5), ElementsAre(0));
}

TEST(Choose, FrontierLeavesOutWhatIsBeaten) {
  const std::vector<Measurement> measured = {
      Measured(0.99, 100), Measured(0.95, 300), Measured(0.94, 250),  // beaten by the one before
      Measured(0.80, 900), Measured(0.99, 90),  Measured(0.95, 300)};
  EXPECT_THAT(Frontier(measured), ElementsAre(3, 1, 0));
  EXPECT_THAT(Frontier({}), IsEmpty());
}

TEST(Measure, SteadyQpsIgnoresTheSlowestRuns) {
  std::vector<float> micros(100, 10.0f);
  for (size_t i = 0; i < 2; ++i) micros[50 * i] = 5000;
  EXPECT_NEAR(SteadyQps(micros, 1), 1e5, 1);
  EXPECT_NEAR(SteadyQps(micros, 2), 2e5, 1);
  EXPECT_NEAR(SteadyQps({10, 30}, 1), 5e4, 1);
}

const VectorSchema kSchema{.dim = 768, .nesting = {8, 16, 32, 64, 128, 256, 512, 768}};

TEST(Sweep, SpaceFollowsNestingShellsAndLists) {
  const PlanSpace space = PlanSpaceOf(kSchema.nesting, {128, 256, 768}, {.lists = 20}, 10);
  EXPECT_THAT(space.coarse_dims, ElementsAre(32, 64, 128, 256, 512, 768));
  EXPECT_THAT(space.scan_dims, ElementsAre(32, 64, 128, 256));
  EXPECT_EQ(space.probes.back(), 20u);
  EXPECT_EQ(space.keeps.front(), 10u);
  EXPECT_EQ(space.keeps.back(), 400u);
  EXPECT_THAT(space.sources, ElementsAre(Source::kLists));
  const PlanSpace graph = PlanSpaceOf(kSchema.nesting, {384, 768}, {.graph_dim = 384}, 100);
  EXPECT_THAT(graph.sources, ElementsAre(Source::kGraph));
  EXPECT_EQ(graph.efs.front(), 100u);
  EXPECT_EQ(graph.efs.back(), kMaxEf);
  const PlanSpace coded = PlanSpaceOf(kSchema.nesting, {128, 768},
                                      {.lists = 20, .codes = {{256, 32, 4}}, .graph_dim = 384}, 10);
  EXPECT_THAT(coded.sources, ElementsAre(Source::kLists, Source::kCodes, Source::kGraph));
  EXPECT_THAT(coded.codes, ElementsAre(OpqSpec{256, 32, 4}));
  EXPECT_EQ(coded.keeps, space.keeps);
  EXPECT_EQ(coded.code_keeps.back(), 1600u);
  // Where memory ends before D, so do scan and refine.
  const PlanSpace tiered = PlanSpaceOf(kSchema.nesting, {64, 128}, {.lists = 20}, 10);
  EXPECT_THAT(tiered.scan_dims, ElementsAre(32, 64, 128));
  EXPECT_THAT(tiered.refine_dims, ElementsAre(32, 64, 128));
  EXPECT_EQ(tiered.coarse_dims.back(), 768u);
  std::mt19937_64 random(3);
  for (int i = 0; i < 100; ++i) {
    const Plan plan = RandomPlan(tiered, Source::kLists, random);
    for (const Plan::Stage& stage : plan.refine) EXPECT_LE(stage.dim, 128u) << FormatPlan(plan);
  }
  // One short dim, one list: there is still a plan.
  const PlanSpace tiny = PlanSpaceOf({8}, {8}, {.lists = 1}, 1);
  EXPECT_THAT(tiny.coarse_dims, ElementsAre(8));
  EXPECT_THAT(tiny.scan_dims, ElementsAre(8));
  EXPECT_THAT(tiny.probes, ElementsAre(1));
}

TEST(Sweep, NeighboursAreValidAndDifferent) {
  const PlanSpace space =
      PlanSpaceOf(kSchema.nesting, {128, 256, 768},
                  {.lists = 500, .codes = {{256, 32, 4}, {128, 16, 8}, {768, 96, 4}}}, 10);
  for (const char* text :
       {"coarse=64:8,scan=128:100,refine=256:30,refine=768:10,rescore", "coarse=32:1,scan=32:10",
        "coarse=768:500,scan=256:400,rescore", "coarse=64:7,scan=64:33,refine=768:17",
        "graph=384:200:0.18,refine=768:15,rescore", "graph=384:10", "graph=384:1000:0.4",
        "graph=384:33:0.13,refine=512:33,refine=768:11",
        "coarse=64:8,scan=opq256x32b4:1600,rescore",
        "coarse=64:8,scan=opq768x96b4:33,refine=64:20,refine=768:10"}) {
    const Plan plan = *ParsePlan(text);
    const std::vector<Plan> neighbours = Neighbours(space, plan);
    EXPECT_GE(neighbours.size(), 5u) << text;
    std::set<std::string> seen = {text};
    for (const Plan& next : neighbours) {
      EXPECT_TRUE(ValidatePlan(next, kSchema, 10).ok())
          << FormatPlan(next) << ": " << ValidatePlan(next, kSchema, 10);
      EXPECT_TRUE(seen.insert(FormatPlan(next)).second) << FormatPlan(next) << " again";
    }
  }
}

TEST(Sweep, NoAdaptiveStopIsTheMostThoroughMargin) {
  const PlanSpace space = PlanSpaceOf(kSchema.nesting, {128, 768}, {.graph_dim = 384}, 10);
  const auto margins = [&](const char* text) {
    std::set<float> found;
    for (const Plan& next : Neighbours(space, *ParsePlan(text))) found.insert(next.graph->margin);
    return found;
  };
  EXPECT_THAT(margins("graph=384:100:0.02"), ElementsAre(0.02f, 0.03f));
  EXPECT_THAT(margins("graph=384:100:0.4"), ElementsAre(0, 0.3f, 0.4f));
  EXPECT_THAT(margins("graph=384:100"), ElementsAre(0, 0.4f));
}

// A made-up cost and recall with one best plan: the sweep has to come near it.
TEST(Sweep, ImprovesToTheFastestPlan) {
  const PlanSpace space = PlanSpaceOf(kSchema.nesting, {128, 256, 768}, {.lists = 500}, 10);
  int calls = 0;
  const MeasurePlan measure = [&](const std::string& text) -> absl::StatusOr<Measurement> {
    ++calls;
    const Plan plan = *ParsePlan(text);
    EXPECT_TRUE(ValidatePlan(plan, kSchema, 10).ok()) << text;
    Measurement m = Measured(std::min(1.0, 0.5 + 0.01 * plan.coarse.probes), 0, text);
    m.steady_qps = 1e6 / (plan.coarse.probes * plan.scan.dim + plan.coarse.dim + plan.scan.keep +
                          50.0 * static_cast<double>(plan.refine.size()) + plan.rescore);
    return m;
  };
  const absl::StatusOr<std::vector<Measurement>> measured = SweepPlans(
      space, {.random_plans = 60, .climb_plans = 400, .recalls = {0.90, 0.99}, .seed = 7}, measure);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_GE(static_cast<size_t>(calls), measured->size());
  const size_t best = *Fastest(*measured, 0.90, &Measurement::steady_qps);
  EXPECT_EQ((*measured)[best].setting, "coarse=32:40,scan=32:10");
  const size_t thorough = *Fastest(*measured, 0.99, &Measurement::steady_qps);
  EXPECT_EQ((*measured)[thorough].setting, "coarse=32:56,scan=32:10");
}

TEST(Sweep, RandomPlansOfCodesAreValid) {
  const std::vector<OpqSpec> codes = {{256, 32, 4}, {768, 96, 8}};
  const PlanSpace space =
      PlanSpaceOf(kSchema.nesting, {128, 256, 768}, {.lists = 500, .codes = codes}, 10);
  std::mt19937_64 random(5);
  std::set<size_t> stages;
  std::set<std::string> names;
  uint32_t least_dim = 768, most_keep = 0;
  for (int i = 0; i < 300; ++i) {
    const Plan plan = RandomPlan(space, Source::kCodes, random);
    ASSERT_TRUE(plan.code.has_value());
    EXPECT_TRUE(ValidatePlan(plan, kSchema, 10).ok()) << FormatPlan(plan);
    EXPECT_EQ(*ParsePlan(FormatPlan(plan)), plan);
    EXPECT_EQ(SourceOfText(FormatPlan(plan)), Source::kCodes);
    for (const Plan::Stage& stage : plan.refine) least_dim = std::min(least_dim, stage.dim);
    most_keep = std::max(most_keep, plan.scan.keep);
    stages.insert(plan.refine.size());
    names.insert(OpqName(*plan.code));
  }
  EXPECT_THAT(stages, ElementsAre(0u, 1u, 2u));
  EXPECT_THAT(names, ElementsAre("opq256x32b4", "opq768x96b8"));
  EXPECT_EQ(least_dim, 32u) << "behind a code any dim may follow";
  EXPECT_EQ(most_keep, 1600u);
  EXPECT_EQ(FormatPlan(DearestPlan(space, Source::kCodes)),
            "coarse=768:384,scan=opq768x96b8:1600,rescore");
}

// A made-up cost, by which the short code with a larger keep is the fastest.
TEST(Sweep, ClimbsFromCodeToCode) {
  const PlanSpace space =
      PlanSpaceOf(kSchema.nesting, {128, 768},
                  {.lists = 500, .codes = {{768, 96, 4}, {256, 32, 4}, {512, 64, 4}}}, 10);
  const MeasurePlan measure = [&](const std::string& text) -> absl::StatusOr<Measurement> {
    const Plan plan = *ParsePlan(text);
    const double deep = std::min(1.0, plan.scan.keep * plan.code->bytes / 3200.0);
    Measurement m = Measured(std::min(deep, 0.5 + 0.01 * plan.coarse.probes), 0, text);
    m.steady_qps =
        1e6 / (plan.coarse.probes * plan.code->bytes + plan.coarse.dim + plan.scan.keep / 10.0 +
               50.0 * static_cast<double>(plan.refine.size()) + plan.rescore);
    return m;
  };
  const absl::StatusOr<std::vector<Measurement>> measured =
      SweepPlans(space,
                 {.source = Source::kCodes,
                  .starts = {*ParsePlan("coarse=64:160,scan=opq768x96b4:400")},
                  .random_plans = 5,
                  .climb_plans = 400,
                  .recalls = {0.95}},
                 measure);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ((*measured)[*Fastest(*measured, 0.95, &Measurement::steady_qps)].setting,
            "coarse=32:48,scan=opq256x32b4:100");
}

TEST(Sweep, RandomGraphPlansAreValid) {
  const PlanSpace space = PlanSpaceOf(kSchema.nesting, {128, 256, 768}, {.graph_dim = 384}, 10);
  std::mt19937_64 random(5);
  std::set<size_t> stages;
  for (int i = 0; i < 300; ++i) {
    const Plan plan = RandomPlan(space, Source::kGraph, random);
    ASSERT_TRUE(plan.graph.has_value());
    EXPECT_TRUE(ValidatePlan(plan, kSchema, 10).ok()) << FormatPlan(plan);
    EXPECT_EQ(*ParsePlan(FormatPlan(plan)), plan);
    for (const Plan::Stage& stage : plan.refine) EXPECT_LE(stage.keep, 40u) << FormatPlan(plan);
    stages.insert(plan.refine.size());
  }
  EXPECT_THAT(stages, ElementsAre(0u, 1u, 2u));
}

TEST(Sweep, ClimbsInTheGraphsPlans) {
  const PlanSpace space = PlanSpaceOf(kSchema.nesting, {128, 768}, {.graph_dim = 384}, 10);
  const MeasurePlan measure = [&](const std::string& text) -> absl::StatusOr<Measurement> {
    const Plan plan = *ParsePlan(text);
    const float margin = plan.graph->margin == 0 ? 0.5f : plan.graph->margin;
    Measurement m = Measured(std::min({1.0, plan.graph->ef / 200.0, 0.8 + margin}), 0, text);
    m.steady_qps = 1e6 / (plan.graph->ef * (0.2 + margin) + 20.0 + 5.0 * plan.rescore +
                          10.0 * static_cast<double>(plan.refine.size()));
    return m;
  };
  const absl::StatusOr<std::vector<Measurement>> measured =
      SweepPlans(space,
                 {.source = Source::kGraph,
                  .starts = {*ParsePlan("graph=384:333:0.17,rescore")},
                  .random_plans = 5,
                  .climb_plans = 400,
                  .recalls = {0.95}},
                 measure);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ((*measured)[0].setting, "graph=384:333:0.17,rescore");
  EXPECT_EQ((*measured)[*Fastest(*measured, 0.95, &Measurement::steady_qps)].setting,
            "graph=384:200:0.15");
}

// One plan has a lucky first pass, faster than its neighbours are: the climb must not end there.
TEST(Sweep, MeasuresAgainWhereItStandsStill) {
  const PlanSpace space = PlanSpaceOf(kSchema.nesting, {128, 256, 768}, {.lists = 500}, 10);
  std::map<std::string, int> passes;
  const std::string lucky = "coarse=32:80,scan=32:10";
  const MeasurePlan measure = [&](const std::string& text) -> absl::StatusOr<Measurement> {
    const Plan plan = *ParsePlan(text);
    Measurement m = Measured(std::min(1.0, 0.5 + 0.01 * plan.coarse.probes), 0, text);
    m.steady_qps = 1e6 / (plan.coarse.probes * plan.scan.dim + plan.coarse.dim + plan.scan.keep +
                          50.0 * static_cast<double>(plan.refine.size()) + plan.rescore);
    if (++passes[text] == 1 && text == lucky) m.steady_qps *= 1.6;
    return m;
  };
  const absl::StatusOr<std::vector<Measurement>> measured = SweepPlans(
      space,
      {.starts = {*ParsePlan(lucky)}, .random_plans = 1, .climb_plans = 400, .recalls = {0.90}},
      measure);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_GT(passes[lucky], 1);
  EXPECT_EQ((*measured)[*Fastest(*measured, 0.90, &Measurement::steady_qps)].setting,
            "coarse=32:40,scan=32:10");
}

TEST(Sweep, HandsOnAFailure) {
  const PlanSpace space = PlanSpaceOf({8}, {8}, {.lists = 1}, 1);
  EXPECT_EQ(
      SweepPlans(space, {}, [](const std::string&) { return absl::InternalError("no"); }).status(),
      absl::InternalError("no"));
}

TEST(TimeModel, AddsUpStreamsRowsAndTheFixedCost) {
  const std::vector<MemoryLevel> levels = {
      {.name = "L2", .bytes = 1000, .bytes_per_second = 100e9},
      {.name = "DRAM", .bytes = ~uint64_t{0}, .bytes_per_second = 10e9}};
  EXPECT_EQ(LevelOf(levels, 1000).name, "L2");
  EXPECT_EQ(LevelOf(levels, 1001).name, "DRAM");
  const std::vector<StageMean> stages = {{.name = "coarse", .dim = 64, .in = 10, .bytes = 100000},
                                         {.name = "scan", .dim = 128, .in = 500, .bytes = 40000},
                                         {.name = "refine", .dim = 256, .in = 100, .bytes = 1},
                                         {.name = "rescore", .dim = 768, .in = 20, .bytes = 1}};
  // Coarse: 64 x 10 bytes lie in L2. Scan: 128 x 100 bytes do not.
  const Prediction p = Predict(levels, {.coarse_per_dim = 10, .scan_per_dim = 100}, stages);
  EXPECT_EQ(p.coarse_level, "L2");
  EXPECT_EQ(p.scan_level, "DRAM");
  EXPECT_EQ(p.streamed_bytes, 140000);
  EXPECT_EQ(p.rows, 120);
  EXPECT_NEAR(p.micros, 2.5 * (1.0 + 4.0) + 0.15 * 120 + 12, 1e-9);
}

}  // namespace
}  // namespace nestor
