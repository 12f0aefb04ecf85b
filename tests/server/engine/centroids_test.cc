// Centroids that were learnt elsewhere, in place of training, and those of an index for others.
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/engine/own_lists_fixture.h"

namespace nestor {
namespace {

// Those of another collection's k-means.
class CentroidsTest : public OwnListsTest {
 protected:
  // "trained" has the same points.
  CentroidsTest() {
    CollectionSpec other = spec_;
    other.name = "trained";
    other.attributes.push_back({"cell", AttributeType::kInt64});
    EXPECT_TRUE(engine_->CreateCollection(other).ok());
    for (const char* name : {"docs", "trained"}) PutAll(name, 0, 1500, 1);
    IndexSpec spec;
    spec.lists = kLists;
    spec.coarse_dim = 16;
    const std::string id = *engine_->BuildIndex("trained", spec);
    EXPECT_EQ(Await(*engine_, id).state, OperationState::kSucceeded);
    learnt_ = *engine_->GetCentroids("trained");
  }
  void PutAll(const char* name, uint64_t first, uint64_t count, uint64_t version) {
    std::vector<std::vector<float>> vectors(count);
    std::vector<PointInput> points;
    for (uint64_t k = 0; k < count; ++k) {
      vectors[k] = MakeVector(spec_.schema, (first + k) * 1000 + version);
      points.push_back({MakeId(IdKind::kNum, first + k), vectors[k], {}});
    }
    const absl::Status status = engine_->Upsert(name, points).status();
    EXPECT_TRUE(status.ok()) << status;
  }
  CentroidImport Import() const {
    CentroidImport import;
    import.index.lists = kLists;
    import.index.coarse_dim = 16;
    import.index.centroids = CentroidOrigin::kImported;
    import.centroids = std::make_shared<const std::vector<float>>(learnt_.model->centroids);
    return import;
  }
  Operation Build(const CentroidImport& import) {
    return Await(*engine_, *engine_->ImportCentroids("docs", import));
  }
  SearchReply SearchIn(const char* name, uint64_t seed, const char* plan) {
    const std::vector<float> vector = MakeVector(spec_.schema, seed);
    SearchRequest request;
    request.query = std::span<const float>(vector);
    request.limit = 20;
    request.how = *ParsePlan(plan);
    SearchReply reply;
    const absl::Status status = engine_->Pin(name)->Search(request, nullptr, &reply);
    EXPECT_TRUE(status.ok()) << status;
    return reply;
  }
  // Both collections answer alike, also with few probes.
  void ExpectAlike() {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const char* plan = "coarse=16:2,scan=8:40,refine=32:30,rescore";
      const SearchReply wanted = SearchIn("trained", seed, plan);
      const SearchReply found = SearchIn("docs", seed, plan);
      ASSERT_EQ(found.hits.size(), wanted.hits.size());
      for (size_t i = 0; i < found.hits.size(); ++i) {
        EXPECT_EQ(found.hits[i].id, wanted.hits[i].id);
        EXPECT_EQ(found.hits[i].score, wanted.hits[i].score);
      }
    }
    EXPECT_EQ(engine_->GetCentroids("docs")->rows, engine_->GetCentroids("trained")->rows);
  }

