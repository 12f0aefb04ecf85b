// Lists that the caller says: of rows (IndexSpec.list_attribute) and of queries
// (SearchQuery.lists).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "index/build.h"
#include "index/model.h"
#include "tests/index/index_testutil.h"

namespace nestor {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kLists = 40;
constexpr uint32_t kCoarse = 16;
constexpr uint64_t kRows = 3000;
constexpr uint32_t kNearest = BuildSource::kNearest;

VectorSchema SchemaOf(Metric metric) {
  return {.dim = 64, .nesting = {8, kCoarse, 64}, .metric = metric};
}

// Rows that name lists.
class NamedSource : public MatrixSource {
 public:
  NamedSource(const Matrix& matrix, std::vector<uint32_t> lists)
      : MatrixSource(matrix), lists_(std::move(lists)) {}
  absl::Status ReadLists(uint64_t i, uint64_t n, const IndexSpec& spec,
                         uint32_t* out) const override {
    EXPECT_EQ(spec.list_attribute, "cell");
    std::copy_n(lists_.begin() + static_cast<ptrdiff_t>(i), n, out);
    return absl::OkStatus();
  }

 private:
  const std::vector<uint32_t> lists_;
};

IndexSpec NamedSpec(uint32_t lists = kLists) {
  IndexSpec spec{.coarse_dim = kCoarse, .lists = lists};
  spec.list_attribute = "cell";
  return spec;
}

std::unique_ptr<IvfIndex> BuildNamed(const Matrix& matrix, std::vector<uint32_t> lists,
                                     const IndexSpec& spec = NamedSpec()) {
  const NamedSource source(matrix, std::move(lists));
  BuildOptions options;
  options.threads = 2;
  options.code_iterations = 2;
  auto index = BuildIvfIndex(matrix.schema, spec, IdKind::kNum, source, options);
  EXPECT_TRUE(index.ok()) << index.status();
  return *std::move(index);
}

// By row.
std::vector<uint32_t> ListsOf(const IvfIndex& index) {
  std::vector<uint32_t> lists(index.slot_limit());
  for (uint32_t slot = 0; slot < index.slot_limit(); ++slot) {
    lists[index.RowAt(slot)] = index.ListAt(slot);
  }
  return lists;
}

SearchResult SearchOf(const IvfIndex& index, const SearchQuery& query, const char* plan) {
  SearchScratch scratch;
  SearchResult result;
  const absl::Status status = index.Search(query, *ParsePlan(plan), &scratch, &result);
  EXPECT_TRUE(status.ok()) << status;
  return result;
}

void ExpectSameHits(const IvfIndex& a, const SearchResult& of_a, const IvfIndex& b,
                    const SearchResult& of_b) {
  EXPECT_EQ(NumericIds(a, of_a.hits), NumericIds(b, of_b.hits));
  ASSERT_EQ(of_a.hits.size(), of_b.hits.size());
  for (size_t i = 0; i < of_a.hits.size(); ++i) {
    EXPECT_EQ(of_a.hits[i].score, of_b.hits[i].score) << "bit by bit";
  }
}

class OwnListsTest : public ::testing::TestWithParam<Metric> {
 protected:
  const VectorSchema schema_ = SchemaOf(GetParam());
  const Matrix base_ = MakeMatrix(schema_, kRows, 1);
  const Matrix queries_ = MakeMatrix(schema_, 20, 2);
};

// What k-means chose, told from outside: the lists are the same, and so is what is found in them.
TEST_P(OwnListsTest, ListsOfKMeansToldFromOutsideAnswerAlike) {
  IndexSpec spec{.coarse_dim = kCoarse, .lists = kLists};
  spec.codes = {{.dim = 16, .bytes = 4, .bits = 4}};
  const std::unique_ptr<IvfIndex> trained = BuildOrDie(base_, spec);
  spec.list_attribute = "cell";
  const std::unique_ptr<IvfIndex> named = BuildNamed(base_, ListsOf(*trained), spec);
  EXPECT_EQ(ListsOf(*named), ListsOf(*trained));
  EXPECT_EQ(named->model().means, trained->model().means) << "bit by bit";
  EXPECT_TRUE(named->spec().own_lists());
  for (uint32_t q = 0; q < queries_.rows(); ++q) {
    SearchQuery query = QueryOf(queries_.row(q), schema_, kRows);
    // All of the lists that the coarse stage chooses are in the hits, as nothing is cut off.
    const SearchResult chosen = SearchOf(*trained, query, "coarse=16:5,scan=64:3000,rescore");
    EXPECT_EQ(chosen.lists, 5u);
    std::set<uint32_t> lists;
    for (const Hit& hit : chosen.hits) lists.insert(trained->ListAt(hit.slot));
    const std::vector<uint32_t> wanted(lists.begin(), lists.end());
    query.lists = wanted;
    const SearchResult told = SearchOf(*named, query, "coarse=16:1,scan=64:3000,rescore");
    ExpectSameHits(*trained, chosen, *named, told);
    EXPECT_EQ(told.lists, wanted.size());
    ASSERT_EQ(told.stages.size(), 2u);
    EXPECT_EQ(told.stages[0].name, std::string("scan")) << "the coarse stage does not run";
    query.limit = 10;
    for (const char* plan : {"coarse=16:1,scan=8:60,refine=64:20,rescore",
                             "coarse=16:1,scan=opq16x4b4:60,refine=64:20,rescore"}) {
      ExpectSameHits(*trained, SearchOf(*trained, query, plan), *named,
                     SearchOf(*named, query, plan));
    }
  }
}

TEST_P(OwnListsTest, CentroidsAreTheMeansOfTheRowsThatNameTheList) {
  std::vector<uint32_t> lists(kRows);
  for (uint64_t i = 0; i < kRows; ++i) lists[i] = i % 7 == 0 ? kNearest : i * 7919 % kLists;
  const std::unique_ptr<IvfIndex> index = BuildNamed(base_, lists);
  std::vector<double> sums(kLists * kCoarse, 0.0);
  std::vector<double> counts(kLists, 0.0);
  for (uint64_t i = 0; i < kRows; ++i) {
    if (lists[i] == kNearest) continue;
    const float* x = base_.row(i);
    double square = 1;
    if (GetParam() == Metric::kCosine) square = std::inner_product(x, x + kCoarse, x, 0.0);
    for (uint32_t d = 0; d < kCoarse; ++d) {
      sums[lists[i] * kCoarse + d] += x[d] / std::sqrt(square);
    }
    ++counts[lists[i]];
  }
  for (uint32_t l = 0; l < kLists; ++l) {
    const double* sum = sums.data() + l * kCoarse;
    double scale = counts[l];
    if (GetParam() != Metric::kL2) {
      scale = std::sqrt(std::inner_product(sum, sum + kCoarse, sum, 0.0));
    }
    for (uint32_t d = 0; d < kCoarse; ++d) {
      EXPECT_NEAR(index->model().centroids[l * kCoarse + d], sum[d] / scale, 1e-5);
    }
  }
  // A row lies where it says, and one that says nothing where it is nearest, as later ones will.
  uint32_t moved = 0;
  const std::vector<uint32_t> placed = ListsOf(*index);
  for (uint64_t i = 0; i < kRows; ++i) {
    if (lists[i] != kNearest) {
      ASSERT_EQ(placed[i], lists[i]) << i;
    } else {
      moved += index->Assign(base_.stored(i)) != placed[i] ? 1 : 0;
    }
  }
  EXPECT_LE(moved, 2u) << "rounding may decide between two equally near";
}

// Lists that are empty at the build attract nothing, and take no probe from others; what comes to
// them later is found by every search.
TEST_P(OwnListsTest, EmptyLists) {
  std::vector<uint32_t> lists(kRows);
  for (uint64_t i = 0; i < kRows; ++i) lists[i] = i % 9 == 0 ? kNearest : i * 7919 % 20 * 2;
  const std::unique_ptr<IvfIndex> index = BuildNamed(base_, lists);
  const std::vector<uint32_t> placed = ListsOf(*index);
  for (uint64_t i = 0; i < kRows; ++i) EXPECT_EQ(placed[i] % 2, 0u) << i;
  for (uint32_t l = 0; l < kLists; ++l) EXPECT_EQ(index->model().has_centroid(l), l % 2 == 0) << l;
  EXPECT_GT(index->model().reach.probes[0], 0u);
  EXPECT_LE(index->model().reach.probes[Reach::kLevels - 1], kLists / 2);
  for (uint32_t q = 0; q < queries_.rows(); ++q) {
    EXPECT_EQ(index->Assign(queries_.stored(q)) % 2, 0u);
    for (const char* plan : {"coarse=8:1,scan=64:3000", "coarse=64:1,scan=64:3000"}) {
      const SearchResult one = SearchOf(*index, QueryOf(queries_.row(q), schema_, 10), plan);
      EXPECT_EQ(one.hits.size(), 10u);
      EXPECT_EQ(one.lists, 1u);
    }
    const SearchResult all =
        SearchOf(*index, QueryOf(queries_.row(q), schema_, kRows), "coarse=16:40,scan=64:3000");
    EXPECT_EQ(all.hits.size(), kRows);
    EXPECT_EQ(all.lists, kLists / 2);
  }
  for (uint32_t q = 0; q < queries_.rows(); ++q) {
    ASSERT_TRUE(
        index->Append(2 * q + 1, PointId(kRows + q), kRows + q, q + 2, queries_.stored(q)).ok());
    const SearchResult found = SearchOf(*index, QueryOf(queries_.row(q), schema_, 1, q + 2),
                                        "coarse=16:1,scan=64:9,rescore");
    // By inner product something else may be nearer to a row than itself.
    if (GetParam() != Metric::kDot) {
      EXPECT_EQ(NumericIds(*index, found.hits), std::vector<uint64_t>{kRows + q});
    }
    EXPECT_EQ(found.lists, q + 2) << "the nearest, and those that have rows now";
    EXPECT_EQ(found.stages[0].out, q + 2);
  }
}

TEST_P(OwnListsTest, WithoutRows) {
  const Matrix none = MakeMatrix(schema_, 0, 1);
  const std::unique_ptr<IvfIndex> index = BuildNamed(none, {});
  EXPECT_EQ(index->model().lists, kLists);
  for (uint32_t q = 0; q < queries_.rows(); ++q) {
    const uint32_t list = q % 2 == 0 ? 39 - q : index->Assign(queries_.stored(q));
    ASSERT_TRUE(index->Append(list, PointId(uint64_t{q}), q, 1, queries_.stored(q)).ok());
  }
  const Plan plan = DefaultPlan(schema_, index->Shape(), 20);
  EXPECT_EQ(
      SearchOf(*index, QueryOf(queries_.row(0), schema_, 20), FormatPlan(plan).c_str()).hits.size(),
      20u);
}

// Few rows: the number of lists stays all the same.
TEST_P(OwnListsTest, FewRowsKeepTheirLists) {
  const Matrix few = MakeMatrix(schema_, 50, 1);
  std::vector<uint32_t> lists(50);
  for (uint32_t i = 0; i < 50; ++i) lists[i] = i % 3 == 0 ? kNearest : 39 - i % 40;
  const std::unique_ptr<IvfIndex> index = BuildNamed(few, lists);
  const std::vector<uint32_t> placed = ListsOf(*index);
  for (uint32_t i = 0; i < 50; ++i) {
    EXPECT_TRUE(lists[i] == kNearest || placed[i] == lists[i]) << i;
  }
  const std::unique_ptr<IvfIndex> one = BuildNamed(few, std::vector<uint32_t>(50, 0), NamedSpec(1));
  EXPECT_FALSE(one->model().trained());
  EXPECT_EQ(ListsOf(*one), std::vector<uint32_t>(50, 0));
}

TEST_P(OwnListsTest, RepeatedListsCountOnceInAnyOrder) {
  std::vector<uint32_t> lists(kRows);
  for (uint64_t i = 0; i < kRows; ++i) lists[i] = i * 7919 % kLists;
  const std::unique_ptr<IvfIndex> index = BuildNamed(base_, lists);
  SearchQuery query = QueryOf(queries_.row(0), schema_, kRows);
  const std::vector<uint32_t> once = {3, 17, 39};
  const std::vector<uint32_t> often = {39, 3, 3, 17, 39, 3};
  query.lists = once;
  const SearchResult first = SearchOf(*index, query, "coarse=16:1,scan=64:3000");
  EXPECT_EQ(first.hits.size(),
            static_cast<size_t>(std::count_if(lists.begin(), lists.end(), [&](uint32_t list) {
              return std::count(once.begin(), once.end(), list) != 0;
            })));
  query.lists = often;
  SearchScratch scratch;
  SearchResult second;
  // Twice with the same scratch.
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(
        index->Search(query, *ParsePlan("coarse=16:1,scan=64:3000"), &scratch, &second).ok());
    EXPECT_EQ(second.lists, 3u);
    ExpectSameHits(*index, first, *index, second);
  }
}

