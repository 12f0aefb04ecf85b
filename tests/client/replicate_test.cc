// `nestor bench replicate`: its measures, its statistics, what it chooses and writes.
#include <cmath>
#include <string>
#include <vector>

#include "client/bench/plot.h"
#include "client/bench/replicate/choose_run.h"
#include "client/bench/replicate/csv.h"
#include "client/bench/replicate/finding.h"
#include "client/bench/replicate/grid.h"
#include "client/bench/replicate/paired.h"
#include "client/bench/replicate/scores.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nestor {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

// One query whose hits 0 .. k - 1 have its label where `same` says so.
Scores ScoresOf(const std::vector<bool>& same, std::vector<uint32_t> truth, uint64_t rows) {
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < same.size(); ++i) ids.push_back(i);
  const auto depth = static_cast<uint32_t>(truth.size());
  return ScoreAnswers({.queries = 1,
                       .k = static_cast<uint32_t>(same.size()),
                       .ids = ids,
                       .rows = rows,
                       .truth = truth,
                       .truth_depth = depth},
                      [&](uint32_t, uint64_t id) { return same[id]; });
}

TEST(Scores, AreThoseOfTheProtocol) {
  std::vector<bool> same(40, false);
  same[0] = same[2] = same[20] = true;
  std::vector<uint32_t> truth;
  for (uint32_t i = 0; i < 40; ++i) truth.push_back(i + 5);  // 5 .. 44: the hits have 5 .. 39
  const Scores scores = ScoresOf(same, truth, /*rows=*/40);
  EXPECT_THAT(scores.of(Measure::kTop1), ElementsAre(1));
  // Hits 1 and 3: precisions 1/1 and 2/3, over 10.
  EXPECT_THAT(scores.of(Measure::kMap10), ElementsAre(FloatEq((1.0f + 2.0f / 3) / 10)));
  EXPECT_THAT(scores.of(Measure::kP10), ElementsAre(FloatEq(0.2f)));
  EXPECT_THAT(scores.of(Measure::kP40), ElementsAre(FloatEq(3.0f / 40)));
  EXPECT_THAT(scores.of(Measure::kRecall1At1), ElementsAre(0));
  EXPECT_THAT(scores.of(Measure::kRecall10At10), ElementsAre(FloatEq(0.5f)));
  EXPECT_THAT(scores.of(Measure::kRecall40At2048), ElementsAre(FloatEq(35.0f / 40)));
}

TEST(Scores, LeaveOutWhatTheAnswerIsTooShortFor) {
  const Scores scores = ScoresOf(std::vector<bool>(10, true), {0, 1}, /*rows=*/5000);
  EXPECT_THAT(scores.of(Measure::kMap10), ElementsAre(FloatEq(1)));
  EXPECT_FALSE(scores.has(Measure::kP40));
  EXPECT_FALSE(scores.has(Measure::kRecall10At10)) << "the truth has two rows";
  EXPECT_FALSE(scores.has(Measure::kRecall40At2048));
}

TEST(Scores, MissingHitsCountForNothing) {
  std::vector<uint64_t> ids(10, kNoId);
  ids[0] = 3;
  const std::vector<uint32_t> truth = {3};
  const Scores scores = ScoreAnswers(
      {.queries = 1, .k = 10, .ids = ids, .rows = 100, .truth = truth, .truth_depth = 1},
      [](uint32_t, uint64_t) { return true; });
  EXPECT_THAT(scores.of(Measure::kP10), ElementsAre(FloatEq(0.1f)));
  EXPECT_THAT(scores.of(Measure::kRecall1At1), ElementsAre(1));
}

TEST(Scores, MeansAreOfTheHalf) {
  Scores scores;
  scores.of(Measure::kTop1) = {1, 0, 1, 0, 0};
  EXPECT_DOUBLE_EQ(scores.Mean(Measure::kTop1, Half::kEven), 2.0 / 3);
  EXPECT_DOUBLE_EQ(scores.Mean(Measure::kTop1, Half::kOdd), 0);
  EXPECT_DOUBLE_EQ(scores.Mean(Measure::kTop1, Half::kAll), 0.4);
}

TEST(Paired, MeansErrorsAndCounts) {
  const Difference d = Compare({1, 1, 0, 1}, {0, 1, 1, 0}, Half::kAll);
  EXPECT_DOUBLE_EQ(d.a, 0.75);
  EXPECT_DOUBLE_EQ(d.b, 0.5);
  EXPECT_DOUBLE_EQ(d.mean, 0.25);
  // Differences 1, 0, -1, 1: variance 2.75 / 3, of the mean a quarter of it.
  EXPECT_NEAR(d.error, std::sqrt(2.75 / 3 / 4), 1e-12);
  EXPECT_EQ(d.queries, 4u);
  EXPECT_EQ(d.wins, 2u);
  EXPECT_EQ(d.losses, 1u);
  EXPECT_NEAR(d.p, 1, 1e-12);
}

