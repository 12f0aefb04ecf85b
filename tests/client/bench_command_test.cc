// `nestor bench` and `nestor truth` as commands, and what they print.
#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/app.h"
#include "client/cli/bench_report.h"
#include "client/files/vector_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/bench_testutil.h"

namespace nestor {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::FloatEq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pointwise;
using ::testing::SizeIs;

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
                                     {"exact_vectors", 1536000},
                                     {"graph", 500000}},
                     .build_s = 2,
                     .build_phases = {{"train", 0.5}, {"link", 1.5}},
                     .index = "lists=8",
                     .graph = GraphSpec{384, 28, 200}},
                    {.name = "hnswlib", .index_bytes = {{"vectors", 5}}, .build_s = 2.0}};
  Measurement fast = Measured(0.96, 50000, "coarse=64:8,scan=128:20,rescore");
  fast.k = 10;
  fast.source = Source::kLists;
  fast.half = Half::kOdd;
  fast.queries = 10;
  fast.passes = 5;
  fast.accuracy_1nn = 0.5;
  fast.stages = {{.name = "coarse", .dim = 64, .in = 8, .bytes = 600, .multiply_adds = 512},
                 {.name = "scan", .dim = 128, .in = 100, .bytes = 13600, .multiply_adds = 12800}};
  Measurement graph = fast;
  graph.qps = 80000;
  graph.plan = graph.setting = "graph=384:50:0.1,rescore";
  graph.source = Source::kGraph;
  graph.stages = {{.name = "graph", .dim = 384, .in = 100, .bytes = 40000, .multiply_adds = 38400}};
  Measurement slow = Measured(0.97, 20000, "ef=64");
  slow.engine = "hnswlib";
  report.comparison.sources = {Source::kLists, Source::kGraph};
  report.comparison.at_recalls = {{0.95, {fast, graph, slow}}, {0.99, {slow}}};
  report.comparison.default_plan = fast;
  report.comparison.default_plan->setting = "default";
  report.comparison.default_plan->qps = 30000;
  report.comparison.frontier = {fast, graph};
  report.local =
      LocalFigures{.levels = {{.name = "L2", .bytes = ~uint64_t{0}, .bytes_per_second = 50e9}},
                   .streamed = {.coarse_per_dim = 8, .scan_per_dim = 1000}};
  return report;
}

TEST(BenchReport, JsonHasTheNamedKeys) {
  const std::vector<Json> lines = BenchJson(SomeReport());
  ASSERT_THAT(lines, SizeIs(7));  // 4 chosen, 1 default, 2 frontier
  for (const Json& line : lines) {
    for (const char* key : {"set", "engine", "source", "plan", "k", "recall", "qps", "p50_us",
                            "p99_us", "bytes_per_query", "multiply_adds", "index_bytes", "build_s",
                            "threads", "target", "default", "frontier"}) {
      EXPECT_TRUE(line.contains(key)) << key << " in " << line;
    }
    EXPECT_THAT(ToLine(line), Not(HasSubstr("\n")));
  }
  EXPECT_EQ(lines[0]["bytes_per_query"], 14200);
  EXPECT_EQ(lines[0]["multiply_adds"], 13312);
  EXPECT_EQ(lines[0]["target"], 0.95);
  EXPECT_EQ(lines[0]["accuracy_1nn"], 0.5);
  EXPECT_EQ(lines[0]["index_bytes"]["later_shells"], 640000);
  EXPECT_EQ(lines[0]["build_s"], 2);
  EXPECT_EQ(lines[0]["half"], "odd");
  // What a baseline does not count is null.
  EXPECT_TRUE(lines[2]["bytes_per_query"].is_null());
  EXPECT_TRUE(lines[2]["multiply_adds"].is_null());
  EXPECT_TRUE(lines[2]["source"].is_null());
  EXPECT_EQ(lines[2]["plan"], "ef=64");
  for (const int graph : {1, 6}) {
    EXPECT_EQ(lines[graph]["engine"], "nestor");
    EXPECT_EQ(lines[graph]["source"], "graph");
    EXPECT_FALSE(lines[graph].contains("bound_us")) << "the model is of the lists";
  }
  EXPECT_EQ(lines[0]["source"], "lists");
  EXPECT_EQ(lines[4]["default"], true);
  EXPECT_TRUE(lines[4]["target"].is_null());
  EXPECT_EQ(lines[5]["frontier"], true);
}

