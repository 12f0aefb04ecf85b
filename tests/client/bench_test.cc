// The rules of `nestor bench`: what counts as a hit, which setting is chosen, what plans are tried,
// what is printed. No timing is asserted.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "client/bench/baseline_engine.h"
#include "client/bench/choose.h"
#include "client/bench/compare.h"
#include "client/bench/local_engine.h"
#include "client/bench/measure.h"
#include "client/bench/recall.h"
#include "client/bench/suite.h"
#include "client/bench/sweep.h"
#include "client/bench/time_model.h"
#include "client/cli/app.h"
#include "client/cli/bench_report.h"
#include "client/passes/pass.h"
#include "client/passes/wire.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nestor {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::FloatEq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pointwise;
using ::testing::SizeIs;

// --- recall ---

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

// --- passes ---

TEST(Pass, HalvesAreDisjointAndComplete) {
  EXPECT_THAT(QueriesOf(Half::kEven, 5), ElementsAre(0, 2, 4));
  EXPECT_THAT(QueriesOf(Half::kOdd, 5), ElementsAre(1, 3));
  EXPECT_THAT(QueriesOf(Half::kAll, 3), ElementsAre(0, 1, 2));
}

TEST(Pass, AnswersEveryQueryOfTheHalfOnAllThreads) {
  const Answer answer = [](int, uint32_t q, std::span<uint64_t> ids, std::span<float> scores) {
    ids[0] = 100 + q;
    scores[0] = static_cast<float>(q);
    return absl::OkStatus();
  };
  const absl::StatusOr<Pass> pass =
      RunPass({.half = Half::kOdd, .k = 2, .threads = 3, .min_runs = 7}, 6, true, answer);
  ASSERT_TRUE(pass.ok()) << pass.status();
  EXPECT_THAT(pass->ids, ElementsAre(101, kNoId, 103, kNoId, 105, kNoId));
  EXPECT_THAT(pass->scores, ElementsAre(1, 0, 3, 0, 5, 0));
  EXPECT_EQ(pass->queries, 3u);
  EXPECT_EQ(pass->answered, 9u);  // whole rounds of 3 queries, at least 7 runs
  EXPECT_THAT(pass->micros, SizeIs(9));
  EXPECT_GT(pass->qps(), 0);
}

TEST(Pass, EndsAtTheFirstFailure) {
  const absl::StatusOr<Pass> pass =
      RunPass({.threads = 2}, 1000, false,
              [](int, uint32_t q, std::span<uint64_t>, std::span<float>) -> absl::Status {
                return q == 5 ? absl::InternalError("query 5") : absl::OkStatus();
              });
  EXPECT_EQ(pass.status(), absl::InternalError("query 5"));
  EXPECT_FALSE(RunPass({.half = Half::kOdd}, 1, false, nullptr).ok());
}

NextLine LinesOf(const std::string& text) {
  auto rest = std::make_shared<std::string>(text + "\n");
  return [rest]() -> absl::StatusOr<std::string> {
    const size_t end = rest->find('\n');
    if (end == std::string::npos) return absl::UnavailableError("the end");
    std::string line = rest->substr(0, end);
    rest->erase(0, end + 1);
    return line;
  };
}

TEST(Wire, CarriesRequestsAndReplies) {
  const PassRequest request{.setting = "ef=64",
                            .options = {.half = Half::kOdd, .k = 3, .threads = 2, .min_runs = 9}};
  const absl::StatusOr<PassRequest> read = ParsePassRequest(FormatPassRequest(request));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->setting, "ef=64");
  EXPECT_EQ(read->options.half, Half::kOdd);
  EXPECT_EQ(read->options.k, 3u);
  EXPECT_EQ(read->options.threads, 2);
  EXPECT_EQ(read->options.min_runs, 9u);
  EXPECT_EQ(*ParseBuildRequest(FormatBuildRequest(4)), 4);

  Pass pass{.k = 2,
            .queries = 3,
            .ids = {7, 8, 9, kNoId, kNoId, kNoId},
            .micros = {1.5f, 2, 3},
            .answered = 3,
            .wall_s = 0.25};
  const absl::StatusOr<Pass> back =
      ReadPassReply(LinesOf(FormatReply(absl::StatusOr<Pass>(pass))), 2);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->ids, pass.ids);
  EXPECT_EQ(back->micros, pass.micros);
  EXPECT_EQ(back->queries, 3u);
  EXPECT_EQ(back->qps(), 12);

  const BuildReply build{.seconds = 1.5, .bytes = {{"vectors", 100}, {"links", 7}}};
  const absl::StatusOr<BuildReply> built =
      ReadBuildReply(LinesOf(FormatReply(absl::StatusOr<BuildReply>(build))));
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_EQ(built->seconds, 1.5);
  EXPECT_EQ(built->bytes, build.bytes);
}