TEST(Paired, ComparesOnlyTheHalf) {
  const Difference odd = Compare({0, 1, 0, 1}, {1, 0, 1, 0}, Half::kOdd);
  EXPECT_DOUBLE_EQ(odd.mean, 1);
  EXPECT_DOUBLE_EQ(odd.error, 0);
  EXPECT_TRUE(Above(odd));
}

TEST(Paired, SignTestIsExact) {
  EXPECT_DOUBLE_EQ(SignTest(0, 0), 1);
  EXPECT_NEAR(SignTest(5, 0), 2.0 / 32, 1e-12);
  EXPECT_NEAR(SignTest(1, 7), 2.0 * 9 / 256, 1e-12);
  EXPECT_NEAR(SignTest(7, 1), 2.0 * 9 / 256, 1e-12);
  EXPECT_NEAR(SignTest(4, 4), 1, 1e-12);
}

TEST(Paired, VerdictsAllowTwoStandardErrors) {
  const Difference worse{.mean = -0.019, .error = 0.01};
  EXPECT_TRUE(AtLeast(worse));
  EXPECT_FALSE(AtLeast({.mean = -0.021, .error = 0.01}));
  EXPECT_TRUE(AtLeast({.mean = -0.021, .error = 0.01}, /*slack=*/0.025));
  EXPECT_FALSE(Above({.mean = 0.019, .error = 0.01}));
  EXPECT_TRUE(Above({.mean = 0.021, .error = 0.01}));
  // The same answers are no less, and no more.
  EXPECT_TRUE(AtLeast({}));
  EXPECT_FALSE(Above({}));
}

Trial RunOf(double cost, std::vector<float> top1, Method method = Method::kIvf) {
  Trial run{.encoder = "mrl", .method = method, .multiply_adds = cost};
  run.scores.of(Measure::kTop1) = std::move(top1);
  run.scores.of(Measure::kMap10) = run.scores.of(Measure::kTop1);
  return run;
}

TEST(ChooseRun, LooksAtTheEvenQueriesOnly) {
  const std::vector<Trial> runs = {RunOf(1, {0, 1, 0, 1}), RunOf(3, {1, 0, 1, 0}),
                                   RunOf(2, {1, 0, 0, 0}), RunOf(4, {1, 1, 1, 1})};
  const Chosen all = Where(runs, [](const Trial&) { return true; });
  EXPECT_EQ(Best(all, Measure::kTop1, MultiplyAdds), &runs[1]) << "of equals the cheaper one";
  EXPECT_EQ(Best(all, Measure::kTop1, MultiplyAdds, 2), &runs[2]);
  EXPECT_EQ(Best(all, Measure::kTop1, MultiplyAdds, 0.5), nullptr);
  EXPECT_EQ(Cheapest(all, Measure::kTop1, 0.5, MultiplyAdds), &runs[2]);
  EXPECT_EQ(Cheapest(all, Measure::kTop1, 1.5, MultiplyAdds), nullptr);
  EXPECT_THAT(FrontierOf(all, Measure::kTop1, MultiplyAdds),
              ElementsAre(&runs[0], &runs[2], &runs[1]));
}

TEST(Finding, HoldsWhereAllThatDecidesDoes) {
  Finding finding{.id = "P1", .about = "made up"};
  EXPECT_FALSE(finding.Holds()) << "nothing was decided";
  finding.claims.push_back({.text = "beside", .holds = false, .decides = false});
  EXPECT_FALSE(finding.Holds());
  finding.Add("true", true, "1");
  EXPECT_TRUE(finding.Holds());
  finding.Add("false", false, "0");
  EXPECT_FALSE(finding.Holds());
  EXPECT_THAT(FindingsText({finding}), HasSubstr("P1 FAIL  made up\n    (fail)  beside: \n"));
  EXPECT_THAT(FindingsText({finding}), HasSubstr("0 of 1 findings hold"));
  EXPECT_THAT(FindingsMarkdown({finding}), HasSubstr("| P1: made up | FAIL |"));
}

TEST(Finding, DecidesByTop1AndShowsMap10) {
  const Trial a = RunOf(1, {1, 1, 0, 1}), b = RunOf(1, {0, 0, 0, 0});
  Finding finding;
  finding.AddLabels("a > b", &a, &b, Finding::How::kAbove, Half::kAll);
  ASSERT_THAT(finding.claims, SizeIs(2));
  EXPECT_TRUE(finding.claims[0].decides);
  EXPECT_TRUE(finding.claims[0].holds);
  EXPECT_EQ(finding.claims[0].figures, "75.00 against 0.00: +75.00 +- 50.00 (p 0.25)");
  EXPECT_FALSE(finding.claims[1].decides);
  finding.AddLabels("b >= a", &b, &a, Finding::How::kAtLeast, Half::kAll);
  EXPECT_FALSE(finding.claims[2].holds);
}

TEST(Finding, AMissingRunIsAClaimThatFails) {
  const Trial a = RunOf(1, {1, 1});
  Finding finding;
  finding.AddMeasure("a >= b", &a, nullptr, Finding::How::kAtLeast, Measure::kTop1, Half::kAll);
  finding.AddMeasure("a >= a", &a, &a, Finding::How::kAtLeast, Measure::kP40, Half::kAll);
  ASSERT_THAT(finding.claims, SizeIs(2));
  for (const Claim& claim : finding.claims) {
    EXPECT_FALSE(claim.holds);
    EXPECT_EQ(claim.figures, "not measured");
  }
}

