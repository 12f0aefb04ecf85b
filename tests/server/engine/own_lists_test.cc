// Lists that points name themselves (IndexSpec.list_attribute) and that queries name.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/storage/keys.h"
#include "server/storage/records.h"
#include "tests/server/engine/own_lists_fixture.h"

namespace nestor {
namespace {

TEST_F(OwnListsTest, PointsLieWhereTheySay) {
  ASSERT_TRUE(Put(0, 1500, 1, CellOf).ok());
  ASSERT_EQ(Build(Spec()).state, OperationState::kSucceeded);
  const IndexInfo index = *engine_->GetIndex("docs");
  EXPECT_EQ(index.lists, kLists);
  EXPECT_EQ(index.spec.list_attribute, "cell");
  Check();
  // An overwrite moves a point, to a list that was empty, too; a new one names any.
  ASSERT_TRUE(Put(100, 50, 2, [](uint64_t i) { return (i + 3) % kLists; }).ok());
  ASSERT_TRUE(Put(200, 10, 2, [](uint64_t) { return std::nullopt; }).ok());
  ASSERT_TRUE(Put(5000, 30, 1, [](uint64_t) { return 11; }).ok());
  Take(300, 20);
  Check();
  Restart();
  EXPECT_EQ(engine_->GetIndex("docs")->spec, index.spec);
  Check();
  // A build of which nobody says anything, as those are that the engine begins itself.
  ASSERT_EQ(Build(std::nullopt).state, OperationState::kSucceeded);
  EXPECT_EQ(engine_->GetIndex("docs")->generation, 2u);
  Check();
  // Who names no lists finds everything.
  SearchRequest all = Query(7, {});
  all.how = *ParsePlan("coarse=16:12,scan=32:10000,rescore");
  EXPECT_EQ(Search(all)->hits.size(), cells_.size());
  all.how = UseDefaultPlan{};
  all.limit = 10;
  EXPECT_EQ(Search(all)->hits.size(), 10u);
}

TEST_F(OwnListsTest, WritesGoOnBesideABuild) {
  for (const ExactVectors exact : {ExactVectors::kMemory, ExactVectors::kStore}) {
    ASSERT_TRUE(Put(0, 4000, 1, CellOf).ok());
    IndexSpec spec = Spec();
    spec.exact_vectors = exact;
    const std::string id = *engine_->BuildIndex("docs", spec);
    uint64_t version = 2;
    for (int round = 0; round < 5 || !IsFinal(engine_->GetOperation(id)->state); ++round) {
      const uint64_t moved = version;
      const auto cell = [moved](uint64_t i) -> std::optional<int64_t> {
        if ((i + moved) % 6 == 0) return std::nullopt;
        return static_cast<int64_t>((i + moved) % kLists);
      };
      ASSERT_TRUE(Put((round * 37) % 3900, 30, version, cell).ok());
      Take((round * 53) % 3900, 10);
      ASSERT_TRUE(Put(5000 + (round * 17) % 1000, 20, version, cell).ok());
      ++version;
    }
    const Operation operation = Await(*engine_, id);
    ASSERT_EQ(operation.state, OperationState::kSucceeded) << operation.error;
    Check();
    Restart();
    Check();
  }
}

// A row whose posting is lost gets the list back that it names.
TEST_F(OwnListsTest, AMendedPostingIsWhereThePointSays) {
  ASSERT_TRUE(Put(0, 100, 1, CellOf).ok());
  ASSERT_EQ(Build(Spec()).state, OperationState::kSucceeded);
  ChangeStore([](Store* store, Batch* batch) {
    Scan scan = store->NewScan(Family::kPostings, GenerationBegin(1, 1), GenerationBegin(1, 2));
    int removed = 0;
    for (; scan.Valid(); scan.Next()) {
      if (ParsePostingKey(scan.key())->row % 3 != 0) continue;
      batch->Delete(Family::kPostings, scan.key());
      ++removed;
    }
    EXPECT_GT(removed, 20);
  });
  engine_ = OpenOrDie(options_);
  Check();
}

TEST_F(OwnListsTest, AModelOfOtherListsIsReported) {
  ASSERT_TRUE(Put(0, 100, 1, CellOf).ok());
  ASSERT_EQ(Build(Spec()).state, OperationState::kSucceeded);
  ChangeStore([](Store* store, Batch* batch) {
    GenerationRecord record = *ParseGeneration(**store->Get(Family::kMeta, GenerationKey(1)));
    record.spec.lists = 13;
    batch->Put(Family::kMeta, GenerationKey(1), EncodeGeneration(record));
  });
  EXPECT_THAT(Engine::Open(options_).status(),
              Fails(absl::StatusCode::kDataLoss,
                    "the model has 12 lists and coarse_dim 16, the spec 13 and 16"));
}

TEST_F(OwnListsTest, BadValues) {
  ASSERT_TRUE(Put(0, 1500, 1, CellOf).ok());
  // Before a spec names the attribute, it is one like any other.
  ASSERT_TRUE(Put(40, 1, 1, [](uint64_t) { return 12; }).ok());
  ASSERT_TRUE(Put(50, 1, 1, [](uint64_t) { return -1; }).ok());
  Operation failed = Build(Spec());
  EXPECT_EQ(failed.state, OperationState::kFailed);
  // In the order in which they were written.
  EXPECT_THAT(failed.error, Fails(kPrecondition,
                                  "point with id 40: the list_attribute \"cell\" is 12, the lists "
                                  "are 0..11"));
  EXPECT_EQ(engine_->GetIndex("docs")->generation, 0u);
  for (const int64_t bad : {int64_t{-1}, int64_t{12}, int64_t{1} << 32}) {
    const absl::Status status = Put(60, 2, 2, [&](uint64_t i) { return i == 61 ? bad : 3; });
    EXPECT_THAT(status, Fails(kInvalid, "point 1 (id 61): the list_attribute \"cell\" is "));
    EXPECT_THAT(status, Fails(kInvalid, "the lists are 0..11"));
  }
  EXPECT_EQ(cells_[60], CellOf(60)) << "all of a batch or nothing";
  ASSERT_TRUE(Put(40, 11, 2, [](uint64_t) { return 11; }).ok());
  ASSERT_EQ(Build(std::nullopt).state, OperationState::kSucceeded);
  Check();
  // The next build is to have more: until then a point that names one of those is where it is
  // nearest.
  CollectionUpdate more;
  more.index = Spec(13);
  ASSERT_TRUE(engine_->UpdateCollection("docs", more).ok());
  ASSERT_TRUE(Put(70, 1, 3, [](uint64_t) { return 12; }).ok());
  cells_[70] = std::nullopt;
  Check();
  ASSERT_EQ(Build(std::nullopt).state, OperationState::kSucceeded);
  const uint32_t last[] = {12};
  const absl::StatusOr<SearchReply> reply = Search(Query(7, last));
  ASSERT_TRUE(reply.ok()) << reply.status();
  // The only one that names it; to the others it is nearest.
  bool found = false;
  for (const SearchHit& hit : reply->hits) {
    const uint64_t i = std::get<uint64_t>(hit.id);
    found |= i == 70;
    EXPECT_FALSE(cells_[i].has_value()) << i;
  }
  EXPECT_TRUE(found);
}

TEST_F(OwnListsTest, BadSpecs) {
  IndexSpec spec = Spec();
  spec.list_attribute = "none";
  EXPECT_THAT(engine_->BuildIndex("docs", spec).status(),
              Fails(kInvalid, "list_attribute \"none\" is none of the collection's 4 attributes"));
  spec.list_attribute = "score";
  EXPECT_THAT(engine_->BuildIndex("docs", spec).status(),
              Fails(kInvalid, "list_attribute \"score\" is double, it must be int64"));
  EXPECT_THAT(engine_->BuildIndex("docs", Spec(0)).status(), Fails(kInvalid, "lists is 0"));
  CollectionUpdate update;
  update.index = spec;
  EXPECT_THAT(engine_->UpdateCollection("docs", update).status(), Fails(kInvalid, "is double"));
  CollectionSpec other = spec_;
  other.name = "other";
  other.index = Spec();
  EXPECT_THAT(engine_->CreateCollection(other).status(), Fails(kInvalid, "\"cell\" is none of"));
  other.attributes.push_back({"cell", AttributeType::kInt64});
  EXPECT_TRUE(engine_->CreateCollection(other).ok());
  EXPECT_TRUE(engine_->ListOperations().empty());
}

TEST_F(OwnListsTest, BadQueries) {
  ASSERT_TRUE(Put(0, 1500, 1, CellOf).ok());
  const std::vector<uint32_t> lists = {3, 4};
  const auto servers = Fails(kPrecondition, "its lists are the server's");
  EXPECT_THAT(Search(Query(7, lists)).status(), servers) << "it was never built";
  IndexSpec trained;
  trained.lists = kLists;
  ASSERT_EQ(Build(trained).state, OperationState::kSucceeded);
  EXPECT_THAT(Search(Query(7, lists)).status(), servers);
  IndexSpec spec = Spec();
  spec.graph = GraphSpec{.dim = 32, .degree = 8, .ef_construction = 40};
  ASSERT_EQ(Build(spec).state, OperationState::kSucceeded);
  EXPECT_TRUE(Search(Query(7, lists)).ok());
  const std::vector<uint32_t> beyond = {3, 12};
  EXPECT_THAT(Search(Query(7, beyond)).status(),
              Fails(kInvalid, "list 12 at position 1 of those named is not in 0..11"));
  const std::vector<uint32_t> many(65537, 3);
  EXPECT_THAT(Search(Query(7, many)).status(),
              Fails(kInvalid, "65537 lists are named, limit 1..65536"));
  SearchRequest request = Query(7, lists, 10);
  request.how = ExactSearch{};
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "for an exact search"));
  request.how = *ParsePlan("graph=32:40,rescore");
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "for the plan graph=32:40,rescore"));
  // Without a plan it is one for lists.
  request.how = UseDefaultPlan{};
  const absl::StatusOr<SearchReply> reply = Search(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_FALSE(std::get<Plan>(reply->how).graph.has_value());
  EXPECT_EQ(std::get<Plan>(reply->how).coarse.probes, 2u);
  EXPECT_EQ(reply->stages[0].name, std::string("scan"));
  EXPECT_EQ(reply->hits.size(), 10u);
}