TEST(Wire, SaysWhatWasExpected) {
  const auto failed = FormatReply(absl::StatusOr<Pass>(absl::InternalError("no\nluck")));
  EXPECT_EQ(ReadPassReply(LinesOf(failed), 2).status(), absl::InternalError("no luck"));
  EXPECT_THAT(std::string(ReadPassReply(LinesOf("ok x y"), 2).status().message()),
              HasSubstr("ok WALL_SECONDS QUERIES"));
  EXPECT_FALSE(ReadPassReply(LinesOf("ok 1 2\n1 2\n1 2 3\n5"), 2).ok());  // 3 ids at k = 2
  EXPECT_FALSE(ReadPassReply(LinesOf("ok 1 2\n1 2"), 2).ok());            // cut short
  EXPECT_FALSE(ParsePassRequest("pass ef=1 most 10 1 1").ok());
  EXPECT_FALSE(ParsePassRequest("pass ef=1 odd 10 1").ok());
  EXPECT_FALSE(ParseBuildRequest("build 0").ok());
}

// --- choice ---

Measurement Measured(double recall, double qps, std::string setting = "") {
  return {.engine = "nestor",
          .setting = setting,
          .plan = setting,
          .recall = recall,
          .qps = qps,
          .steady_qps = 1000 - qps};
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
  for (size_t i = 0; i < 5; ++i) micros[20 * i] = 5000;
  EXPECT_NEAR(SteadyQps(micros, 1), 1e5, 1);
  EXPECT_NEAR(SteadyQps(micros, 2), 2e5, 1);
  EXPECT_NEAR(SteadyQps({10, 30}, 1), 5e4, 1);
}

// --- sweep ---

const VectorSchema kSchema{.dim = 768, .nesting = {8, 16, 32, 64, 128, 256, 512, 768}};

TEST(Sweep, SpaceFollowsNestingShellsAndLists) {
  const PlanSpace space = PlanSpaceOf(kSchema.nesting, {128, 256, 768}, 20, 10);
  EXPECT_THAT(space.coarse_dims, ElementsAre(32, 64, 128, 256, 512, 768));
  EXPECT_THAT(space.scan_dims, ElementsAre(32, 64, 128, 256));
  EXPECT_EQ(space.probes.back(), 20u);
  EXPECT_EQ(space.keeps.front(), 10u);
  EXPECT_EQ(space.keeps.back(), 400u);
  // One short dim, one list: there is still a plan.
  const PlanSpace tiny = PlanSpaceOf({8}, {8}, 1, 1);
  EXPECT_THAT(tiny.coarse_dims, ElementsAre(8));
  EXPECT_THAT(tiny.scan_dims, ElementsAre(8));
  EXPECT_THAT(tiny.probes, ElementsAre(1));
}

