// Codes inside an index: built, scanned by plans, appended to, rewritten.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/code_table.h"
#include "tests/index/index_testutil.h"

namespace nestor {
namespace {

using testing::HasSubstr;

constexpr uint32_t kRows = 1200;
constexpr uint32_t kDim = 48;
constexpr OpqSpec kFourBits{.dim = 32, .bytes = 8, .bits = 4};
constexpr OpqSpec kEightBits{.dim = 16, .bytes = 4, .bits = 8};

VectorSchema SchemaOf(Metric metric) {
  return {.dim = kDim, .nesting = {16, 32, kDim}, .metric = metric, .dtype = Dtype::kF32};
}

IndexSpec SpecOf(uint32_t lists) {
  IndexSpec spec{.coarse_dim = 16, .lists = lists, .shells = {16, 32, kDim}};
  spec.codes = {kFourBits, kEightBits};
  return spec;
}

SearchResult SearchOrDie(const IvfIndex& index, const SearchQuery& query, const std::string& text) {
  SearchScratch scratch;
  SearchResult result;
  const absl::StatusOr<Plan> plan = ParsePlan(text);
  EXPECT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(ValidatePlan(*plan, index.schema(), query.limit).ok()) << text;
  const absl::Status status = index.Search(query, *plan, &scratch, &result);
  EXPECT_TRUE(status.ok()) << status;
  return result;
}

std::unique_ptr<IvfIndex> BuildByOneThread(const Matrix& matrix, const IndexSpec& spec) {
  BuildOptions options{.threads = 1};
  options.code_iterations = 2;
  auto index = BuildIvfIndex(matrix.schema, spec, IdKind::kNum, MatrixSource(matrix), options);
  EXPECT_TRUE(index.ok()) << index.status();
  return *std::move(index);
}

// Metric, lists.
class CodesSearchTest : public testing::TestWithParam<std::tuple<Metric, uint32_t>> {
 protected:
  CodesSearchTest()
      : schema_(SchemaOf(std::get<0>(GetParam()))),
        matrix_(MakeMatrix(schema_, kRows, 1)),
        queries_(MakeMatrix(schema_, 20, 2)),
        index_(BuildByOneThread(matrix_, SpecOf(std::get<1>(GetParam())))) {}

  // Score of each slot by the code alone.
  std::map<uint32_t, float> ScoresByCode(const IvfIndex& index, const OpqSpec& code, size_t query,
                                         uint64_t snapshot) const {
    std::map<uint32_t, float> scores;
    const SearchQuery q = QueryOf(queries_.row(query), schema_, 2 * kRows, snapshot);
    const std::string plan = absl::StrCat("coarse=16:100,scan=", OpqName(code), ":", 2 * kRows);
    for (const Hit& hit : SearchOrDie(index, q, plan).hits) scores[hit.slot] = hit.score;
    return scores;
  }