TEST(Csv, HasALineARunAndNothingWhereNothingApplies) {
  Trial run = RunOf(1234, {1, 0, 0, 1}, Method::kAdannsIvf);
  run.coarse_dim = 8;
  run.scan_dim = 32;
  run.lists = 64;
  run.probes = 2;
  run.plan = "coarse=8:2,scan=32:40";
  run.rows = 1000;
  run.k = 40;
  run.rows_scanned = 31.26;
  run.p50_ms = 0.0123;
  run.memory_bytes = 4096;
  const std::string csv = CsvOf(std::vector<Trial>{run});
  EXPECT_THAT(csv, HasSubstr("encoder,metric,seed,method,d_c,d_s,lists,"));
  EXPECT_THAT(csv, HasSubstr("top1,map10,p10,p40,r1_at_1,r10_at_10,r40_at_2048,top1_select,"
                             "map10_select\n"));
  // Odd queries first, then even ones; two measures were taken.
  EXPECT_THAT(csv, HasSubstr("\nmrl,cosine,1,AdANNS-IVF,8,32,64,2,,,,\"coarse=8:2,scan=32:40\",40,"
                             "1000,31.3,1234,0.0123,0.0000,1,4096,0.0,"
                             "0.5000,0.5000,,,,,,0.5000,0.5000\n"));
}

TEST(Csv, LeavesOutCountsThatNobodyMade) {
  const Trial run{
      .encoder = "mrl", .method = Method::kGraphOpq, .plan = "hnsw32", .rows = 9, .k = 1};
  EXPECT_THAT(CsvOf(std::vector<Trial>{run}),
              HasSubstr("\nmrl,cosine,1,HNSW+OPQ,,,,,,,,\"hnsw32\",1,9,,,0.0000,0.0000,1,0,0.0,,"));
}

TEST(Plot, TicksArePlain) {
  EXPECT_THAT(Ticks(0, 10, 5), ElementsAre(0, 2, 4, 6, 8, 10));
  EXPECT_THAT(Ticks(0.31, 0.52, 4), ElementsAre(DoubleNear(0.4, 1e-9), DoubleNear(0.5, 1e-9)));
  EXPECT_THAT(Ticks(3, 3, 4), ElementsAre(3));
  EXPECT_THAT(LogTicks(4, 128), ElementsAre(5, 10, 20, 50, 100));
  EXPECT_THAT(LogTicks(100, 1e6),
              ElementsAre(100, 1000, 10000, DoubleNear(1e5, 1e-6), DoubleNear(1e6, 1e-5)));
}

TEST(Plot, DrawsEveryPointInsideThePicture) {
  const Plot plot{.title = "a < b & c",
                  .x_label = "bytes",
                  .y_label = "top-1",
                  .log_x = true,
                  .series = {{"first", {{4, 40}, {8, 44}, {16, 47}}}, {"second", {{4, 39.5}}}}};
  const std::string svg = SvgOf(plot);
  EXPECT_THAT(svg, HasSubstr("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 440\""));
  EXPECT_THAT(svg, HasSubstr("a &lt; b &amp; c</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  size_t points = 0;
  for (size_t at = svg.find("<title>"); at != svg.npos; at = svg.find("<title>", at + 1)) ++points;
  EXPECT_EQ(points, 4u);
  // The least x at the left, the greatest at the right of the axes.
  EXPECT_THAT(svg, HasSubstr("cx=\"72.0\""));
  EXPECT_THAT(svg, HasSubstr("cx=\"562.0\""));
  EXPECT_THAT(svg, HasSubstr("<title>first: 8, 44.00</title>"));
}

TEST(Plot, WithoutPointsHasAxesOnly) {
  const std::string svg = SvgOf({.title = "none", .series = {{.name = "empty"}}});
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
  EXPECT_THAT(svg, HasSubstr("</svg>\n"));
}

TEST(Grid, FitsTheSet) {
  const Grid wnh = GridOf({8, 16, 32, 64, 128, 256, 512, 768}, 20000);
  EXPECT_THAT(wnh.lists, ElementsAre(64, 128, 256, 512));
  EXPECT_THAT(wnh.bytes, ElementsAre(4, 8, 16, 32));
  EXPECT_EQ(wnh.eighth(), 96u);
  EXPECT_THAT(wnh.IndexNesting(), ElementsAre(8, 16, 32, 64, 96, 128, 256, 512, 768));
  EXPECT_THAT(wnh.Codes(32), SizeIs(6)) << "32 .. 768 dims";
  const Grid small = GridOf({4, 8, 16}, 400);
  EXPECT_THAT(small.lists, ElementsAre(8));
  EXPECT_THAT(small.IndexNesting(), ElementsAre(2, 4, 8, 16));
  EXPECT_THAT(small.bytes, ElementsAre(2, 4));
  EXPECT_THAT(small.Codes(4), SizeIs(3));
}

}  // namespace
}  // namespace nestor