  IndexCentroids learnt_;
};

TEST_F(CentroidsTest, AreKeptByLaterBuilds) {
  EXPECT_EQ(learnt_.origin, CentroidOrigin::kTrained);
  EXPECT_EQ(std::accumulate(learnt_.rows.begin(), learnt_.rows.end(), uint64_t{0}), 1500u);
  const Operation built = Build(Import());
  ASSERT_EQ(built.state, OperationState::kSucceeded) << built.error;
  ExpectAlike();
  const auto expect_kept = [&](uint64_t generation) {
    const IndexInfo index = *engine_->GetIndex("docs");
    EXPECT_EQ(index.generation, generation);
    EXPECT_EQ(index.spec.centroids, CentroidOrigin::kImported);
    EXPECT_EQ(index.next_spec.centroids, CentroidOrigin::kImported);
    EXPECT_EQ(index.next_spec.lists, kLists);
    EXPECT_EQ(engine_->GetCentroids("docs")->model->centroids, learnt_.model->centroids);
    EXPECT_EQ(engine_->GetCentroids("docs")->origin, CentroidOrigin::kImported);
  };
  expect_kept(1);
  for (const char* name : {"docs", "trained"}) PutAll(name, 1000, 700, 2);
  ExpectAlike();
  Restart();
  expect_kept(1);
  ExpectAlike();
  // One that nobody says anything of, as the engine's own, and one that changes something else.
  ASSERT_EQ(OwnListsTest::Build(std::nullopt).state, OperationState::kSucceeded);
  expect_kept(2);
  IndexSpec graph;
  graph.centroids = CentroidOrigin::kImported;
  graph.graph = GraphSpec{.dim = 32, .degree = 8, .ef_construction = 40};
  ASSERT_EQ(OwnListsTest::Build(graph).state, OperationState::kSucceeded);
  expect_kept(3);
  EXPECT_TRUE(engine_->GetIndex("docs")->spec.graph.has_value());
  Restart();
  expect_kept(3);
  // Lists that are imported are the caller's.
  const std::vector<uint32_t> lists = {1, 2, 3};
  const absl::StatusOr<SearchReply> named = Search(Query(7, lists));
  ASSERT_TRUE(named.ok()) << named.status();
  const std::vector<uint64_t> rows = engine_->GetCentroids("docs")->rows;
  EXPECT_EQ(named->hits.size(), rows[1] + rows[2] + rows[3]);
  // Whoever leaves them out is rid of them.
  IndexSpec trained;
  trained.lists = 5;
  ASSERT_EQ(OwnListsTest::Build(trained).state, OperationState::kSucceeded);
  EXPECT_EQ(engine_->GetCentroids("docs")->model->lists, 5u);
  EXPECT_THAT(Search(Query(7, lists)).status(), Fails(kPrecondition, "its lists are the server's"));
}

TEST_F(CentroidsTest, GoWithListsThatPointsName) {
  CentroidImport import = Import();
  import.index.list_attribute = "cell";
  ASSERT_TRUE(Put(0, 1500, 1, CellOf).ok());
  ASSERT_EQ(Build(import).state, OperationState::kSucceeded);
  EXPECT_EQ(engine_->GetCentroids("docs")->model->centroids, learnt_.model->centroids);
  Check();
  EXPECT_THAT(Put(10, 1, 2, [](uint64_t) { return 12; }), Fails(kInvalid, "the lists are 0..11"));
  ASSERT_TRUE(Put(10, 400, 2, [](uint64_t i) { return i % kLists; }).ok());
  Check();
  Restart();
  ASSERT_EQ(OwnListsTest::Build(std::nullopt).state, OperationState::kSucceeded);
  Check();
}

// Until the new index takes over there is nothing to keep.
TEST_F(CentroidsTest, AFailedImportChangesNothing) {
  CentroidImport import = Import();
  import.index.list_attribute = "cell";
  ASSERT_TRUE(Put(0, 10, 1, [](uint64_t) { return 99; }).ok());
  const Operation failed = Build(import);
  EXPECT_THAT(failed.error,
              Fails(kPrecondition, "point with id 0: the list_attribute \"cell\" is 99"));
  const IndexInfo index = *engine_->GetIndex("docs");
  EXPECT_EQ(index.generation, 0u);
  EXPECT_EQ(index.next_spec, IndexSpec());
  EXPECT_THAT(engine_->GetCentroids("docs").status(), Fails(kPrecondition, "one list"));
}

TEST_F(CentroidsTest, BadOnesAreRefused) {
  const auto refused = [&](const CentroidImport& import, const char* message) {
    EXPECT_THAT(engine_->ImportCentroids("docs", import).status(), Fails(kInvalid, message));
  };
  CentroidImport import = Import();
  import.index.lists = kLists - 1;
  refused(import, "192 values of centroids for 11 lists of 16 dims");
  import = Import();
  import.index.coarse_dim = 5;
  refused(import, "coarse_dim 5 is not in the nesting");
  import = Import();
  import.index.centroids = CentroidOrigin::kTrained;
  refused(import, "192 values of centroids");
  std::vector<float> values = *Import().centroids;
  values[17] = std::numeric_limits<float>::infinity();
  import = Import();
  import.centroids = std::make_shared<const std::vector<float>>(values);
  refused(import, "centroid 1 has inf at position 1");
  // To keep what is not there.
  IndexSpec keep;
  keep.centroids = CentroidOrigin::kImported;
  EXPECT_THAT(engine_->BuildIndex("docs", keep).status(),
              Fails(kPrecondition, "the present index has none"));
  CollectionUpdate update;
  update.index = keep;
  EXPECT_THAT(engine_->UpdateCollection("docs", update).status(),
              Fails(kPrecondition, "the present index has none"));
  CollectionSpec other = spec_;
  other.name = "other";
  other.index = keep;
  EXPECT_THAT(engine_->CreateCollection(other).status(),
              Fails(kInvalid, "a new collection has none"));
  ASSERT_EQ(Build(Import()).state, OperationState::kSucceeded);
  keep.lists = 7;
  EXPECT_THAT(engine_->BuildIndex("docs", keep).status(),
              Fails(kInvalid, "has 7 lists and coarse_dim 16; there are 12 of 16 dims"));
  EXPECT_THAT(engine_->GetCentroids("none").status(), Fails(kNotFound, "none"));
}

}  // namespace
}  // namespace nestor
