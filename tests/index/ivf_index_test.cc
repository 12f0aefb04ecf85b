// The index against the naive answers: every metric, dtype and shell codec, every nesting dim,
// before and after a build.
#include "index/ivf_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "tests/index/index_testutil.h"

namespace nestor {
namespace {

using testing::ElementsAre;

// Prefix lengths that are no multiple of 4 or of a cache line, bounds inside and at the ends of
// shells.
const std::vector<uint32_t> kNesting = {6, 16, 30, 64, 99};
constexpr uint32_t kRows = 1500;
constexpr uint32_t kLimit = 10;

VectorSchema SchemaOf(Metric metric, Dtype dtype) {
  return {.dim = 99, .nesting = kNesting, .metric = metric, .dtype = dtype};
}

class IvfIndexTest : public testing::TestWithParam<std::tuple<Metric, Dtype, ShellCodec>> {
 protected:
  IvfIndexTest()
      : schema_(SchemaOf(std::get<0>(GetParam()), std::get<1>(GetParam()))),
        base_(MakeMatrix(schema_, kRows, 1)),
        queries_(MakeMatrix(schema_, 8, 2)) {
    spec_.lists = 30;
    spec_.coarse_dim = 16;
    spec_.shells = {30, 64, 99};
    spec_.codec = std::get<2>(GetParam());
  }

  const VectorSchema schema_;
  const Matrix base_;
  const Matrix queries_;
  IndexSpec spec_;
  SearchScratch scratch_;
  SearchResult result_;
};

TEST_P(IvfIndexTest, BruteForceIsRightAtEveryNestingDim) {
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base_, spec_);
  for (size_t i = 0; i < queries_.rows(); ++i) {
    for (uint32_t dim : kNesting) {
      const SearchQuery query = QueryOf(queries_.row(i), schema_, kLimit);
      ASSERT_TRUE(index->SearchExact(query, dim, &scratch_, &result_).ok());
      EXPECT_EQ(result_.score_dim, dim);
      EXPECT_EQ(NumericIds(*index, result_.hits), NaiveBest(base_, queries_.row(i), dim, kLimit));
      for (const Hit& hit : result_.hits) {
        const double expected =
            NaiveScore(schema_.metric, queries_.row(i), base_.row(index->RowAt(hit.slot)), dim);
        EXPECT_FLOAT_EQ(hit.score, static_cast<float>(expected));
      }
    }
  }
}

// Probing and keeping everything, the stages change nothing: the rescored answer is the exact one,
// whichever nesting dims the stages use (AdANNS-D).
TEST_P(IvfIndexTest, PlanThatKeepsAllEqualsBruteForce) {
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base_, spec_);
  ASSERT_EQ(index->model().lists, 30u);
  for (uint32_t coarse_dim : kNesting) {
    for (uint32_t scan_dim : kNesting) {
      Plan plan;
      plan.coarse = {coarse_dim, 30};
      plan.scan = {scan_dim, kRows};
      if (scan_dim < 64) plan.refine.push_back({64, kRows});
      plan.refine.push_back({99, kRows});
      plan.rescore = true;
      ASSERT_TRUE(ValidatePlan(plan, schema_, kLimit).ok());
      const SearchQuery query = QueryOf(queries_.row(coarse_dim % 8), schema_, kLimit);
      ASSERT_TRUE(index->SearchExact(query, 99, &scratch_, &result_).ok());
      const std::vector<Hit> exact = result_.hits;
      ASSERT_TRUE(index->Search(query, plan, &scratch_, &result_).ok());
      ASSERT_EQ(result_.hits.size(), exact.size());
      for (size_t i = 0; i < exact.size(); ++i) {
        EXPECT_EQ(result_.hits[i].slot, exact[i].slot) << FormatPlan(plan);
        EXPECT_EQ(result_.hits[i].score, exact[i].score) << FormatPlan(plan);
      }
    }
  }
}