TEST_F(OwnListsTest, QueriesOfABatchNameTheirOwn) {
  ASSERT_TRUE(Put(0, 1500, 1, CellOf).ok());
  ASSERT_EQ(Build(Spec()).state, OperationState::kSucceeded);
  struct Feed : QueryFeed {
    std::optional<std::span<const float>> Next(size_t) override {
      if (at == vectors.size()) return std::nullopt;
      return vectors[at++];
    }
    std::span<const uint32_t> Lists(size_t) const override { return lists[at - 1]; }
    void Take(size_t, const SearchReply& reply) override { replies.push_back(reply); }
    std::vector<std::vector<float>> vectors;
    std::vector<std::vector<uint32_t>> lists;
    size_t at = 0;
    std::vector<SearchReply> replies;
  };
  Feed feed;
  for (uint64_t q = 0; q < 4; ++q) feed.vectors.push_back(MakeVector(spec_.schema, q));
  feed.lists = {{1}, {2, 3, 2}, {8, 0, 5}, {11}};
  const std::vector<uint32_t> all = {1, 2, 3, 2, 8, 0, 5, 11};
  SearchRequest request = Query(0, all, 20);
  SearchScratch scratch;
  const SearchView view = *engine_->Pin("docs");
  ASSERT_TRUE(view.SearchMany(request, &feed, &scratch).ok());
  ASSERT_EQ(feed.replies.size(), 4u);
  const uint32_t probes[] = {1, 2, 3, 1};
  for (uint64_t q = 0; q < 4; ++q) {
    const absl::StatusOr<SearchReply> one = Search(Query(q, feed.lists[q], 20));
    ASSERT_TRUE(one.ok()) << one.status();
    EXPECT_EQ(std::get<Plan>(feed.replies[q].how).coarse.probes, probes[q]);
    ASSERT_EQ(one->hits.size(), feed.replies[q].hits.size());
    EXPECT_EQ(one->hits.size(), q == 3 ? 0u : 20u);
    for (size_t i = 0; i < one->hits.size(); ++i) {
      EXPECT_EQ(one->hits[i].id, feed.replies[q].hits[i].id);
      EXPECT_EQ(one->hits[i].score, feed.replies[q].hits[i].score);
    }
  }
  feed.at = 0;
  feed.lists[1] = {};
  EXPECT_THAT(view.SearchMany(request, &feed, &scratch), Fails(kInvalid, "0 lists are named"));
  feed.at = 0;
  feed.lists[1] = {12};
  EXPECT_THAT(view.SearchMany(request, &feed, &scratch), Fails(kInvalid, "list 12"));
}