TEST(BenchReport, PlansByCodesHaveASourceAndNoBound) {
  BenchReport report = SomeReport();
  Measurement& fast = report.comparison.at_recalls[0].fastest[0];
  fast.source = Source::kCodes;
  fast.plan = fast.setting = "coarse=64:8,scan=opq256x32b4:60,rescore";
  report.comparison.sources = {Source::kCodes, Source::kGraph};
  report.engines[0].index_bytes.push_back({"codes", 36000});
  const std::vector<Json> lines = BenchJson(report);
  EXPECT_EQ(lines[0]["source"], "codes");
  EXPECT_FALSE(lines[0].contains("bound_us")) << "the model is of scans of shells";
  EXPECT_TRUE(lines[4].contains("bound_us"));
  const std::string text = BenchText(report);
  EXPECT_THAT(text, HasSubstr("nestor codes is  nestor graph is"));
  EXPECT_THAT(text, HasSubstr("bytes per row: codes 36\n"));
}

TEST(BenchReport, ReadsFromTheStoreAreShown) {
  BenchReport report = SomeReport();
  EXPECT_THAT(BenchText(report), Not(HasSubstr("read from the store")));
  Measurement& fast = report.comparison.at_recalls[0].fastest[0];
  fast.stages.push_back({.name = "rescore", .dim = 768, .in = 80, .store_reads = 80});
  EXPECT_EQ(BenchJson(report)[0]["store_reads"], 80);
  EXPECT_TRUE(BenchJson(report)[2]["store_reads"].is_null());
  EXPECT_THAT(BenchText(report), ContainsRegex("vectors read from the store, per query\n"
                                               "coarse=64:8,scan=128:20,rescore +80.0\n"));
}

TEST(BenchReport, TextShowsRatiosMemoryAndBounds) {
  const std::string text = BenchText(SomeReport());
  EXPECT_THAT(text, HasSubstr("== made up: 1,000 x 768, l2, 20 queries, k 10, 1 thread\n"));
  EXPECT_THAT(text, HasSubstr("shells, norms and scales 816 (within 1.15 x (D + 64) = 957)"));
  EXPECT_THAT(text, HasSubstr("graph 500 (within graph dim + 4 x links + 32 = 528)"));
  EXPECT_THAT(text, HasSubstr("; built in 2.00 s (train 0.50 s, link 1.50 s)\n"));
  EXPECT_THAT(text, HasSubstr("nestor lists is  nestor graph is"));
  EXPECT_THAT(text, HasSubstr("2.50x"));  // 50,000 beside hnswlib's 20,000
  EXPECT_THAT(text, HasSubstr("4.00x"));  // the graph's 80,000
  EXPECT_THAT(text, HasSubstr("1.60x"));  // 80,000 beside the lists'
  EXPECT_THAT(text, ContainsRegex("0.99 +nestor lists +none reaches it"));
  EXPECT_THAT(text, ContainsRegex("0.99 +nestor graph +none reaches it"));
  EXPECT_THAT(text, HasSubstr("frontier of the sweep of lists, even queries, recall@10 >= 0.8:\n"));
  EXPECT_THAT(text, HasSubstr("frontier of the sweep of graph, even queries, recall@10 >= 0.8:\n"));
  EXPECT_THAT(text, HasSubstr("at 0.38 of the QPS of the fastest plan with 0.95"));
  // 2.5 x 14,200 bytes / 50 GB/s + 12 us = 12.7 us; 50,000 QPS are 20 us.
  EXPECT_THAT(text, HasSubstr("12.7"));
  EXPECT_THAT(text, AllOf(HasSubstr("20.0"), HasSubstr("above")));
}