TEST(Sweep, NeighboursAreValidAndDifferent) {
  const PlanSpace space = PlanSpaceOf(kSchema.nesting, {128, 256, 768}, 500, 10);
  for (const char* text :
       {"coarse=64:8,scan=128:100,refine=256:30,refine=768:10,rescore", "coarse=32:1,scan=32:10",
        "coarse=768:500,scan=256:400,rescore", "coarse=64:7,scan=64:33,refine=768:17"}) {
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

// A made-up cost and recall with one best plan: the sweep has to come near it.
TEST(Sweep, ImprovesToTheFastestPlan) {
  const PlanSpace space = PlanSpaceOf(kSchema.nesting, {128, 256, 768}, 500, 10);
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
      space, {.random_plans = 60, .rounds = 40, .recalls = {0.90, 0.99}, .seed = 7}, measure);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ(static_cast<size_t>(calls), measured->size());
  const size_t best = *Fastest(*measured, 0.90, &Measurement::steady_qps);
  EXPECT_EQ((*measured)[best].setting, "coarse=32:40,scan=32:10");
  const size_t thorough = *Fastest(*measured, 0.99, &Measurement::steady_qps);
  EXPECT_EQ((*measured)[thorough].setting, "coarse=32:64,scan=32:10");
}

TEST(Sweep, HandsOnAFailure) {
  const PlanSpace space = PlanSpaceOf({8}, {8}, 1, 1);
  EXPECT_EQ(
      SweepPlans(space, {}, [](const std::string&) { return absl::InternalError("no"); }).status(),
      absl::InternalError("no"));
}

// --- comparison: the sample's queries and truth, engines made up for the purpose ---

const DatasetFiles kSampleFiles = SampleSets(NESTOR_SOURCE_DIR "/tests/data")[0];

std::unique_ptr<Dataset> Sample() {
  absl::StatusOr<std::unique_ptr<Dataset>> set = Dataset::Load(kSampleFiles, 10, 1, nullptr);
  EXPECT_TRUE(set.ok()) << set.status();
  return *std::move(set);
}

// Answers a query with so many of the truth's rows, and rows that do not exist behind them.
class FakeEngine : public Engine {
 public:
  using Right = std::function<uint32_t(const std::string& setting, uint32_t query)>;

  FakeEngine(std::string name, Right right)
      : facts_{.name = std::move(name), .index_bytes = {{"all", 10}}, .build_s = 1.5},
        right_(std::move(right)),
        truth_(*VectorFile::Open(kSampleFiles.truth)) {}

  const EngineFacts& facts() const override { return facts_; }

  absl::StatusOr<EnginePass> Run(const std::string& setting, const PassOptions& options) override {
    runs.push_back(absl::StrCat(facts_.name, " ", setting, " ", Name(options.half)));
    absl::StatusOr<Pass> pass =
        RunPass(options, static_cast<uint32_t>(truth_.rows()), false,
                [&](int, uint32_t query, std::span<uint64_t> ids, std::span<float>) {
                  std::vector<uint64_t> truth(truth_.dim());
                  const absl::Status status = truth_.ReadIds(query, truth);
                  const uint32_t right = right_(setting, query);
                  for (size_t i = 0; i < ids.size(); ++i) ids[i] = i < right ? truth[i] : 1u << 30;
                  return status;
                });
    if (!pass.ok()) return pass.status();
    return EnginePass{.pass = *std::move(pass), .plan = setting};
  }

  std::vector<std::string> runs;

 private:
  EngineFacts facts_;
  Right right_;
  VectorFile truth_;
};

uint32_t ThreeRight(const std::string&, uint32_t) { return 3; }

TEST(Measure, EnginesAlternatePassByPass) {
  const std::unique_ptr<Dataset> set = Sample();
  FakeEngine a("a", ThreeRight), b("b", ThreeRight);
  const auto measured =
      MeasureAlternating(*set, {{&a, "x"}, {&b, "y"}, {&a, "z"}}, {.half = Half::kOdd, .k = 10}, 2);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_THAT(a.runs, ElementsAre("a x odd", "a z odd", "a x odd", "a z odd"));
  EXPECT_THAT(b.runs, ElementsAre("b y odd", "b y odd"));
  EXPECT_EQ((*measured)[1].engine, "b");
  EXPECT_EQ((*measured)[1].queries, 150u);
  EXPECT_EQ((*measured)[1].passes, 2);
  EXPECT_NEAR((*measured)[1].recall, 0.3, 1e-12);
  // The first hit is the nearest row, whose label tests/data/README.md gives as right for 67 % of
  // all queries.
  EXPECT_NEAR(*(*measured)[1].accuracy_1nn, 0.67, 0.05);
}

TEST(Compare, ChoosesOnTheEvenAndReportsOnTheOddQueries) {
  const std::unique_ptr<Dataset> set = Sample();
  FakeEngine nestor("nestor", ThreeRight);
  // Only ef=12 has a recall of 0.5 on the even queries; it is worse on the odd ones. ef=14 is the
  // other way round.
  FakeEngine other("hnswlib", [](const std::string& setting, uint32_t query) -> uint32_t {
    if (setting == "ef=12") return query % 2 == 0 ? 6 : 2;
    if (setting == "ef=14") return query % 2 == 0 ? 2 : 9;
    return 1;
  });
  const PlanSpace space = PlanSpaceOf(set->nesting(), {128, 256, 512, 768}, 100, 10);
  const absl::StatusOr<Comparison> result =
      Compare(*set, {&nestor, &other}, space,
              {.recalls = {0.2, 0.5}, .random_plans = 5, .passes = 3, .min_runs = 1});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_THAT(result->at_recalls, SizeIs(2));
  ASSERT_THAT(result->at_recalls[0].fastest, SizeIs(2));
  EXPECT_EQ(result->at_recalls[0].fastest[0].engine, "nestor");
  ASSERT_THAT(result->at_recalls[1].fastest, SizeIs(1));  // no plan of nestor reaches 0.5
  const Measurement& chosen = result->at_recalls[1].fastest[0];
  EXPECT_EQ(chosen.engine, "hnswlib");
  EXPECT_EQ(chosen.setting, "ef=12");
  EXPECT_EQ(chosen.half, Half::kOdd);
  EXPECT_EQ(chosen.passes, 3);
  EXPECT_NEAR(chosen.recall, 0.2, 1e-12);
  EXPECT_EQ(result->default_plan->half, Half::kOdd);
  EXPECT_THAT(result->baseline_frontiers, Each(Field(&Measurement::half, Half::kEven)));
  // Settings that were not chosen never saw the odd queries.
  EXPECT_THAT(other.runs, Not(Contains("hnswlib ef=1024 odd")));
  EXPECT_THAT(other.runs, Contains("hnswlib ef=1024 even"));
}

TEST(Compare, MeasuresTheFrontierAgain) {
  const std::unique_ptr<Dataset> set = Sample();
  FakeEngine nestor("nestor", [](const std::string& setting, uint32_t) -> uint32_t {
    return setting == "default" || ParsePlan(setting)->coarse.probes < 10 ? 8 : 9;
  });
  const PlanSpace space = PlanSpaceOf(set->nesting(), {128, 768}, 100, 10);
  const absl::StatusOr<Comparison> result =
      Compare(*set, {&nestor}, space, {.recalls = {0.85}, .random_plans = 30, .min_runs = 1});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_FALSE(result->frontier.empty());
  for (const Measurement& m : result->frontier) {
    EXPECT_EQ(m.half, Half::kEven);
    EXPECT_EQ(m.passes, 3);
  }
  for (size_t i = 1; i < result->frontier.size(); ++i) {
    EXPECT_LT(result->frontier[i - 1].recall, result->frontier[i].recall);
    EXPECT_GT(result->frontier[i - 1].qps, result->frontier[i].qps);
  }
}

TEST(Compare, PlansThatAreGivenAreMeasuredOnAllQueries) {
  const std::unique_ptr<Dataset> set = Sample();
  FakeEngine nestor("nestor", ThreeRight);
  const PlanSpace space = PlanSpaceOf(set->nesting(), {128, 768}, 100, 10);
  const absl::StatusOr<Comparison> result =
      Compare(*set, {&nestor}, space, {.plans = {"p", "exact=64"}, .passes = 1, .min_runs = 1});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_THAT(result->plans, SizeIs(2));
  EXPECT_EQ(result->plans[1].setting, "exact=64");
  EXPECT_EQ(result->plans[1].queries, 300u);
  EXPECT_NEAR(result->plans[1].recall, 0.3, 1e-12);
  EXPECT_THAT(result->at_recalls, IsEmpty());
  EXPECT_THAT(nestor.runs, Each(HasSubstr(" all")));
}

// The index in this process: the whole way on real rows.
TEST(LocalEngine, ReproducesTheSamplesPrefixRecalls) {
  const std::unique_ptr<Dataset> set = Sample();
  absl::StatusOr<std::unique_ptr<LocalEngine>> engine = LocalEngine::Build(*set, {.threads = 2});
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto measured =
      MeasureAlternating(*set,
                         {{engine->get(), "exact=64"},
                          {engine->get(), "exact"},
                          {engine->get(), "coarse=64:100000,scan=64:6000,rescore"},
                          {engine->get(), "default"}},
                         {.k = 10, .threads = 2}, 1);
  EXPECT_EQ(measured.status().code(), absl::StatusCode::kInvalidArgument);  // probes over 65,536
  const auto good = MeasureAlternating(*set,
                                       {{engine->get(), "exact=64"},
                                        {engine->get(), "exact"},
                                        {engine->get(), "coarse=64:60000,scan=64:6000,rescore"},
                                        {engine->get(), "default"}},
                                       {.k = 10, .threads = 2}, 1);
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_NEAR((*good)[0].recall, 0.799, 0.002);  // tests/data/README.md
  EXPECT_EQ((*good)[1].recall, 1);
  EXPECT_NEAR(*(*good)[1].accuracy_1nn, 0.670, 0.002);
  EXPECT_EQ((*good)[2].recall, 1);  // all lists, all rows, exact vectors
  EXPECT_GT((*good)[3].recall, 0.9);
  EXPECT_THAT((*good)[3].plan, HasSubstr("coarse="));
  // The scan reads every row's first 64 coordinates: 6,000 x (64 + a scale and a norm).
  ASSERT_GE((*good)[2].stages.size(), 2u);
  EXPECT_EQ((*good)[2].stages[1].name, "scan");
  EXPECT_EQ((*good)[2].stages[1].in, 6000);
  EXPECT_EQ((*good)[2].stages[1].multiply_adds, 6000 * 64);
  EXPECT_FALSE(engine->get()->Run("exact=63", {.k = 10}).ok());
}

TEST(Dataset, SaysWhichFilesDoNotFit) {
  const auto message = [](const std::function<void(DatasetFiles&)>& change, uint32_t k = 10) {
    DatasetFiles files = kSampleFiles;
    change(files);
    return std::string(Dataset::Load(files, k, 1, nullptr).status().message());
  };
  EXPECT_EQ(message([](DatasetFiles&) {}), "");
  EXPECT_THAT(message([](DatasetFiles&) {}, 101), HasSubstr("has 100 columns, k is 101"));
  EXPECT_THAT(message([](DatasetFiles& f) { f.truth = f.base_labels; }),
              HasSubstr("has 6000 rows, there are 300 queries"));
  EXPECT_THAT(message([](DatasetFiles& f) { f.distances = f.query_labels; }),
              HasSubstr("are 300 x 1, expected 300 x 100"));
  EXPECT_THAT(message([](DatasetFiles& f) { f.query_labels = f.base_labels; }),
              HasSubstr("are 6000 x 1, expected 300 x 1"));
  EXPECT_THAT(message([](DatasetFiles& f) { f.queries = f.distances; }),
              HasSubstr("has 768 dims, "));
  EXPECT_THAT(message([](DatasetFiles& f) { f.nesting = {64, 128}; }), HasSubstr("ends in 128"));
  EXPECT_THAT(message([](DatasetFiles& f) { f.truth = f.base = ""; }), HasSubstr("needs a truth"));
  // Without a truth it is computed.
  DatasetFiles files = kSampleFiles;
  files.truth = files.distances = "";
  const auto computed = Dataset::Load(files, 10, 2, nullptr);
  ASSERT_TRUE(computed.ok()) << computed.status();
  std::vector<uint64_t> first(100);
  ASSERT_TRUE(VectorFile::Open(kSampleFiles.truth)->ReadIds(7, first).ok());
  EXPECT_EQ((*computed)->recall().Count(7, 10, first, {}), 10u);
}

// --- baselines: the program beside nestor ---

TEST(BaselineEngine, AnswersThroughItsPipe) {
  const std::unique_ptr<Dataset> set = Sample();
  for (const std::string name : {kHnswlib, kFaissIvfFlat}) {
    SCOPED_TRACE(name);
    absl::StatusOr<std::unique_ptr<BaselineEngine>> engine =
        BaselineEngine::Build(NESTOR_BASELINES, name, *set, 2);
    ASSERT_TRUE(engine.ok()) << engine.status();
    EXPECT_GT((*engine)->facts().build_s, 0);
    EXPECT_EQ((*engine)->facts().index_bytes[0],
              std::make_pair(std::string("vectors"), uint64_t{6000 * 768 * 4}));
    const std::vector<std::string> settings = BaselineSettings(name, 10);
    const auto measured = MeasureAlternating(
        *set, {{engine->get(), settings.front()}, {engine->get(), settings.back()}},
        {.half = Half::kOdd, .k = 10, .threads = 2}, 2);
    ASSERT_TRUE(measured.ok()) << measured.status();
    EXPECT_GT((*measured)[1].recall, 0.99);
    EXPECT_GE((*measured)[1].recall, (*measured)[0].recall);
    EXPECT_THAT((*measured)[1].stages, IsEmpty());
    EXPECT_THAT(std::string((*engine)->Run("speed=1", {.k = 10}).status().message()),
                HasSubstr("setting 'speed=1' is not "));
    EXPECT_TRUE((*engine)->Run(settings.front(), {.k = 10}).ok());  // it goes on
  }
}

TEST(BaselineEngine, SettingsGiveKHits) {
  EXPECT_THAT(BaselineSettings(kHnswlib, 10), SizeIs(17));
  EXPECT_EQ(BaselineSettings(kHnswlib, 100).front(), "ef=128");
  EXPECT_THAT(BaselineSettings(kHnswlib, 5000), ElementsAre("ef=5000"));
  EXPECT_EQ(BaselineSettings(kFaissIvfFlat, 10).back(), "nprobe=256");
}

TEST(BaselineEngine, SaysHowTheProgramEnded) {
  const std::unique_ptr<Dataset> set = Sample();
  EXPECT_EQ(BaselineEngine::Build("/no/such/program", kHnswlib, *set, 1).status().code(),
            absl::StatusCode::kNotFound);
  const absl::Status ended = BaselineEngine::Build("/bin/false", kHnswlib, *set, 1).status();
  EXPECT_EQ(ended.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(ended.message()), HasSubstr("/bin/false ended with exit code 1"));
}

// --- time model ---

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

// --- report ---

BenchReport SomeReport() {
  BenchReport report{.set = "made up",
                     .rows = 1000,
                     .dim = 768,
                     .queries = 20,
                     .metric = Metric::kL2,
                     .k = 10,
                     .threads = 1};
  report.engines = {{.name = "nestor",
                     .index_bytes = {{"first_shell", 128000},
                                     {"later_shells", 640000},
                                     {"norms_scales", 48000},
                                     {"exact_vectors", 1536000}},
                     .build_s = 0.5,
                     .index = "lists=8"},
                    {.name = "hnswlib", .index_bytes = {{"vectors", 5}}, .build_s = 2.0}};
  Measurement fast = Measured(0.96, 50000, "coarse=64:8,scan=128:20,rescore");
  fast.k = 10;
  fast.half = Half::kOdd;
  fast.queries = 10;
  fast.passes = 5;
  fast.accuracy_1nn = 0.5;
  fast.stages = {{.name = "coarse", .dim = 64, .in = 8, .bytes = 600, .multiply_adds = 512},
                 {.name = "scan", .dim = 128, .in = 100, .bytes = 13600, .multiply_adds = 12800}};
  Measurement slow = Measured(0.97, 20000, "ef=64");
  slow.engine = "hnswlib";
  report.comparison.at_recalls = {{0.95, {fast, slow}}, {0.99, {slow}}};
  report.comparison.default_plan = fast;
  report.comparison.default_plan->setting = "default";
  report.comparison.default_plan->qps = 30000;
  report.comparison.frontier = {fast};
  report.local =
      LocalFigures{.levels = {{.name = "L2", .bytes = ~uint64_t{0}, .bytes_per_second = 50e9}},
                   .streamed = {.coarse_per_dim = 8, .scan_per_dim = 1000}};
  return report;
}

TEST(BenchReport, JsonHasTheNamedKeys) {
  const std::vector<Json> lines = BenchJson(SomeReport());
  ASSERT_THAT(lines, SizeIs(5));  // 3 chosen, 1 default, 1 frontier
  for (const Json& line : lines) {
    for (const char* key :
         {"set", "engine", "plan", "k", "recall", "qps", "p50_us", "p99_us", "bytes_per_query",
          "multiply_adds", "index_bytes", "build_s", "threads", "target", "default", "frontier"}) {
      EXPECT_TRUE(line.contains(key)) << key << " in " << line;
    }
    EXPECT_THAT(ToLine(line), Not(HasSubstr("\n")));
  }
  EXPECT_EQ(lines[0]["bytes_per_query"], 14200);
  EXPECT_EQ(lines[0]["multiply_adds"], 13312);
  EXPECT_EQ(lines[0]["target"], 0.95);
  EXPECT_EQ(lines[0]["accuracy_1nn"], 0.5);
  EXPECT_EQ(lines[0]["index_bytes"]["later_shells"], 640000);
  EXPECT_EQ(lines[0]["build_s"], 0.5);
  EXPECT_EQ(lines[0]["half"], "odd");
  // What a baseline does not count is null.
  EXPECT_TRUE(lines[1]["bytes_per_query"].is_null());
  EXPECT_TRUE(lines[1]["multiply_adds"].is_null());
  EXPECT_EQ(lines[1]["plan"], "ef=64");
  EXPECT_EQ(lines[3]["default"], true);
  EXPECT_TRUE(lines[3]["target"].is_null());
  EXPECT_EQ(lines[4]["frontier"], true);
}

TEST(BenchReport, TextShowsRatiosMemoryAndBounds) {
  const std::string text = BenchText(SomeReport());
  EXPECT_THAT(text, HasSubstr("== made up: 1,000 x 768, l2, 20 queries, k 10, 1 thread\n"));
  EXPECT_THAT(text, HasSubstr("shells, norms and scales 816 (within 1.15 x (D + 64) = 957)"));
  EXPECT_THAT(text, HasSubstr("2.50x"));            // 50,000 beside hnswlib's 20,000
  EXPECT_THAT(text, HasSubstr("none reaches it"));  // Nestor at 0.99
  EXPECT_THAT(text, HasSubstr("at 0.60 of the QPS of the fastest plan with 0.95"));
  // 2.5 x 14,200 bytes / 50 GB/s + 12 us = 12.7 us; 50,000 QPS are 20 us.
  EXPECT_THAT(text, HasSubstr("12.7"));
  EXPECT_THAT(text, AllOf(HasSubstr("20.0"), HasSubstr("above")));
}

TEST(BenchReport, TextOfGivenPlansDoesNotBlameNestorForTargets) {
  BenchReport report = SomeReport();
  report.comparison.plans = {report.comparison.at_recalls[0].fastest[0]};
  EXPECT_THAT(BenchText(report), Not(HasSubstr("none reaches it")));
}

// --- command lines ---

struct Ran {
  int code;
  std::string out, err;
};

Ran RunCommand(std::vector<std::string> arguments) {
  std::vector<const char*> argv = {"nestor"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  std::ostringstream out, err;
  const int code = RunNestor(static_cast<int>(argv.size()), argv.data(), out, err, false);
  return {code, out.str(), err.str()};
}

TEST(TruthCommand, ReproducesTheSamplesTruth) {
  for (const DatasetFiles& files : SampleSets(NESTOR_SOURCE_DIR "/tests/data")) {
    const std::string prefix = testing::TempDir() + "truth";
    const Ran ran = RunCommand({"truth", "--base", files.base, "--queries", files.queries,
                                "--metric", std::string(Name(files.metric)), "--out", prefix});
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("300 queries x 100 of 6,000 rows"));
    const VectorFile ids = *VectorFile::Open(prefix + ".ids.ibin");
    const VectorFile scores = *VectorFile::Open(prefix + ".dist.fbin");
    const VectorFile expected_ids = *VectorFile::Open(files.truth);
    const VectorFile expected_scores = *VectorFile::Open(files.distances);
    ASSERT_EQ(ids.rows(), expected_ids.rows());
    ASSERT_EQ(ids.dim(), expected_ids.dim());
    std::vector<uint64_t> got(100), wanted(100);
    std::vector<float> got_scores(100), wanted_scores(100);
    for (uint64_t q = 0; q < ids.rows(); ++q) {
      SCOPED_TRACE(absl::StrCat(files.name, " query ", q));
      ASSERT_TRUE(ids.ReadIds(q, got).ok());
      ASSERT_TRUE(expected_ids.ReadIds(q, wanted).ok());
      EXPECT_EQ(got, wanted);
      scores.ReadF32(q, got_scores);
      expected_scores.ReadF32(q, wanted_scores);
      EXPECT_THAT(got_scores, Pointwise(FloatEq(), wanted_scores));
    }
  }
}

TEST(TruthCommand, SaysWhatIsWrong) {
  const std::vector<std::string> files = {"--base",    kSampleFiles.base,
                                          "--queries", kSampleFiles.queries,
                                          "--out",     testing::TempDir() + "none"};
  const auto run = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "truth");
    arguments.insert(arguments.end(), files.begin(), files.end());
    return RunCommand(arguments);
  };
  EXPECT_EQ(run({"--metric", "hamming"}).code, 2);
  EXPECT_EQ(run({}).code, 2);
  const Ran deep = run({"--metric", "l2", "-k", "6001"});
  EXPECT_EQ(deep.code, 1);
  EXPECT_THAT(deep.err, HasSubstr("k 6001 is outside 1..6000"));
  EXPECT_FALSE(VectorFile::Open(testing::TempDir() + "none.ids.ibin").ok());
}

