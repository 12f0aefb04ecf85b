// Comparisons from end to end: engines made up for the purpose, the index in this process, the
// baselines in theirs.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/bench/baseline_engine.h"
#include "client/bench/compare.h"
#include "client/bench/local_engine.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/bench_testutil.h"

namespace nestor {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// Answers a query with so many of the truth's rows, and rows that do not exist behind them.
class FakeEngine : public Engine {
 public:
  using Right = std::function<uint32_t(const std::string& setting, uint32_t query)>;

  FakeEngine(std::string name, Right right)
      : facts_{.name = std::move(name), .index_bytes = {{"all", 10}}, .build_s = 1.5},
        right_(std::move(right)),
        truth_(*VectorFile::Open(kSampleFiles.truth)) {}

  const EngineFacts& facts() const override { return facts_; }
  std::vector<std::string> Settings(uint32_t k) const override {
    return BaselineSettings(facts_.name, k);
  }

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
    return EnginePass{.pass = *std::move(pass),
                      .plan = setting == "default" ? default_plan : setting};
  }

  std::vector<std::string> runs;
  std::string default_plan = "default";  // what it stands for

 private:
  EngineFacts facts_;
  Right right_;
  VectorFile truth_;
};

uint32_t ThreeRight(const std::string&, uint32_t) { return 3; }

TEST(Measure, EnginesAlternatePassByPass) {
  const std::unique_ptr<Dataset> set = Sample();
  FakeEngine a("a", ThreeRight), b("b", ThreeRight);
  const auto measured = MeasureAlternating(set->grader(), {{&a, "x"}, {&b, "y"}, {&a, "z"}},
                                           {.half = Half::kOdd, .k = 10}, 2);
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
  const PlanSpace space = PlanSpaceOf(set->nesting(), {128, 256, 512, 768}, {.lists = 100}, 10);
  const absl::StatusOr<Comparison> result =
      Compare(set->grader(), {&nestor, &other}, space,
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
  const PlanSpace space = PlanSpaceOf(set->nesting(), {128, 768}, {.lists = 100}, 10);
  const absl::StatusOr<Comparison> result = Compare(
      set->grader(), {&nestor}, space, {.recalls = {0.85}, .random_plans = 30, .min_runs = 1});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_FALSE(result->frontier.empty());
  for (const Measurement& m : result->frontier) {
    EXPECT_EQ(m.half, Half::kEven);
    EXPECT_EQ(m.passes, 5);
    EXPECT_EQ(m.source, Source::kLists);
  }
  for (size_t i = 1; i < result->frontier.size(); ++i) {
    EXPECT_LT(result->frontier[i - 1].recall, result->frontier[i].recall);
    EXPECT_GT(result->frontier[i - 1].qps, result->frontier[i].qps);
  }
}

TEST(Compare, SweepsListsAndGraphApart) {
  const std::unique_ptr<Dataset> set = Sample();
  // Both sources reach 0.85; the default plan is one of the graph's and reaches 0.95 alone.
  const std::string kDefault = "graph=384:77:0.2,rescore";
  FakeEngine nestor("nestor", [&](const std::string& setting, uint32_t) -> uint32_t {
    return setting == kDefault ? 10 : 9;
  });
  nestor.default_plan = kDefault;
  FakeEngine other("hnswlib", [](const std::string&, uint32_t) -> uint32_t { return 9; });
  const PlanSpace space =
      PlanSpaceOf(set->nesting(), {128, 768}, {.lists = 100, .graph_dim = 384}, 10);
  const absl::StatusOr<Comparison> result =
      Compare(set->grader(), {&nestor, &other}, space,
              {.recalls = {0.85, 0.95}, .random_plans = 10, .passes = 1, .min_runs = 1});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->sources, ElementsAre(Source::kLists, Source::kGraph));
  ASSERT_THAT(result->at_recalls, SizeIs(2));
  const std::vector<Measurement>& both = result->at_recalls[0].fastest;
  ASSERT_THAT(both, SizeIs(3));
  EXPECT_EQ(both[0].source, Source::kLists);
  EXPECT_THAT(both[0].plan, HasSubstr("coarse="));
  EXPECT_EQ(both[1].source, Source::kGraph);
  EXPECT_THAT(both[1].plan, HasSubstr("graph=384:"));
  EXPECT_EQ(both[2].engine, "hnswlib");
  EXPECT_EQ(both[2].source, std::nullopt);
  // The default plan takes part in the choice.
  ASSERT_THAT(result->at_recalls[1].fastest, SizeIs(1));
  EXPECT_EQ(result->at_recalls[1].fastest[0].plan, kDefault);
  EXPECT_THAT(nestor.runs, Contains("nestor " + kDefault + " even"));
  EXPECT_THAT(result->frontier, Contains(Field(&Measurement::source, Source::kLists)));
  EXPECT_THAT(result->frontier, Contains(Field(&Measurement::plan, kDefault)));
}

TEST(Compare, SweepsCodesBesideListsAndGraph) {
  const std::unique_ptr<Dataset> set = Sample();
  FakeEngine nestor("nestor", [](const std::string&, uint32_t) -> uint32_t { return 9; });
  const PlanSpace space = PlanSpaceOf(
      set->nesting(), {128, 768}, {.lists = 100, .codes = {{256, 32, 4}}, .graph_dim = 384}, 10);
  const absl::StatusOr<Comparison> result =
      Compare(set->grader(), {&nestor}, space,
              {.recalls = {0.85}, .random_plans = 10, .passes = 1, .min_runs = 1});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->sources, ElementsAre(Source::kLists, Source::kCodes, Source::kGraph));
  ASSERT_THAT(result->at_recalls, SizeIs(1));
  const Measurement* codes = result->at_recalls[0].Find("nestor", Source::kCodes);
  ASSERT_NE(codes, nullptr);
  EXPECT_THAT(codes->plan, HasSubstr("scan=opq256x32b4:"));
  EXPECT_THAT(result->at_recalls[0].Find("nestor", Source::kLists)->plan, Not(HasSubstr("opq")));
  EXPECT_THAT(result->frontier, Contains(Field(&Measurement::source, Source::kCodes)));
}