// |dot(q, x) - sum over shells of the coded product| by definition of the codes: each coordinate is
// off by at most half a step on either side.
double CodeError(const VectorSchema& schema, const IndexSpec& spec, const float* q, const float* x,
                 uint32_t dim) {
  double error = 0;
  uint32_t begin = 0;
  for (uint32_t end : spec.shells) {
    double q_max = 0, x_max = 0, q_sum = 0, x_sum = 0;
    for (uint32_t d = begin; d < end; ++d) {
      q_max = std::max(q_max, std::fabs(static_cast<double>(q[d])));
      x_max = std::max(x_max, std::fabs(static_cast<double>(x[d])));
    }
    const uint32_t last = std::min(end, dim);
    for (uint32_t d = begin; d < last; ++d) {
      q_sum += std::fabs(q[d]);
      x_sum += std::fabs(x[d]);
    }
    double q_step = 0, x_step = 0;
    if (spec.codec == ShellCodec::kInt8 && schema.dtype != Dtype::kI8) {
      q_step = q_max / 127;
      x_step = x_max / 127;
    }
    if (last > begin) {
      error += x_step / 2 * q_sum + q_step / 2 * x_sum + (last - begin) * q_step * x_step / 4;
      // f16 shells: half an ulp of 11 bits; and float rounding of all of them.
      if (spec.codec == ShellCodec::kF16) error += q_max * x_sum * 0x1p-11;
      error += 4 * q_sum * x_max * (last - begin) * 0x1p-24 + 1e-6;
    }
    begin = end;
  }
  return error;
}

TEST_P(IvfIndexTest, ScoresWithoutRescoreAreWithinTheCodesErrorBound) {
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base_, spec_);
  for (const char* text :
       {"coarse=16:30,scan=6:1500", "coarse=16:30,scan=30:1500", "coarse=16:30,scan=99:1500",
        "coarse=16:30,scan=6:1500,refine=16:1500,refine=64:1500",
        "coarse=16:30,scan=16:1500,refine=30:1500,refine=99:1500"}) {
    const auto plan = ParsePlan(text);
    ASSERT_TRUE(plan.ok());
    const uint32_t dim = plan->refine.empty() ? plan->scan.dim : plan->refine.back().dim;
    const float* q = queries_.row(3);
    ASSERT_TRUE(index->Search(QueryOf(q, schema_, 1500), *plan, &scratch_, &result_).ok());
    ASSERT_EQ(result_.hits.size(), kRows);
    EXPECT_EQ(result_.score_dim, dim);
    for (const Hit& hit : result_.hits) {
      const float* x = base_.row(index->RowAt(hit.slot));
      const double error = CodeError(schema_, spec_, q, x, dim);
      double qq = 0, xx = 0;
      for (uint32_t d = 0; d < dim; ++d) {
        qq += static_cast<double>(q[d]) * q[d];
        xx += static_cast<double>(x[d]) * x[d];
      }
      const double bound = schema_.metric == Metric::kDot  ? error
                           : schema_.metric == Metric::kL2 ? 2 * error + (qq + xx) * 1e-6
                                                           : error / std::sqrt(qq * xx) + 1e-6;
      ASSERT_NEAR(hit.score, NaiveScore(schema_.metric, q, x, dim), bound)
          << text << " row " << hit.slot;
    }
  }
}

// Partial sums carried from stage to stage are the direct product.
TEST_P(IvfIndexTest, StagesAddUpToTheDirectScan) {
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base_, spec_);
  const SearchQuery query = QueryOf(queries_.row(1), schema_, kRows);
  const auto scores = [&](const char* text) {
    const auto plan = ParsePlan(text);
    EXPECT_TRUE(index->Search(query, *plan, &scratch_, &result_).ok());
    std::vector<float> by_row(kRows, NAN);
    for (const Hit& hit : result_.hits) by_row[index->RowAt(hit.slot)] = hit.score;
    return by_row;
  };
  const std::vector<float> direct = scores("coarse=16:30,scan=99:1500");
  for (const char* text :
       {"coarse=6:30,scan=6:1500,refine=99:1500", "coarse=99:30,scan=30:1500,refine=99:1500",
        "coarse=16:30,scan=16:1500,refine=30:1500,refine=64:1500,refine=99:1500",
        "coarse=64:30,scan=64:1500,refine=99:1500"}) {
    const std::vector<float> staged = scores(text);
    for (size_t i = 0; i < kRows; ++i) {
      // Sums of at most 99 terms below 128^2 each (int8) or below 20 (floats) in another order.
      ASSERT_NEAR(staged[i], direct[i], 1e-5 * (std::fabs(direct[i]) + 10 * 99))
          << text << " row " << i;
    }
  }
}