TEST(BenchCommand, PrintsOneJsonObjectALine) {
  const Ran ran = RunCommand({"bench",        "--local",
                              "--base",       kSampleFiles.base,
                              "--queries",    kSampleFiles.queries,
                              "--truth",      kSampleFiles.truth,
                              "--metric",     "l2",
                              "--nesting",    "64,128,768",
                              "--lists",      "32",
                              "--coarse-dim", "64",
                              "--plan",       "default",
                              "--plan",       "coarse=64:32,scan=128:50,rescore",
                              "--plan",       "exact=64",
                              "--passes",     "1",
                              "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::istringstream lines(ran.out);
  std::vector<Json> rows;
  for (std::string line; std::getline(lines, line);) rows.push_back(Json::parse(line));
  ASSERT_THAT(rows, SizeIs(3));
  EXPECT_EQ(rows[0]["default"], true);
  EXPECT_EQ(rows[1]["plan"], "coarse=64:32,scan=128:50,rescore");
  EXPECT_EQ(rows[1]["queries"], 300);
  EXPECT_EQ(rows[1]["index"], "lists=32 coarse_dim=64 shells=128,768 codec=int8 dtype=f16");
  EXPECT_EQ(rows[2]["plan"], "exact=64");
  EXPECT_NEAR(rows[2]["recall"], 0.799, 0.002);
}

TEST(BenchCommand, SaysWhatIsWrong) {
  const auto code = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "bench");
    const Ran ran = RunCommand(arguments);
    EXPECT_THAT(ran.out, IsEmpty());
    EXPECT_THAT(ran.err, Not(IsEmpty()));
    return ran.code;
  };
  const std::string base = kSampleFiles.base, queries = kSampleFiles.queries;
  EXPECT_EQ(code({"--local", "--base", base}), 2);
  EXPECT_EQ(code({"--local", "--base", base, "--queries", queries}), 2);  // no metric
  EXPECT_EQ(code({"--base", base, "--queries", queries}), 2);
  EXPECT_EQ(code({"--local", "--collection", "c"}), 2);
  EXPECT_EQ(code({"--collection", "c", "--queries", queries}), 2);  // no truth
  const std::vector<std::string> local = {"--local", "--base",          base, "--queries", queries,
                                          "--truth", kSampleFiles.truth};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), local.begin(), local.end());
    return code(more);
  };
  EXPECT_EQ(with({"--metric", "hamming"}), 2);
  EXPECT_EQ(with({"--metric", "l2", "--dtype", "f64"}), 2);
  EXPECT_EQ(with({"--metric", "l2", "--codec", "int4"}), 2);
  EXPECT_EQ(with({"--metric", "l2", "--baselines", "annoy"}), 2);
  EXPECT_EQ(with({"--metric", "l2", "--labels", "one.ibin"}), 2);
  EXPECT_EQ(with({"--metric", "l2", "-k", "101"}), 1);
  EXPECT_EQ(with({"--metric", "l2", "--coarse-dim", "65"}), 1);
  EXPECT_EQ(with({"--metric", "l2", "--plan", "coarse=64:8"}), 1);
  EXPECT_EQ(with({"--metric", "l2", "--plan", "coarse=64:8,scan=64:9"}), 1);
}

}  // namespace
}  // namespace nestor