// The centroids of k-means, and perhaps its lists, told from outside: all is the same, bit by bit,
// also where plans choose the lists.
TEST_P(OwnListsTest, CentroidsOfKMeansToldFromOutsideAnswerAlike) {
  IndexSpec spec{.coarse_dim = kCoarse, .lists = kLists};
  spec.codes = {{.dim = 16, .bytes = 4, .bits = 4}};
  const std::unique_ptr<IvfIndex> trained = BuildOrDie(base_, spec);
  std::vector<float> centroids = trained->model().centroids;
  ASSERT_TRUE(TakeCentroids(schema_, kCoarse, &centroids).ok());
  EXPECT_EQ(centroids, trained->model().centroids) << "what has unit length keeps it";
  spec.centroids = CentroidOrigin::kImported;
  BuildOptions options;
  options.threads = 2;
  options.code_iterations = 2;
  options.centroids = centroids;
  for (const bool named : {false, true}) {
    if (named) spec.list_attribute = "cell";
    const NamedSource source(base_, ListsOf(*trained));
    const auto built = BuildIvfIndex(schema_, spec, IdKind::kNum, source, options);
    ASSERT_TRUE(built.ok()) << built.status();
    const IvfIndex& index = **built;
    EXPECT_EQ(ListsOf(index), ListsOf(*trained));
    EXPECT_EQ(SerializeModel(index.model()), SerializeModel(trained->model()));
    for (uint32_t q = 0; q < queries_.rows(); ++q) {
      const SearchQuery query = QueryOf(queries_.row(q), schema_, 10);
      EXPECT_EQ(index.Assign(queries_.stored(q)), trained->Assign(queries_.stored(q)));
      for (const char* plan :
           {"coarse=16:4,scan=8:60,refine=64:20,rescore", "coarse=64:4,scan=16:60,refine=64:20",
            "coarse=8:4,scan=opq16x4b4:60,refine=64:20,rescore"}) {
        ExpectSameHits(*trained, SearchOf(*trained, query, plan), index,
                       SearchOf(index, query, plan));
      }
    }
  }
}