TEST(BenchReport, SummaryHasALinePerSetAndRecall) {
  const std::string text = BenchSummary({SomeReport(), SomeReport()});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2 + 2 * 3);
  EXPECT_THAT(text, HasSubstr("| set | recall >= | lists QPS (recall) | graph QPS (recall) | "
                              "hnswlib QPS (recall) | lists is | graph is | lists plan | graph "
                              "plan |\n| --- | --- |"));
  EXPECT_THAT(text, HasSubstr("| made up | 0.95 | 50,000 (0.960) | 80,000 (0.960) | "
                              "20,000 (0.970) | 2.50x | 4.00x | coarse=64:8,scan=128:20,rescore | "
                              "graph=384:50:0.1,rescore |"));
  EXPECT_THAT(text, HasSubstr("| made up | 0.99 | - | - | 20,000 (0.970) | - | - | - | - |"));
  EXPECT_THAT(text, HasSubstr("| made up | no plan | 30,000 (0.960) | - | - | - | - | "
                              "coarse=64:8,scan=128:20,rescore | - |"));
  EXPECT_THAT(MachineText(), HasSubstr(" CPUs, "));
}

TEST(BenchReport, TextOfGivenPlansDoesNotBlameNestorForTargets) {
  BenchReport report = SomeReport();
  report.comparison.plans = {report.comparison.at_recalls[0].fastest[0]};
  report.comparison.sources.clear();
  EXPECT_THAT(BenchText(report), Not(HasSubstr("none reaches it")));
}

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
  const Ran ran = RunCommand({"bench",           "--local",
                              "--base",          kSampleFiles.base,
                              "--queries",       kSampleFiles.queries,
                              "--truth",         kSampleFiles.truth,
                              "--metric",        "l2",
                              "--nesting",       "64,128,768",
                              "--lists",         "32",
                              "--coarse-dim",    "64",
                              "--plan",          "default",
                              "--plan",          "coarse=64:32,scan=128:50,rescore",
                              "--plan",          "exact=64",
                              "--code",          "opq64x16b4",
                              "--build-threads", "1",
                              "--plan",          "coarse=64:32,scan=opq64x16b4:100,rescore",
                              "--passes",        "1",
                              "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  std::istringstream lines(ran.out);
  std::vector<Json> rows;
  for (std::string line; std::getline(lines, line);) rows.push_back(Json::parse(line));
  ASSERT_THAT(rows, SizeIs(4));
  EXPECT_EQ(rows[0]["default"], true);
  EXPECT_EQ(rows[1]["plan"], "coarse=64:32,scan=128:50,rescore");
  EXPECT_EQ(rows[1]["queries"], 300);
  EXPECT_EQ(rows[1]["index"],
            "lists=32 coarse_dim=64 shells=128,768 codec=int8 dtype=f16 codes=opq64x16b4");
  EXPECT_EQ(rows[2]["plan"], "exact=64");
  EXPECT_NEAR(rows[2]["recall"], 0.799, 0.002);
  EXPECT_EQ(rows[3]["source"], "codes");
  EXPECT_GT(rows[3]["recall"], 0.95);
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
  EXPECT_EQ(code({"--collection", "c"}), 2);
  EXPECT_EQ(code({"--local", "--base", base, "--metric", "l2", "--tokens", queries, "--offsets",
                  kSampleFiles.truth}),
            2);
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
  EXPECT_EQ(with({"--metric", "l2", "--batch", "8"}), 2);  // no plan
  EXPECT_EQ(with({"--metric", "l2", "-k", "101"}), 1);
  EXPECT_EQ(with({"--metric", "l2", "--coarse-dim", "65"}), 1);
  EXPECT_EQ(with({"--metric", "l2", "--plan", "coarse=64:8"}), 1);
  EXPECT_EQ(with({"--metric", "l2", "--plan", "coarse=64:8,scan=64:9"}), 1);
}

TEST(BenchCommand, ReplicateNeedsItsFolders) {
  const std::string nothing = testing::TempDir() + "nothing", out = testing::TempDir() + "none";
  const Ran missing = RunCommand({"bench", "replicate", "--data", nothing, "--out", out});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr(nothing + "/mrl.query.f16bin"));
  EXPECT_EQ(RunCommand({"bench", "replicate", "--data", nothing}).code, 2);
  EXPECT_EQ(RunCommand({"bench", "replicate", "--out", out}).code, 2);
}

}  // namespace
}  // namespace nestor
