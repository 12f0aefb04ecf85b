// Recall on the real sample under tests/data: what a search that names no plan gets, and that more
// probes never lose recall.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "client/files/vector_file.h"
#include "tests/index/index_testutil.h"

namespace nestor {
namespace {

constexpr uint32_t kLimit = 10;

struct Sample {
  Matrix base;
  std::vector<std::vector<float>> queries;
  std::vector<std::vector<uint64_t>> truth;
};

Sample ReadSample(const std::string& name, Metric metric) {
  const std::string folder = std::string(NESTOR_SOURCE_DIR) + "/tests/data/" + name + "/";
  const auto base = VectorFile::Open(folder + "base.f16bin");
  const auto queries = VectorFile::Open(folder + "query.f16bin");
  const auto truth = VectorFile::Open(folder + "gt.ids.ibin");
  EXPECT_TRUE(base.ok() && queries.ok() && truth.ok())
      << base.status() << queries.status() << truth.status();
  Sample sample;
  sample.base.schema = {.dim = base->dim(),
                        .nesting = {8, 16, 32, 64, 128, 256, 512, 768},
                        .metric = metric,
                        .dtype = Dtype::kF16};
  sample.base.bytes.resize(base->rows() * base->row_bytes());
  for (uint64_t i = 0; i < base->rows(); ++i) {
    std::memcpy(sample.base.bytes.data() + i * base->row_bytes(), base->RowBytes(i).data(),
                base->row_bytes());
  }
  sample.base.values.resize(base->rows() * base->dim());
  DecodeVector(Dtype::kF16, sample.base.bytes.data(), sample.base.values.size(),
               sample.base.values.data());
  for (uint64_t i = 0; i < queries->rows(); ++i) {
    sample.queries.emplace_back(queries->dim());
    queries->ReadF32(i, sample.queries.back());
    std::vector<uint64_t> ids(truth->dim());
    EXPECT_TRUE(truth->ReadIds(i, ids).ok());
    ids.resize(kLimit);
    sample.truth.push_back(ids);
  }
  return sample;
}

double Recall(const IvfIndex& index, const Sample& sample, const Plan& plan) {
  SearchScratch scratch;
  SearchResult result;
  size_t hits = 0;
  for (size_t q = 0; q < sample.queries.size(); ++q) {
    const SearchQuery query = QueryOf(sample.queries[q].data(), sample.base.schema, kLimit);
    EXPECT_TRUE(index.Search(query, plan, &scratch, &result).ok());
    for (uint64_t id : NumericIds(index, result.hits)) {
      hits += static_cast<size_t>(std::count(sample.truth[q].begin(), sample.truth[q].end(), id));
    }
  }
  return static_cast<double>(hits) / static_cast<double>(sample.queries.size() * kLimit);
}

class RecallTest : public testing::TestWithParam<std::pair<const char*, Metric>> {};

TEST_P(RecallTest, DefaultPlanReaches95Percent) {
  const Sample sample = ReadSample(GetParam().first, GetParam().second);
  const std::unique_ptr<IvfIndex> index = BuildOrDie(sample.base, {});
  const Plan plan = DefaultPlan(sample.base.schema, index->Shape(), kLimit);
  EXPECT_GE(Recall(*index, sample, plan), 0.95) << FormatPlan(plan);
}

TEST_P(RecallTest, RisesWithProbesAndReachesOne) {
  const Sample sample = ReadSample(GetParam().first, GetParam().second);
  const std::unique_ptr<IvfIndex> index = BuildOrDie(sample.base, {});
  double last = 0;
  for (uint32_t probes : {1, 4, 16, 64, 65536}) {
    Plan plan = *ParsePlan("coarse=64:1,scan=128:400,refine=256:100,refine=768:30,rescore");
    plan.coarse.probes = probes;
    const double recall = Recall(*index, sample, plan);
    EXPECT_GE(recall, last) << probes;
    last = recall;
  }
  EXPECT_GE(last, 0.998);
}

INSTANTIATE_TEST_SUITE_P(Sample, RecallTest,
                         testing::Values(std::pair("wnh", Metric::kL2),
                                         std::pair("text", Metric::kDot),
                                         std::pair("text", Metric::kCosine)));

}  // namespace
}  // namespace nestor