// Those that nothing is near keep their lists, which can be near to what comes later.
TEST_P(OwnListsTest, ImportedCentroidsStayWhereNothingIsNear) {
  const Matrix far = MakeMatrix(schema_, 7, 9);
  std::vector<float> centroids;
  for (size_t i = 0; i < far.rows(); ++i) {
    centroids.insert(centroids.end(), far.row(i), far.row(i) + kCoarse);
  }
  ASSERT_TRUE(TakeCentroids(schema_, kCoarse, &centroids).ok());
  IndexSpec spec{.coarse_dim = kCoarse, .lists = 7};
  spec.centroids = CentroidOrigin::kImported;
  BuildOptions options;
  options.centroids = centroids;
  const Matrix few = MakeMatrix(schema_, 3, 1);
  const auto index = BuildIvfIndex(schema_, spec, IdKind::kNum, MatrixSource(few), options);
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ((*index)->model().lists, 7u);
  EXPECT_EQ((*index)->model().centroids, centroids);
  EXPECT_TRUE((*index)->model().no_centroid.empty());
  for (size_t i = 0; GetParam() != Metric::kDot && i < far.rows(); ++i) {
    EXPECT_EQ((*index)->Assign(far.stored(i)), i);
  }
}

INSTANTIATE_TEST_SUITE_P(All, OwnListsTest, ::testing::ValuesIn(kMetrics),
                         [](const auto& info) { return std::string(Name(info.param)); });