TEST_P(IvfIndexTest, UnbuiltRowsAreFound) {
  IndexSpec spec = ResolveSpec(spec_, schema_, 0);
  const auto index = IvfIndex::Create(schema_, spec, IdKind::kNum, Model::Untrained());
  for (uint32_t i = 0; i < kRows; ++i) {
    ASSERT_TRUE(index
                    ->Append(index->Assign(base_.stored(i)), PointId(uint64_t{i}), i, i + 1,
                             base_.stored(i))
                    .ok());
  }
  Plan plan = *ParsePlan("coarse=16:4,scan=30:1500,refine=99:100,rescore");
  for (uint64_t seen : {1u, 17u, 700u, 1500u}) {
    Matrix visible = base_;
    visible.values.resize(seen * schema_.dim);
    const SearchQuery query = QueryOf(queries_.row(0), schema_, kLimit, seen);
    const std::vector<uint64_t> expected = NaiveBest(visible, queries_.row(0), 99, kLimit);
    ASSERT_TRUE(index->SearchExact(query, 99, &scratch_, &result_).ok());
    EXPECT_EQ(NumericIds(*index, result_.hits), expected) << seen;
    ASSERT_TRUE(index->Search(query, plan, &scratch_, &result_).ok());
    EXPECT_EQ(NumericIds(*index, result_.hits), expected) << seen;
  }
}

std::string CaseName(const testing::TestParamInfo<IvfIndexTest::ParamType>& info) {
  return absl::StrCat(Name(std::get<0>(info.param)), "_", Name(std::get<1>(info.param)), "_",
                      Name(std::get<2>(info.param)));
}

INSTANTIATE_TEST_SUITE_P(
    All, IvfIndexTest,
    testing::Combine(testing::Values(Metric::kCosine, Metric::kDot, Metric::kL2),
                     testing::Values(Dtype::kF32, Dtype::kF16, Dtype::kBf16, Dtype::kI8),
                     testing::Values(ShellCodec::kInt8, ShellCodec::kF16, ShellCodec::kF32)),
    CaseName);

// Upserts and deletes at known sequences, before and after a build, against an oracle of what each
// snapshot sees.
TEST(IvfIndexLiveTest, EverySnapshotSeesItsState) {
  const VectorSchema schema = SchemaOf(Metric::kL2, Dtype::kF32);
  const Matrix base = MakeMatrix(schema, 1200, 1);
  const Matrix later = MakeMatrix(schema, 300, 5);
  const Matrix queries = MakeMatrix(schema, 4, 2);
  IndexSpec spec{.coarse_dim = 16, .lists = 20, .shells = {30, 99}};
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base, spec);
  struct Version {
    const float* x;
    uint64_t id, born, dead;
    uint32_t slot;
  };
  std::vector<Version> versions;
  for (uint32_t slot = 0; slot < index->slot_limit(); ++slot) {
    const uint64_t id = index->RowAt(slot);
    versions.push_back({base.row(id), id, 1, kNeverDead, slot});
  }
  std::mt19937_64 random(4);
  uint64_t seq = 1;
  for (size_t i = 0; i < later.rows(); ++i) {
    ++seq;
    // Overwrite or delete a random living version.
    size_t victim = random() % versions.size();
    while (versions[victim].dead != kNeverDead) victim = random() % versions.size();
    versions[victim].dead = seq;
    const uint64_t id = versions[victim].id;
    if (i % 3 != 0) {
      const auto slot = index->Append(index->Assign(later.stored(i)), PointId(id), 2000 + i, seq,
                                      later.stored(i));
      ASSERT_TRUE(slot.ok());
      versions.push_back({later.row(i), id, seq, kNeverDead, *slot});
    }
    index->MarkDead(versions[victim].slot, seq);
  }
  const Plan all = *ParsePlan("coarse=16:20,scan=16:1500,refine=99:1500,rescore");
  SearchScratch scratch;
  SearchResult result;
  for (uint64_t snapshot : {uint64_t{1}, uint64_t{2}, uint64_t{50}, uint64_t{200}, seq}) {
    for (size_t q = 0; q < queries.rows(); ++q) {
      std::vector<std::pair<double, uint64_t>> expected;
      for (const Version& v : versions) {
        if (v.born <= snapshot && snapshot < v.dead) {
          expected.emplace_back(NaiveScore(Metric::kL2, queries.row(q), v.x, 99), v.id);
        }
      }
      std::sort(expected.begin(), expected.end());
      std::vector<uint64_t> ids;
      for (size_t i = 0; i < 100; ++i) ids.push_back(expected[i].second);
      const SearchQuery query = QueryOf(queries.row(q), schema, 100, snapshot);
      ASSERT_TRUE(index->SearchExact(query, 99, &scratch, &result).ok());
      EXPECT_EQ(NumericIds(*index, result.hits), ids);
      ASSERT_TRUE(index->Search(query, all, &scratch, &result).ok());
      EXPECT_EQ(NumericIds(*index, result.hits), ids);
    }
  }
  EXPECT_EQ(index->Shape().rows, 1200u - 100);
}

