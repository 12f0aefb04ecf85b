// `nestor bench --collection` against a nestord of its own process: collections of token matrices,
// and what they share with those of vectors.
#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/bench/compare.h"
#include "client/bench/dataset.h"
#include "client/cli/json.h"
#include "client/cli/server_engine.h"
#include "client/lib/client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/commands_testutil.h"
#include "tests/client/scratch_files.h"
#include "tests/server/e2e/nestord_process.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

const std::string kSample = NESTOR_SOURCE_DIR "/tests/data/mv/";
const std::vector<std::string> kQueries = {"--tokens", kSample + "query.tokens.f16bin", "--offsets",
                                           kSample + "query.off.u64bin"};
const std::vector<std::string> kTruth = {"--truth", kSample + "query.gt_chamfer.ids.ibin",
                                         "--distances", kSample + "query.gt_chamfer.dist.fbin"};
constexpr char kPlan[] = "coarse=256:20,scan=256:200,refine=512:100,maxsim=32:60,maxsim=64:20";

// A server with the sample's 2,000 documents in collection m, and 50 vectors of 4 dims in s.
class BenchServerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    files_ = new ScratchFiles;
    server_ = new NestordProcess(NestordFlags(files_->PathOf("data")), files_->PathOf("log"));
    ASSERT_NE(server_->address(), "");
    Must({"create", "m", "--dim", "64", "--nesting", "32,64", "--metric", "dot", "--kind", "multi",
          "--muvera", "k_sim=2,projection=identity,repetitions=2,fill_empty=true"});
    Must({"load", "m", kSample + "base.tokens.i8bin", "--offsets", kSample + "base.off.u64bin",
          "--scale", "0.005719104151087483", "--graph"});
    std::vector<float> values(50 * 4);
    for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i * i));
    vectors_ = files_->WriteBin("s.fbin", 50, 4, values);
    Must({"create", "s", "--dim", "4", "--nesting", "2,4", "--metric", "l2"});
    Must({"load", "s", vectors_});
  }
  static void TearDownTestSuite() {
    delete server_;
    delete files_;
  }

  static Result Run(std::vector<std::string> args) { return RunCommand(args, server_->address()); }
  static void Must(const std::vector<std::string>& args) {
    const Result result = Run(args);
    ASSERT_EQ(result.code, 0) << args[0] << ": " << result.err;
  }

  // The lines of a bench of `collection`; fails the test where it fails.
  static std::vector<Json> Bench(const std::string& collection,
                                 const std::vector<std::vector<std::string>>& arguments) {
    std::vector<std::string> all = {"bench", "--collection", collection, "--passes", "1", "--json"};
    for (const auto& some : arguments) all.insert(all.end(), some.begin(), some.end());
    const Result result = Run(all);
    EXPECT_EQ(result.code, 0) << result.err;
    std::istringstream lines(result.out);
    std::vector<Json> rows;
    for (std::string line; std::getline(lines, line);) rows.push_back(Json::parse(line));
    return rows;
  }
  static std::string Error(int code, const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {"bench", "--collection"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Result result = Run(all);
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_EQ(result.out, "");
    return result.err;
  }

  static ScratchFiles* files_;
  static NestordProcess* server_;
  static std::string vectors_;
};

ScratchFiles* BenchServerTest::files_ = nullptr;
NestordProcess* BenchServerTest::server_ = nullptr;
std::string BenchServerTest::vectors_;

