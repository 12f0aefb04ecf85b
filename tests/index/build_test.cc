#include "index/build.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "tests/index/index_testutil.h"

namespace nestor {
namespace {

const VectorSchema kSchema{.dim = 64, .nesting = {8, 16, 64}, .metric = Metric::kCosine};

TEST(BuildTest, HoldsEveryRowOnceAndWhereAssignPutsIt) {
  for (Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    VectorSchema schema = kSchema;
    schema.metric = metric;
    const Matrix base = MakeMatrix(schema, 3000, 1);
    const std::unique_ptr<IvfIndex> index = BuildOrDie(base, {.coarse_dim = 16, .lists = 40});
    EXPECT_EQ(index->model().lists, 40u);
    EXPECT_EQ(index->slot_limit(), 3000u);
    std::vector<bool> seen(3000);
    uint32_t moved = 0;
    for (uint32_t slot = 0; slot < 3000; ++slot) {
      EXPECT_FALSE(seen[index->RowAt(slot)]);
      seen[index->RowAt(slot)] = true;
      EXPECT_EQ(std::get<uint64_t>(index->IdAt(slot)), index->RowAt(slot));
      // Rounding may decide between two equally near centroids.
      moved += index->Assign(base.stored(index->RowAt(slot))) != index->ListAt(slot) ? 1 : 0;
    }
    EXPECT_LE(moved, 3u);
  }
}

TEST(BuildTest, CentroidsAreUnitLengthUnderCosineAndMeansAreOfUnitRows) {
  const Matrix base = MakeMatrix(kSchema, 3000, 1);
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base, {.coarse_dim = 16, .lists = 40});
  const Model& model = index->model();
  for (uint32_t l = 0; l < model.lists; ++l) {
    const float* c = model.centroids.data() + l * 16;
    EXPECT_NEAR(std::inner_product(c, c + 16, c, 0.0), 1, 1e-4);
    const float* m = model.means.data() + l * 64;
    EXPECT_LE(std::inner_product(m, m + 64, m, 0.0), 1 + 1e-5);
  }
}

TEST(BuildTest, SmallCollectionsAreOneList) {
  const Matrix base = MakeMatrix(kSchema, 999, 1);
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base, {.lists = 40});
  EXPECT_EQ(index->model().lists, 1u);
  EXPECT_FALSE(index->model().trained());
  EXPECT_EQ(index->Shape().rows, 999u);
  const Matrix none = MakeMatrix(kSchema, 0, 1);
  EXPECT_EQ(BuildOrDie(none, {})->Shape().rows, 0u);
}

TEST(BuildTest, ProgressRisesAndFalseCancels) {
  const Matrix base = MakeMatrix(kSchema, 3000, 1);
  const MatrixSource source(base);
  double last = 0;
  int reports = 0;
  BuildOptions options;
  options.threads = 2;
  options.progress = [&](const char*, double fraction) {
    EXPECT_GE(fraction, last);
    EXPECT_LE(fraction, 1);
    last = fraction;
    ++reports;
    return true;
  };
  ASSERT_TRUE(BuildIvfIndex(kSchema, {}, IdKind::kNum, source, options).ok());
  ASSERT_GT(reports, 5);
  // Cancelled at each report in turn. Two threads do not report equally often each time: a build
  // that ended before its report came was not cancelled.
  int cancelled = 0;
  for (int stop = 0; stop < reports; ++stop) {
    int left = stop;
    options.progress = [&left](const char*, double) { return left-- > 0; };
    const absl::StatusCode code =
        BuildIvfIndex(kSchema, {}, IdKind::kNum, source, options).status().code();
    EXPECT_EQ(code, left < 0 ? absl::StatusCode::kCancelled : absl::StatusCode::kOk) << stop;
    cancelled += code == absl::StatusCode::kCancelled;
  }
  EXPECT_GT(cancelled, 5);
}

TEST(BuildTest, SourceErrorsAreReturned) {
  class Failing : public MatrixSource {
   public:
    using MatrixSource::MatrixSource;
    absl::Status Read(uint64_t i, uint64_t n, std::byte* out) const override {
      if (i + n > 2900) return absl::DataLossError("row 2900 is damaged");
      return MatrixSource::Read(i, n, out);
    }
  };
  const Matrix base = MakeMatrix(kSchema, 3000, 1);
  EXPECT_EQ(BuildIvfIndex(kSchema, {}, IdKind::kNum, Failing(base), {}).status().message(),
            "row 2900 is damaged");
}

// One writer, two readers: every answer is a state that existed at its snapshot.
TEST(LiveTest, ReadersSeeWholeStatesWhileOneWrites) {
  const Matrix base = MakeMatrix(kSchema, 1500, 1);
  const Matrix later = MakeMatrix(kSchema, 1000, 3);
  const std::unique_ptr<IvfIndex> index = BuildOrDie(base, {.coarse_dim = 16, .lists = 20});
  std::atomic<uint64_t> published{1};
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&, t] {
      SearchScratch scratch;
      SearchResult result;
      const Plan plan = *ParsePlan("coarse=16:20,scan=16:2500,refine=64:2500,rescore");
      for (size_t i = static_cast<size_t>(t); !done.load(); i = (i + 2) % later.rows()) {
        const uint64_t snapshot = published.load(std::memory_order_acquire);
        const SearchQuery query = QueryOf(later.row(i), kSchema, 20, snapshot);
        const absl::Status status = i % 5 == 0 ? index->SearchExact(query, 64, &scratch, &result)
                                               : index->Search(query, plan, &scratch, &result);
        ASSERT_TRUE(status.ok()) << status;
        ASSERT_EQ(result.hits.size(), 20u);
        for (const Hit& hit : result.hits) {
          EXPECT_LE(index->BornAt(hit.slot), snapshot);
          EXPECT_GT(index->DeadAt(hit.slot), snapshot);
        }
        // Row i of `later` is written at sequence i + 2 and stays: from then on it is its own
        // nearest.
        if (snapshot >= i + 2) {
          EXPECT_EQ(std::get<uint64_t>(index->IdAt(result.hits[0].slot)), 10000 + i);
        }
      }
    });
  }
  for (uint64_t i = 0; i < later.rows(); ++i) {
    const uint64_t seq = i + 2;
    ASSERT_TRUE(index
                    ->Append(index->Assign(later.stored(i)), PointId(10000 + i), 10000 + i, seq,
                             later.stored(i))
                    .ok());
    index->MarkDead(static_cast<uint32_t>(i), seq);
    published.store(seq, std::memory_order_release);
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace nestor