TEST(IvfIndexTest, TiesAreOrderedById) {
  const VectorSchema schema = SchemaOf(Metric::kDot, Dtype::kF32);
  const Matrix one = MakeMatrix(schema, 1, 1);
  const auto numeric =
      IvfIndex::Create(schema, ResolveSpec({}, schema, 0), IdKind::kNum, Model::Untrained());
  const auto text =
      IvfIndex::Create(schema, ResolveSpec({}, schema, 0), IdKind::kStr, Model::Untrained());
  // 700 copies in an order that is not the ids': more than any stage's buffer holds.
  for (uint64_t i = 0; i < 700; ++i) {
    const uint64_t id = i * 577 % 700;
    ASSERT_TRUE(numeric->Append(0, PointId(id), i, 1, one.stored(0)).ok());
    ASSERT_TRUE(text->Append(0, PointId(absl::StrCat("p", id)), i, 1, one.stored(0)).ok());
  }
  SearchScratch scratch;
  SearchResult result;
  const SearchQuery query = QueryOf(one.row(0), schema, 4);
  const Plan plan = *ParsePlan("coarse=16:1,scan=16:700,rescore");
  for (bool exact : {true, false}) {
    ASSERT_TRUE((exact ? numeric->SearchExact(query, 99, &scratch, &result)
                       : numeric->Search(query, plan, &scratch, &result))
                    .ok());
    EXPECT_THAT(NumericIds(*numeric, result.hits), ElementsAre(0, 1, 2, 3));
    ASSERT_TRUE((exact ? text->SearchExact(query, 99, &scratch, &result)
                       : text->Search(query, plan, &scratch, &result))
                    .ok());
    std::vector<std::string> ids;
    for (const Hit& hit : result.hits) ids.push_back(std::get<std::string>(text->IdAt(hit.slot)));
    EXPECT_THAT(ids, ElementsAre("p0", "p1", "p10", "p100"));  // bytewise
  }
}

TEST(IvfIndexTest, SkippedSlotIsLeftOut) {
  const VectorSchema schema = SchemaOf(Metric::kCosine, Dtype::kF32);
  const Matrix base = MakeMatrix(schema, 1500, 1);
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base, {.lists = 20});
  SearchScratch scratch;
  SearchResult result;
  const Plan plan = *ParsePlan("coarse=64:20,scan=64:100,refine=99:20,rescore");
  for (uint32_t slot : {0u, 700u, 1499u}) {
    SearchQuery query = QueryOf(base.row(index->RowAt(slot)), schema, 5);
    ASSERT_TRUE(index->Search(query, plan, &scratch, &result).ok());
    EXPECT_EQ(result.hits[0].slot, slot);
    query.skip_slot = slot;
    for (bool exact : {true, false}) {
      ASSERT_TRUE((exact ? index->SearchExact(query, 99, &scratch, &result)
                         : index->Search(query, plan, &scratch, &result))
                      .ok());
      ASSERT_EQ(result.hits.size(), 5u);
      for (const Hit& hit : result.hits) EXPECT_NE(hit.slot, slot);
    }
  }
}