TEST_F(BenchServerTest, MeasuresPlansOfTokenMatrices) {
  const std::string rescored = absl::StrCat(kPlan, ",rescore");
  const std::vector<Json> rows = Bench(
      "m",
      {kQueries, kTruth, {"--plan", "default", "--plan", rescored, "--plan", kPlan}, {"--exact"}});
  ASSERT_THAT(rows, SizeIs(4));
  for (const Json& row : rows) {
    EXPECT_EQ(row["queries"], 100);
    EXPECT_GT(row["qps"], 0);
    EXPECT_GT(row["bytes_per_query"], 1000);
    EXPECT_GT(row["multiply_adds"], 1000);
    EXPECT_GT(row["index_bytes"]["tokens"], 47724 * 64);
    EXPECT_THAT(row["index"].get<std::string>(), HasSubstr("collection m: fde_dim=512 lists="));
  }
  EXPECT_EQ(rows[0]["default"], true);
  EXPECT_EQ(rows[0]["source"], "graph");
  EXPECT_GT(rows[0]["recall"], 0.8);
  EXPECT_EQ(rows[1]["plan"], rescored);
  EXPECT_EQ(rows[1]["source"], "lists");
  EXPECT_GT(rows[1]["recall"], 0.8);
  std::vector<std::string> stages;
  for (const Json& stage : rows[1]["stages"]) stages.push_back(stage["name"]);
  EXPECT_THAT(stages, ElementsAre("coarse", "scan", "refine", "maxsim", "maxsim", "rescore"));
  EXPECT_EQ(rows[1]["stages"][4]["out"], 20);
  EXPECT_EQ(rows[1]["store_reads"], 20);
  // Codes have all but some of the order of the tokens as stored.
  EXPECT_NEAR(rows[2]["recall"], rows[1]["recall"], 0.03);
  EXPECT_EQ(rows[2]["store_reads"], 0);
  // At all dims alone, where the truth is exact; rounding to f16 and int8 is the sample's.
  EXPECT_EQ(rows[3]["plan"], "exact=64");
  EXPECT_GE(rows[3]["recall"], 0.999);

  const Result text =
      Run({"bench", "--collection", "m", "--tokens", kQueries[1], "--offsets", kQueries[3],
           "--truth", kTruth[1], "--plan", "default", "--passes", "1"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("== collection m: 2,000 x 512, dot, 100 queries, k 10"));
  EXPECT_THAT(text.out, HasSubstr("bytes per row: codes of tokens "));
}

TEST_F(BenchServerTest, TheServerKnowsTheTruth) {
  const std::vector<Json> given = Bench("m", {kQueries, kTruth, {"--plan", kPlan}});
  const std::vector<Json> asked =
      Bench("m", {kQueries, {"--plan", kPlan, "--plan", "exact", "-k", "10"}});
  ASSERT_THAT(asked, SizeIs(2));
  EXPECT_NEAR(asked[0]["recall"], given[0]["recall"], 0.002);
  EXPECT_EQ(asked[1]["recall"], 1);
  // Of vectors likewise.
  const std::vector<Json> single =
      Bench("s", {{"--queries", vectors_, "--plan", "exact", "--plan", "exact=2"}});
  ASSERT_THAT(single, SizeIs(2));
  EXPECT_EQ(single[0]["recall"], 1);
  EXPECT_LT(single[1]["recall"], 1);
  EXPECT_THAT(Error(1, {"s", "--queries", vectors_, "-k", "51"}),
              HasSubstr("collection s has 50 points, fewer than k, 51"));
}

TEST_F(BenchServerTest, BatchesFindWhatSearchesFind) {
  const std::string plan = absl::StrCat(kPlan, ",rescore");
  const std::vector<Json> single = Bench("m", {kQueries, kTruth, {"--plan", plan}});
  const std::vector<Json> batches =
      Bench("m", {kQueries, kTruth, {"--plan", plan, "--batch", "7"}});
  ASSERT_THAT(batches, SizeIs(1));
  EXPECT_EQ(batches[0]["plan"], plan);
  EXPECT_NEAR(batches[0]["recall"], single[0]["recall"], 1e-9);
  EXPECT_EQ(batches[0]["bytes_per_query"], single[0]["bytes_per_query"]);
  EXPECT_EQ(batches[0]["stages"].size(), 6u);
}

// A short sweep: what the index can run is known, and all of it runs.
TEST_F(BenchServerTest, SweepsPlansOfTokenMatrices) {
  Client client({.server = server_->address()});
  const auto collection = client.GetCollection("m");
  ASSERT_TRUE(collection.ok()) << collection.status();
  const auto set = Dataset::Load({.queries = kQueries[1],
                                  .offsets = kQueries[3],
                                  .truth = kTruth[1],
                                  .distances = kTruth[3],
                                  .metric = Metric::kDot,
                                  .nesting = {32, 64}},
                                 10, 1, nullptr);
  ASSERT_TRUE(set.ok()) << set.status();
  const auto engine = ServerEngine::Connect(client, collection->spec(), **set, /*batch=*/0);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const PlanSpace space = (*engine)->Space(10);
  EXPECT_THAT(space.token_dims, ElementsAre(32, 64));
  EXPECT_THAT(space.refine_dims, ElementsAre(256, 512));
  EXPECT_THAT(space.sources, ElementsAre(Source::kLists, Source::kGraph));
  const CompareOptions options{
      .k = 10, .recalls = {0.5}, .random_plans = 6, .climb_plans = 6, .passes = 1, .min_runs = 1};
  const auto comparison = Compare((*set)->grader(), {engine->get()}, space, options);
  ASSERT_TRUE(comparison.ok()) << comparison.status();
  ASSERT_THAT(comparison->at_recalls, SizeIs(1));
  ASSERT_THAT(comparison->at_recalls[0].fastest, SizeIs(2)) << "of lists and of the graph";
  for (const Measurement& m : comparison->at_recalls[0].fastest) {
    EXPECT_THAT(m.plan, HasSubstr("maxsim=64:"));
    EXPECT_GT(m.recall, 0.4);
    EXPECT_EQ(m.queries, 50u);
  }
}

TEST_F(BenchServerTest, SaysWhatDoesNotFit) {
  const std::string tokens = kQueries[1], offsets = kQueries[3];
  EXPECT_THAT(Error(2, {"s", "--tokens", tokens, "--offsets", offsets}),
              HasSubstr("collection s is single: its queries are those of --queries"));
  EXPECT_THAT(Error(2, {"m", "--queries", tokens}), HasSubstr("collection m is multi"));
  EXPECT_THAT(Error(2, {"m", "--tokens", tokens}), HasSubstr("--offsets"));
  EXPECT_THAT(Error(2, {"m", "--offsets", offsets}), HasSubstr("--tokens"));
  EXPECT_THAT(Error(2, {"m", "--tokens", tokens, "--offsets", offsets, "--distances", kTruth[3]}),
              HasSubstr("--truth"));
  EXPECT_THAT(Error(2, {"m", "--queries", tokens, "--tokens", tokens, "--offsets", offsets}),
              HasSubstr("--queries"));
  EXPECT_THAT(Error(2, {"m", "--tokens", tokens, "--offsets", offsets, "--base", tokens}),
              HasSubstr("--base is of vectors"));
  EXPECT_THAT(Error(1, {"m", "--tokens", tokens, "--offsets", kSample + "base.off.u64bin"}),
              HasSubstr("of 2000 tokens"));
  const std::string few = files_->WriteBin("few.u64bin", 3, 1, std::vector<uint64_t>{0, 20, 40});
  EXPECT_THAT(Error(1, {"m", "--tokens", tokens, "--offsets", few}),
              HasSubstr(absl::StrCat("has 2000 tokens, but ", few, " ends at 40")));
  const std::string one = files_->WriteBin("one.u64bin", 2, 1, std::vector<uint64_t>{0, 2000});
  EXPECT_THAT(Error(1, {"m", "--tokens", tokens, "--offsets", one}),
              HasSubstr("needs at least 2 queries"));
  // Other dims, other queries than the truth's, a token that is no vector.
  const std::string two = files_->WriteBin("two.u64bin", 3, 1, std::vector<uint64_t>{0, 20, 50});
  EXPECT_THAT(Error(1, {"m", "--tokens", vectors_, "--offsets", two}),
              HasSubstr("s.fbin has 4 dims, the nesting ends in 64"));
  std::vector<float> values(50 * 64, 1.0f);
  EXPECT_THAT(Error(1, {"m", "--tokens", files_->WriteBin("ones.fbin", 50, 64, values), "--offsets",
                        two, "--truth", kTruth[1]}),
              HasSubstr("has 100 rows, there are 2 queries"));
  values[30 * 64 + 5] = NAN;
  EXPECT_THAT(
      Error(1, {"m", "--tokens", files_->WriteBin("nan.fbin", 50, 64, values), "--offsets", two}),
      HasSubstr("nan.fbin query 1: token 10 has nan at position 5"));
}

}  // namespace
}  // namespace nestor