// Token matrices: the lists are of their FDEs.
TEST(OwnListsMultiTest, TokenMatricesLieWhereTheySay) {
  CollectionSpec spec = MakeMultiSpec(Metric::kDot, Dtype::kF32);
  Oracle oracle(spec);  // its "version" is the list
  TempDir dir;
  EngineOptions options;
  options.data_dir = dir.path();
  std::unique_ptr<Engine> engine = OpenOrDie(options);
  ASSERT_TRUE(engine->CreateCollection(spec).ok());
  for (uint64_t list = 0; list < 4; ++list) oracle.Upsert(engine.get(), list * 300, 300, list);
  IndexSpec index;
  index.lists = 4;
  index.list_attribute = "version";
  const Operation built = Await(*engine, *engine->BuildIndex("docs", index));
  ASSERT_EQ(built.state, OperationState::kSucceeded) << built.error;
  oracle.Upsert(engine.get(), 250, 100, 3);
  const std::vector<float> tokens = oracle.VectorOf(1, 0);
  for (int round = 0; round < 2; ++round) {
    for (uint32_t list = 0; list < 4; ++list) {
      SearchRequest request{.query = TokenQuery{.tokens = tokens}, .limit = 1200};
      request.how = *ParsePlan("coarse=32:1,scan=32:1200,rescore");
      request.lists = {&list, 1};
      SearchReply reply;
      const absl::Status status = engine->Pin("docs")->Search(request, nullptr, &reply);
      ASSERT_TRUE(status.ok()) << status;
      EXPECT_EQ(reply.hits.size(), list == 0 ? 250u : list == 1 ? 250u : list == 2 ? 300u : 400u);
      for (const SearchHit& hit : reply.hits) {
        EXPECT_EQ(oracle.versions().at(std::get<uint64_t>(hit.id)), list);
      }
    }
    oracle.Check(*engine);
    engine.reset();
    engine = OpenOrDie(options);
  }
}

}  // namespace
}  // namespace nestor