TEST(OwnListsSpecTest, NumbersOfListsAreGivenAndKept) {
  const VectorSchema schema = SchemaOf(Metric::kL2);
  EXPECT_TRUE(ValidateSpec(NamedSpec(), schema).ok());
  for (const uint64_t rows : {0, 10, 100'000}) {
    EXPECT_EQ(ResolveSpec(NamedSpec(), schema, rows).lists, kLists);
  }
  EXPECT_THAT(std::string(ValidateSpec(NamedSpec(0), schema).message()),
              HasSubstr("list_attribute \"cell\" needs the number of lists, 1..65536; lists is 0"));
  EXPECT_THAT(std::string(ValidateSpec(NamedSpec(65537), schema).message()),
              HasSubstr("lists 65537 is over 65536"));
  const VectorSchema wide = {.dim = 8192, .nesting = {kCoarse, 8192}, .metric = Metric::kL2};
  EXPECT_TRUE(ValidateSpec(NamedSpec(32768), wide).ok());
  EXPECT_THAT(std::string(ValidateSpec(NamedSpec(32769), wide).message()),
              HasSubstr("has 32769 lists x 8192 dims = 268443648 values, the limit is 268435456"));
  EXPECT_TRUE(ValidateSpec({.lists = 65536}, wide).ok()) << "the server's are fewer for few rows";
  IndexSpec graph_only = NamedSpec();
  graph_only.graph = GraphSpec{};
  graph_only.no_lists = true;
  EXPECT_THAT(std::string(ValidateSpec(graph_only, schema).message()),
              HasSubstr("list_attribute \"cell\" needs lists"));
}

TEST(OwnListsSpecTest, ImportedCentroidsSayHowMany) {
  const VectorSchema schema = SchemaOf(Metric::kL2);
  IndexSpec spec{.coarse_dim = kCoarse, .lists = 2};
  spec.centroids = CentroidOrigin::kImported;
  EXPECT_TRUE(ValidateSpec(spec, schema).ok());
  EXPECT_EQ(ResolveSpec(spec, schema, 0).lists, 2u);
  spec.lists = 1;
  EXPECT_THAT(std::string(ValidateSpec(spec, schema).message()),
              HasSubstr("an index of imported centroids needs 2..65536 of them, not 1"));
  spec = {.lists = 2};
  spec.centroids = CentroidOrigin::kImported;
  EXPECT_THAT(std::string(ValidateSpec(spec, schema).message()),
              HasSubstr("needs their coarse_dim"));
}

TEST(OwnListsSpecTest, BadCentroidsAreRefused) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  const auto take = [](Metric metric, std::vector<float> values) {
    values.resize(2 * kCoarse, 1.0f);
    return std::string(TakeCentroids(SchemaOf(metric), kCoarse, &values).message());
  };
  for (const Metric metric : kMetrics) {
    std::vector<float> bad(kCoarse, 1.0f);
    bad.push_back(nan);
    EXPECT_EQ(take(metric, bad), "centroid 1 has nan at position 0; values must be finite");
    EXPECT_EQ(take(metric, {0, -inf}), "centroid 0 has -inf at position 1; values must be finite");
    EXPECT_THAT(take(metric, {3e38f}), HasSubstr("above the largest float"));
    const std::vector<float> zeros(kCoarse, 0.0f);
    EXPECT_EQ(take(metric, zeros).empty(), metric != Metric::kCosine);
  }
  EXPECT_THAT(take(Metric::kCosine, std::vector<float>(kCoarse, 0.0f)),
              HasSubstr("centroid 0 has squared norm 0 over its first 16 dims"));
  std::vector<float> values(kCoarse, 3.0f);
  ASSERT_TRUE(TakeCentroids(SchemaOf(Metric::kDot), kCoarse, &values).ok());
  EXPECT_EQ(values[0], 3.0f) << "only cosine has unit length";
  ASSERT_TRUE(TakeCentroids(SchemaOf(Metric::kCosine), kCoarse, &values).ok());
  EXPECT_FLOAT_EQ(values[0], 0.25f);
}

