// Searches of token matrices as `nestor bench multi` measures them, on the sample in tests/data/mv.
#include "client/bench/multi/study.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "client/bench/multi/coded_documents.h"
#include "client/bench/multi/token_baselines.h"
#include "client/bench/multi/token_engine.h"
#include "tests/client/scratch_files.h"

namespace nestor {
namespace {

using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr char kSample[] = NESTOR_SOURCE_DIR "/tests/data/mv";

class StudyTest : public testing::Test {
 protected:
  StudyTest() : data_(*ReadTokenData(kSample, 20)), documents_(data_), grader_(GraderOf(data_)) {}

  Measurement Measure(Engine& engine, const std::string& setting) {
    auto measured = MeasureAlternating(grader_, {{&engine, setting}}, {.k = 10}, 1);
    EXPECT_TRUE(measured.ok()) << setting << ": " << measured.status();
    return measured.ok() ? measured->front() : Measurement{};
  }

  const TokenData data_;
  const CodedDocuments documents_;
  const Grader grader_;
};

TEST_F(StudyTest, BruteForceIsExact) {
  BruteForceEngine engine(documents_);
  EXPECT_EQ(Measure(engine, "keep=20").recall, 1);
  EXPECT_GE(Measure(engine, "codes").recall, 0.97);
  for (const char* wrong : {"keep=0", "keep=", "all", ""}) {
    const auto run = engine.Run(wrong, {.k = 10});
    EXPECT_EQ(run.status().code(), absl::StatusCode::kInvalidArgument) << wrong;
  }
}

TEST_F(StudyTest, StagesOverEncodings) {
  const auto encoder =
      FdeEncoder::Make({.dim = data_.documents.dim, .repetitions = 40, .k_sim = 2, .d_proj = 8});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  TokenEngineOptions options;
  options.spec.graph = {.dim = 640};
  const auto engine = TokenEngine::Build(documents_, **encoder, options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ(Measure(**engine, "exact").recall, 1);
  EXPECT_EQ(Measure(**engine, "graph=640:2000,maxsim=64:20,rescore").recall, 1);
  const Measurement by_default = Measure(**engine, "default");
  EXPECT_GE(by_default.recall, 0.9);
  ASSERT_GE(by_default.stages.size(), 4u);
  EXPECT_EQ(by_default.stages.front().name, "encode");
  EXPECT_EQ(by_default.stages.back().name, "rescore");
  const auto run = (*engine)->Run("graph=64:20,maxsim=64:20,rescore", {.k = 10});
  EXPECT_EQ(run.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(StudyTest, SearchByToken) {
  const auto engine = TokenHeuristicEngine::Build(documents_, 1, nullptr);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const double few = Measure(**engine, "per_token=2").recall;
  const double many = Measure(**engine, "per_token=256").recall;
  EXPECT_LT(few, many);
  EXPECT_GE(many, 0.95);
}

TEST_F(StudyTest, MeasuresAndWritesAll) {
  StudyOptions options{.data = kSample, .queries = 20, .candidates = false};
  options.fde.repetitions = 8;
  options.code_iterations = 1;
  options.fde.k_sim = 2;
  options.compare.random_plans = 3;
  options.compare.climb_plans = 1;
  options.compare.recalls = {0.95};
  options.compare.passes = 1;
  options.compare.min_runs = 1;
  std::vector<std::string> told;
  const auto study = RunStudy(options, [&](absl::string_view what) { told.emplace_back(what); });
  ASSERT_TRUE(study.ok()) << study.status();
  EXPECT_EQ(study->documents, 2000u);
  EXPECT_EQ(study->engines.size(), 4u);
  EXPECT_EQ(study->comparison.sources.size(), 3u);
  EXPECT_GT(study->rates.all_gops, 0);
  ASSERT_FALSE(study->quality.empty());
  EXPECT_EQ(study->quality.front().plan, "exact");
  EXPECT_EQ(study->quality.front().recall, 1);
  EXPECT_FALSE(told.empty());
  EXPECT_THAT(FilesOf(*study), UnorderedElementsAre(Pair("runs.csv", HasSubstr("brute force")),
                                                    Pair("frontier.svg", HasSubstr("<svg"))));
}

TEST_F(StudyTest, PartsOfTheTokens) {
  const auto all = CutTokens(data_, 0, data_.documents.dim);
  ASSERT_TRUE(all.ok()) << all.status();
  // Ties aside.
  EXPECT_EQ(all->neighbours.size(), data_.neighbours.size());
  EXPECT_EQ(all->neighbours[0], data_.neighbours[0]);
  const auto part = CutTokens(data_, 32, 64);
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->documents.dim, 32u);
  EXPECT_EQ(part->documents[5][0], data_.documents[5][32]);
  EXPECT_EQ(part->queries[3][33], data_.queries[3][64 + 33]);
  for (const auto& [begin, end] : {std::pair{0, 65}, {32, 32}, {40, 32}}) {
    const auto wrong = CutTokens(data_, static_cast<uint32_t>(begin), static_cast<uint32_t>(end));
    EXPECT_EQ(wrong.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(wrong.status().message(), HasSubstr(absl::StrCat(begin, ":", end)));
  }
}

TEST_F(StudyTest, FewerDocuments) {
  const auto part = FirstDocuments(data_, 300);
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->documents.size(), 300u);
  EXPECT_EQ(part->documents[299].back(), data_.documents[299].back());
  EXPECT_EQ(part->queries.size(), data_.queries.size());
  EXPECT_TRUE(part->positives.empty());
  // Neighbours that were among the first stay, in their order.
  for (size_t q = 0; q < data_.queries.size(); ++q) {
    std::vector<uint32_t> left;
    for (const uint32_t id : data_.NeighboursOf(q)) {
      if (id < 300) left.push_back(id);
    }
    const auto found = part->NeighboursOf(q);
    EXPECT_THAT(left, testing::ElementsAreArray(found.begin(), found.begin() + left.size()));
  }
  for (const size_t wrong : {size_t{9}, data_.documents.size() + 1}) {
    const absl::Status status = FirstDocuments(data_, wrong).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr(absl::StrCat("first ", wrong, " documents")));
  }
}

TEST(Study, BadFolder) {
  const auto study = RunStudy({.data = "/nowhere"}, [](absl::string_view) {});
  EXPECT_EQ(study.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(study.status().message(), HasSubstr("/nowhere"));
}

}  // namespace
}  // namespace nestor