  const VectorSchema schema_;
  const Matrix matrix_;
  const Matrix queries_;
  const std::unique_ptr<IvfIndex> index_;
};

TEST_P(CodesSearchTest, AllRowsRescoredAreBruteForce) {
  ASSERT_EQ(index_->model().lists, std::get<1>(GetParam()));
  SearchScratch scratch;
  for (size_t q = 0; q < queries_.rows(); ++q) {
    const SearchQuery query = QueryOf(queries_.row(q), schema_, 20);
    SearchResult exact;
    ASSERT_TRUE(index_->SearchExact(query, kDim, &scratch, &exact).ok());
    for (const char* stages : {"scan=opq32x8b4:1200,rescore", "scan=opq16x4b8:1200,rescore",
                               "scan=opq32x8b4:1200,refine=16:1200,refine=48:1200,rescore"}) {
      const SearchResult found =
          SearchOrDie(*index_, query, absl::StrCat("coarse=16:100,", stages));
      EXPECT_EQ(NumericIds(*index_, found.hits), NumericIds(*index_, exact.hits)) << stages;
      EXPECT_EQ(found.score_dim, kDim);
    }
  }
}

// Rotation and codebooks that were learnt elsewhere stay; only the means of the lists are new.
TEST_P(CodesSearchTest, GivenCodesAreNotTrained) {
  const Matrix others = MakeMatrix(schema_, kRows, 8);
  const auto other = BuildByOneThread(others, SpecOf(4));
  const auto quantizer_of = [](const IvfIndex& index, size_t c) {
    const OpqQuantizer& quantizer = index.codes()->ready[c].code->quantizer();
    return std::pair(quantizer.rotation(), quantizer.centroids());
  };
  for (const CodeOrigin origin : {CodeOrigin::kGivenForResiduals, CodeOrigin::kGivenForRows}) {
    BuildOptions options{.threads = 1};
    options.code_iterations = 2;
    options.given_codes = {{other->codes()->ready[0].code->given().quantizer, origin}};
    const auto index = BuildIvfIndex(schema_, SpecOf(std::get<1>(GetParam())), IdKind::kNum,
                                     MatrixSource(matrix_), options);
    ASSERT_TRUE(index.ok()) << index.status();
    const Code& code = *(*index)->codes()->ready[0].code;
    EXPECT_EQ(code.origin(), origin);
    EXPECT_EQ(code.of_residuals(),
              origin == CodeOrigin::kGivenForResiduals && (*index)->model().lists > 1);
    EXPECT_EQ(quantizer_of(**index, 0), quantizer_of(*other, 0));
    EXPECT_EQ((*index)->codes()->ready[1].code->origin(), CodeOrigin::kTrained);
    EXPECT_EQ(quantizer_of(**index, 1), quantizer_of(*index_, 1));
    SearchScratch scratch;
    for (size_t q = 0; q < queries_.rows(); ++q) {
      const SearchQuery query = QueryOf(queries_.row(q), schema_, 10);
      SearchResult exact;
      ASSERT_TRUE((*index)->SearchExact(query, kDim, &scratch, &exact).ok());
      const auto found = SearchOrDie(**index, query, "coarse=16:100,scan=opq32x8b4:400,rescore");
      const std::vector<uint64_t> wanted = NumericIds(**index, exact.hits);
      const std::vector<uint64_t> ids = NumericIds(**index, found.hits);
      EXPECT_EQ(ids[0], wanted[0]) << "query " << q;
    }
  }
}

TEST_P(CodesSearchTest, RefinedSumsStartFromNothing) {
  for (size_t q = 0; q < queries_.rows(); ++q) {
    const SearchQuery query = QueryOf(queries_.row(q), schema_, 20);
    const SearchResult plain =
        SearchOrDie(*index_, query, "coarse=16:100,scan=16:1200,refine=32:1200");
    const SearchResult coded =
        SearchOrDie(*index_, query, "coarse=16:100,scan=opq16x4b8:1200,refine=32:1200");
    ASSERT_EQ(plain.hits.size(), coded.hits.size());
    EXPECT_EQ(coded.score_dim, 32u);
    for (size_t i = 0; i < plain.hits.size(); ++i) {
      EXPECT_EQ(plain.hits[i].slot, coded.hits[i].slot);
      // An interleaved shell is summed in another order.
      EXPECT_NEAR(plain.hits[i].score, coded.hits[i].score, 1e-4);
    }
  }
}

TEST_P(CodesSearchTest, TheBestByCodeAreNearlyTheBest) {
  for (const OpqSpec& code : {kFourBits, kEightBits}) {
    const std::string plan = absl::StrCat("coarse=16:100,scan=", OpqName(code), ":60");
    size_t right = 0;
    double error = 0, size = 0;
    for (size_t q = 0; q < queries_.rows(); ++q) {
      SearchScratch scratch;
      SearchResult exact;
      const SearchQuery ten = QueryOf(queries_.row(q), schema_, 10);
      ASSERT_TRUE(index_->SearchExact(ten, code.dim, &scratch, &exact).ok());
      const SearchResult found = SearchOrDie(*index_, QueryOf(queries_.row(q), schema_, 60), plan);
      EXPECT_EQ(found.score_dim, code.dim);
      EXPECT_EQ(found.stages.back().out, 60u);
      for (const Hit& hit : exact.hits) {
        for (const Hit& other : found.hits) right += hit.slot == other.slot ? 1 : 0;
      }
      for (const Hit& hit : found.hits) {
        const double score = NaiveScore(schema_.metric, queries_.row(q),
                                        matrix_.row(index_->RowAt(hit.slot)), code.dim);
        error += std::abs(score - hit.score);
        size += std::abs(score);
      }
    }
    EXPECT_GE(right, queries_.rows() * 10 * 95 / 100) << plan;
    EXPECT_LE(error, 0.15 * size) << "scores are those of the prefix, about";
  }
}

TEST_P(CodesSearchTest, OneThreadBuildsTheSameAgain) {
  const std::unique_ptr<IvfIndex> again = BuildByOneThread(matrix_, index_->spec());
  for (const OpqSpec& code : {kFourBits, kEightBits}) {
    EXPECT_EQ(ScoresByCode(*index_, code, 0, 1), ScoresByCode(*again, code, 0, 1));
  }
}

TEST_P(CodesSearchTest, AppendedRowsHaveTheCodesOfBuiltOnes) {
  for (uint32_t slot = 0; slot < 200; ++slot) {
    const size_t row = index_->RowAt(slot);
    const absl::StatusOr<uint32_t> twin =
        index_->Append(index_->ListAt(slot), PointId(uint64_t{kRows + slot}), kRows + slot, 2,
                       matrix_.stored(row));
    ASSERT_TRUE(twin.ok());
    ASSERT_EQ(*twin, kRows + slot);
  }
  for (const OpqSpec& code : {kFourBits, kEightBits}) {
    EXPECT_EQ(ScoresByCode(*index_, code, 0, 1).size(), kRows) << "not born yet";
    const std::map<uint32_t, float> scores = ScoresByCode(*index_, code, 0, 2);
    ASSERT_EQ(scores.size(), kRows + 200);
    for (uint32_t slot = 0; slot < 200; ++slot) {
      EXPECT_EQ(scores.at(slot), scores.at(kRows + slot)) << slot;
    }
  }
}

TEST_P(CodesSearchTest, RewrittenListsHaveTheSameCodes) {
  // Of every three rows two die, then the lists are rewritten; a later row takes a freed slot.
  for (uint32_t slot = 0; slot < kRows; ++slot) {
    if (slot % 3 != 0) index_->MarkDead(slot, 2);
  }
  std::vector<std::map<uint32_t, float>> before;
  for (const OpqSpec& code : {kFourBits, kEightBits}) {
    EXPECT_EQ(ScoresByCode(*index_, code, 1, 1).size(), kRows);
    before.push_back(ScoresByCode(*index_, code, 1, 2));
    ASSERT_EQ(before.back().size(), kRows / 3);
  }
  const uint64_t bytes = index_->Memory().codes;
  index_->ReclaimSlots(2);
  while (index_->RewriteLists(100, /*ticket=*/1)) {
  }
  index_->FreeLists(2);
  EXPECT_EQ(ScoresByCode(*index_, kFourBits, 1, 2), before[0]);
  EXPECT_EQ(ScoresByCode(*index_, kEightBits, 1, 2), before[1]);
  EXPECT_LT(index_->Memory().codes, bytes);
  ASSERT_TRUE(index_->Append(0, PointId(uint64_t{9999}), 9999, 3, matrix_.stored(0)).ok());
  EXPECT_EQ(ScoresByCode(*index_, kFourBits, 1, 2), before[0]);
  EXPECT_EQ(ScoresByCode(*index_, kFourBits, 1, 3).size(), kRows / 3 + 1);
}

TEST_P(CodesSearchTest, CodesTakeTheirBytes) {
  IndexSpec plain = index_->spec();
  plain.codes.clear();
  const std::unique_ptr<IvfIndex> without = BuildByOneThread(matrix_, plain);
  EXPECT_EQ(without->Memory().codes, 0u);
  EXPECT_EQ(index_->Memory().Total() - without->Memory().Total(), index_->Memory().codes);
  // Another code adds its bytes a row, 4 for a half square, and what is trained.
  plain.codes = {kFourBits};
  const std::unique_ptr<IvfIndex> one = BuildByOneThread(matrix_, plain);
  const uint64_t places = index_->Memory().sequences / 16;  // and a bit each for marks
  const uint64_t lists = index_->model().lists;
  const uint64_t trained = 2 * lists * kEightBits.dim * 4 + (16 * 16 + 17 * 256) * 4 + 3 * 4096;
  EXPECT_LE(index_->Memory().codes - one->Memory().codes, places * (4 + 4) + trained);
}

TEST_P(CodesSearchTest, ACodeThatIsNotThereIsNamedWithThoseThatAre) {
  SearchScratch scratch;
  SearchResult result;
  const absl::Status status =
      index_->Search(QueryOf(queries_.row(0), schema_, 10),
                     *ParsePlan("coarse=16:10,scan=opq32x4b4:50,rescore"), &scratch, &result);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("opq32x4b4"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("opq32x8b4, opq16x4b8"));
}

INSTANTIATE_TEST_SUITE_P(All, CodesSearchTest,
                         testing::Combine(testing::ValuesIn(kMetrics), testing::Values(1u, 12u)),
                         [](const auto& info) {
                           return absl::StrCat(Name(std::get<0>(info.param)), "_",
                                               std::get<1>(info.param));
                         });

TEST(CodesSpecTest, BadCodesAreRefused) {
  const VectorSchema schema = SchemaOf(Metric::kL2);
  const auto refuses = [&](const IndexSpec& spec, const char* message) {
    const absl::Status status = ValidateSpec(spec, schema);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  };
  IndexSpec spec;
  spec.codes = {kFourBits, kEightBits, kFourBits};
  refuses(spec, "opq32x8b4 is named more than once");
  spec.codes = {{32, 8, 4}, {32, 4, 4}, {32, 2, 4}, {32, 1, 4}, {32, 16, 4}};
  refuses(spec, "5 codes are over 4");
  spec.codes = {{24, 3, 4}};
  refuses(spec, "dim 24 is not in the nesting");
  spec.codes = {{32, 3, 4}};
  refuses(spec, "must divide");
  spec.codes = {{32, 8, 5}};
  refuses(spec, "bits must be 4 or 8");
  spec.codes = {kFourBits};
  spec.graph = GraphSpec{};
  spec.no_lists = true;
  refuses(spec, "needs lists");
  spec.no_lists = false;
  EXPECT_TRUE(ValidateSpec(spec, schema).ok());
}

TEST(CodesBuildTest, TooFewRowsToTrainOn) {
  const Matrix matrix = MakeMatrix(SchemaOf(Metric::kDot), 200, 1);
  const auto index =
      BuildIvfIndex(matrix.schema, SpecOf(1), IdKind::kNum, MatrixSource(matrix), {});
  EXPECT_EQ(index.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(index.status().message()), HasSubstr("opq16x4b8"));
}

}  // namespace
}  // namespace nestor