TEST(OwnListsSpecTest, RowsWithoutAttributesAreRefused) {
  const Matrix base = MakeMatrix(SchemaOf(Metric::kL2), 100, 1);
  const absl::Status status =
      BuildIvfIndex(base.schema, NamedSpec(), IdKind::kNum, MatrixSource(base), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no attribute \"cell\""));
}

TEST(OwnListsModelTest, ListsWithoutACentroidAreStored) {
  const VectorSchema schema = SchemaOf(Metric::kCosine);
  Model model;
  model.lists = 11;
  model.coarse_dim = kCoarse;
  model.centroids.assign(11 * kCoarse, 0.5f);
  model.means.assign(11 * 64, 0.25f);
  model.no_centroid.resize(11);
  for (const uint32_t l : {0, 7, 8, 10}) model.no_centroid[l] = true;
  const std::string bytes = SerializeModel(model);
  const auto parsed = ParseModel(bytes, schema);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ((*parsed)->no_centroid, model.no_centroid);
  EXPECT_EQ((*parsed)->means, model.means);
  for (const size_t left : {bytes.size() - 1, bytes.size() - 3}) {
    EXPECT_EQ(ParseModel(absl::string_view(bytes).substr(0, left), schema).status().code(),
              absl::StatusCode::kDataLoss);
  }
  std::string beyond = bytes;
  beyond.back() = '\x08';  // list 11
  EXPECT_EQ(ParseModel(beyond, schema).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE((*ParseModel(bytes.substr(0, bytes.size() - 2), schema))->no_centroid.empty())
      << "as formats before 7 wrote it";
}

}  // namespace
}  // namespace nestor