TEST(Compare, PlansThatAreGivenAreMeasuredOnAllQueries) {
  const std::unique_ptr<Dataset> set = Sample();
  FakeEngine nestor("nestor", ThreeRight);
  const PlanSpace space = PlanSpaceOf(set->nesting(), {128, 768}, {.lists = 100}, 10);
  const absl::StatusOr<Comparison> result = Compare(
      set->grader(), {&nestor}, space, {.plans = {"p", "exact=64"}, .passes = 1, .min_runs = 1});
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
      MeasureAlternating(set->grader(),
                         {{engine->get(), "exact=64"},
                          {engine->get(), "exact"},
                          {engine->get(), "coarse=64:100000,scan=64:6000,rescore"},
                          {engine->get(), "default"}},
                         {.k = 10, .threads = 2}, 1);
  EXPECT_EQ(measured.status().code(), absl::StatusCode::kInvalidArgument);  // probes over 65,536
  const auto good = MeasureAlternating(set->grader(),
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

TEST(LocalEngine, SearchesTheGraphAlone) {
  const std::unique_ptr<Dataset> set = Sample();
  absl::StatusOr<std::unique_ptr<LocalEngine>> engine = LocalEngine::Build(
      *set, {.spec = {.graph = GraphSpec{.dim = 128, .ef_construction = 40}, .no_lists = true},
             .threads = 2});
  ASSERT_TRUE(engine.ok()) << engine.status();
  const EngineFacts& facts = (*engine)->facts();
  EXPECT_EQ(facts.graph, (GraphSpec{128, 28, 40}));
  EXPECT_THAT(facts.index, HasSubstr("graph=128:28:40"));
  EXPECT_THAT(facts.index, Not(HasSubstr("lists=")));
  double seconds = 0;
  for (const auto& [phase, s] : facts.build_phases) seconds += s;
  EXPECT_THAT(facts.build_phases, Contains(Field(&std::pair<std::string, double>::first, "link")));
  EXPECT_LE(seconds, *facts.build_s);
  const auto measured = MeasureAlternating(set->grader(),
                                           {{engine->get(), "graph=128:200:0.2,rescore"},
                                            {engine->get(), "default"},
                                            {engine->get(), "batch=7 graph=128:200:0.2,rescore"}},
                                           {.k = 10, .threads = 2}, 1);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_NEAR((*measured)[2].recall, (*measured)[0].recall, 0.02);
  EXPECT_EQ((*measured)[2].source, Source::kGraph);
  EXPECT_EQ((*measured)[2].plan, "batch=7 graph=128:200:0.2,rescore");
  for (const char* bad : {"batch=0 graph=128:200", "batch=7", "batch=x graph=128:200"}) {
    EXPECT_EQ((*engine)->Run(bad, {.k = 10}).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_GT((*measured)[0].recall, 0.9);
  EXPECT_EQ((*measured)[0].source, Source::kGraph);
  EXPECT_EQ((*measured)[0].stages[0].name, "graph");
  EXPECT_EQ((*measured)[1].source, Source::kGraph);
  EXPECT_EQ((*engine)->Run("coarse=128:4,scan=128:20", {.k = 10}).status().code(),
            absl::StatusCode::kFailedPrecondition);
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
  EXPECT_EQ((*computed)->grader().recall().Count(7, 10, first, {}), 10u);
}

TEST(BaselineEngine, AnswersThroughItsPipe) {
  const std::unique_ptr<Dataset> set = Sample();
  for (const std::string name : {kHnswlib, kFaissIvfFlat, kFaissIvfPq}) {
    SCOPED_TRACE(name);
    absl::StatusOr<std::unique_ptr<BaselineEngine>> engine =
        BaselineEngine::Build(NESTOR_BASELINES, name, *set, 2);
    ASSERT_TRUE(engine.ok()) << engine.status();
    EXPECT_GT((*engine)->facts().build_s, 0);
    EXPECT_EQ((*engine)->facts().index_bytes[0],
              std::make_pair(std::string("vectors"), uint64_t{6000 * 768 * 4}));
    const std::vector<std::string> settings = BaselineSettings(name, 10);
    const auto measured = MeasureAlternating(
        set->grader(), {{engine->get(), settings.front()}, {engine->get(), settings.back()}},
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
  EXPECT_EQ(BaselineSettings(kFaissIvfPq, 10).front(), "nprobe=1,kfactor=2");
  EXPECT_EQ(BaselineSettings(kFaissIvfPq, 10).back(), "nprobe=256,kfactor=64");
}

TEST(BaselineEngine, SaysHowTheProgramEnded) {
  const std::unique_ptr<Dataset> set = Sample();
  EXPECT_EQ(BaselineEngine::Build("/no/such/program", kHnswlib, *set, 1).status().code(),
            absl::StatusCode::kNotFound);
  const absl::Status ended = BaselineEngine::Build("/bin/false", kHnswlib, *set, 1).status();
  EXPECT_EQ(ended.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(ended.message()), HasSubstr("/bin/false ended with exit code 1"));
}

}  // namespace
}  // namespace nestor