TEST(IvfIndexTest, DeadlineAndCancellationStopASearch) {
  const VectorSchema schema = SchemaOf(Metric::kL2, Dtype::kF32);
  const Matrix base = MakeMatrix(schema, 1500, 1);
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base, {.lists = 20});
  SearchScratch scratch;
  SearchResult result;
  SearchQuery query = QueryOf(base.row(0), schema, 5);
  const Plan plan = *ParsePlan("coarse=64:20,scan=64:100,rescore");
  query.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_EQ(index->Search(query, plan, &scratch, &result).code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(index->SearchExact(query, 99, &scratch, &result).code(),
            absl::StatusCode::kDeadlineExceeded);
  query.deadline = std::chrono::steady_clock::time_point::max();
  const std::atomic<bool> cancelled{true};
  query.cancelled = &cancelled;
  EXPECT_EQ(index->Search(query, plan, &scratch, &result).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(index->SearchExact(query, 99, &scratch, &result).code(), absl::StatusCode::kCancelled);
}

TEST(IvfIndexTest, CostsCountRowsAndDims) {
  const VectorSchema schema = SchemaOf(Metric::kL2, Dtype::kF32);
  const Matrix base = MakeMatrix(schema, 1500, 1);
  const std::unique_ptr<IvfIndex> index =
      BuildOrDie(base, {.coarse_dim = 16, .lists = 20, .shells = {30, 64, 99}});
  SearchScratch scratch;
  SearchResult result;
  const Plan plan = *ParsePlan("coarse=16:20,scan=30:100,refine=64:50,refine=99:20,rescore");
  ASSERT_TRUE(index->Search(QueryOf(base.row(0), schema, kLimit), plan, &scratch, &result).ok());
  ASSERT_EQ(result.stages.size(), 5u);
  EXPECT_STREQ(result.stages[0].name, "coarse");
  EXPECT_EQ(result.stages[0].multiply_adds, 20u * 16);
  EXPECT_EQ(result.stages[1].in, 1500u);
  EXPECT_EQ(result.stages[1].out, 100u);
  EXPECT_EQ(result.stages[1].multiply_adds, 1500u * 30);
  EXPECT_EQ(result.stages[1].bytes, 1500u * (30 + 4 + 4));  // codes, scale, norm
  EXPECT_EQ(result.stages[2].multiply_adds, 100u * 34);     // only the shell that the stage adds
  EXPECT_EQ(result.stages[3].multiply_adds, 50u * 35);
  EXPECT_EQ(result.stages[4].multiply_adds, 20u * 99);
  EXPECT_EQ(result.stages[4].bytes, 20u * 99 * 4);
}

TEST(IvfIndexTest, EmptyIndexAnswersNothing) {
  const VectorSchema schema = SchemaOf(Metric::kCosine, Dtype::kF32);
  const Matrix one = MakeMatrix(schema, 1, 1);
  const auto index =
      IvfIndex::Create(schema, ResolveSpec({}, schema, 0), IdKind::kNum, Model::Untrained());
  SearchScratch scratch;
  SearchResult result;
  const SearchQuery query = QueryOf(one.row(0), schema, kLimit);
  ASSERT_TRUE(index->SearchExact(query, 99, &scratch, &result).ok());
  EXPECT_TRUE(result.hits.empty());
  ASSERT_TRUE(
      index->Search(query, DefaultPlan(schema, index->Shape(), kLimit), &scratch, &result).ok());
  EXPECT_TRUE(result.hits.empty());
}

}  // namespace
}  // namespace nestor
