// Collections: made, changed, refused, deleted; what the engine tells about them.
#include <string>

#include "server/storage/keys.h"
#include "tests/server/engine/engine_fixture.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;

using CollectionsTest = EngineTest;

TEST_F(CollectionsTest, Collections) {
  const absl::StatusOr<CollectionInfo> info = engine_->GetCollection("docs");
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->uid, 1u);
  EXPECT_EQ(info->points, 0u);
  EXPECT_EQ(info->seq, 0u);
  EXPECT_THAT(info->spec.attributes, ElementsAre(AttributeField{"name", AttributeType::kString},
                                                 AttributeField{"score", AttributeType::kDouble},
                                                 AttributeField{"version", AttributeType::kInt64}));
  EXPECT_THAT(engine_->CreateCollection(spec_).status(),
              Fails(absl::StatusCode::kAlreadyExists, "docs"));
  CollectionSpec other = spec_;
  other.name = "another";
  EXPECT_EQ(engine_->CreateCollection(other)->uid, 2u);
  const std::vector<CollectionInfo> all = engine_->ListCollections();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].spec.name, "another");
  EXPECT_EQ(all[1].spec.name, "docs");

  // A uid is never used again, also across a restart.
  ASSERT_TRUE(engine_->DeleteCollection("another").ok());
  EXPECT_THAT(engine_->DeleteCollection("another"), Fails(kNotFound, "another"));
  EXPECT_THAT(engine_->GetCollection("another").status(), Fails(kNotFound, "another"));
  Restart();
  EXPECT_EQ(engine_->ListCollections().size(), 1u);
  EXPECT_EQ(engine_->CreateCollection(other)->uid, 3u);
}

TEST_F(CollectionsTest, DeletedCollectionLeavesNothing) {
  oracle_.Upsert(engine_.get(), 0, 1200, 1);
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs")).state, OperationState::kSucceeded);
  ASSERT_TRUE(engine_->DeleteCollection("docs").ok());
  EXPECT_THAT(engine_->Count("docs").status(), Fails(kNotFound, "docs"));
  ChangeStore([](Store* store, Batch*) {
    for (int i = 0; i < kFamilies; ++i) {
      EXPECT_FALSE(store->NewScan(static_cast<Family>(i), UidBegin(1), UidBegin(2)).Valid()) << i;
    }
  });
  engine_ = OpenOrDie(options_);
  ASSERT_TRUE(engine_->CreateCollection(spec_).ok());
  Oracle(spec_).Check(*engine_);
}

TEST_F(CollectionsTest, BadCollections) {
  const auto create = [&](auto change) {
    CollectionSpec spec = spec_;
    spec.name = "bad";
    change(&spec);
    return engine_->CreateCollection(spec).status();
  };
  EXPECT_THAT(create([](auto* s) { s->name = ""; }), Fails(kInvalid, "1..128"));
  EXPECT_THAT(create([](auto* s) { s->name = ".hidden"; }), Fails(kInvalid, ".hidden"));
  EXPECT_THAT(create([](auto* s) { s->name = "a/b"; }), Fails(kInvalid, "a/b"));
  EXPECT_THAT(create([](auto* s) { s->name = std::string(129, 'a'); }), Fails(kInvalid, "129"));
  EXPECT_THAT(create([](auto* s) { s->schema.nesting = {64, 16}; }), Fails(kInvalid, ""));
  EXPECT_THAT(create([](auto* s) { s->index.coarse_dim = 9; }), Fails(kInvalid, "9"));
  EXPECT_THAT(create([](auto* s) {
                s->attributes = {{"a b", AttributeType::kBool}};
              }),
              Fails(kInvalid, "a b"));
  EXPECT_THAT(create([](auto* s) {
                s->attributes = {{"a", AttributeType::kBool}, {"a", AttributeType::kInt64}};
              }),
              Fails(kInvalid, "twice"));
  EXPECT_EQ(engine_->ListCollections().size(), 1u);
}

TEST_F(CollectionsTest, UpdateCollection) {
  CollectionUpdate update;
  update.durability = Durability::kAsync;
  update.index = IndexSpec{.coarse_dim = 8, .lists = 7};
  update.exact_vectors = ExactVectors::kStore;
  update.add_attributes = {{"flag", AttributeType::kBool}, {"name", AttributeType::kString}};
  const absl::StatusOr<CollectionInfo> info = engine_->UpdateCollection("docs", update);
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->spec.durability, Durability::kAsync);
  EXPECT_EQ(info->spec.index.lists, 7u);
  EXPECT_EQ(info->spec.index.exact_vectors, ExactVectors::kStore);
  EXPECT_EQ(info->spec.attributes.size(), 4u);
  EXPECT_EQ(engine_->GetIndex("docs")->spec.exact_vectors, ExactVectors::kMemory);

  update = CollectionUpdate();
  update.add_attributes = {{"name", AttributeType::kBool}};
  EXPECT_THAT(engine_->UpdateCollection("docs", update).status(), Fails(kInvalid, "name"));
  update = CollectionUpdate();
  update.index = IndexSpec{.coarse_dim = 5};
  EXPECT_THAT(engine_->UpdateCollection("docs", update).status(), Fails(kInvalid, "5"));
  EXPECT_THAT(engine_->UpdateCollection("none", {}).status(), Fails(kNotFound, "none"));

  Restart();
  EXPECT_EQ(engine_->GetCollection("docs")->spec, info->spec);
  EXPECT_EQ(engine_->GetCollection("docs")->created_micros, info->created_micros);
  EXPECT_GT(info->created_micros, 0);
  EXPECT_EQ(engine_->GetIndex("docs")->spec.exact_vectors, ExactVectors::kStore);
  const std::vector<float> vector = oracle_.VectorOf(1, 1);
  const PointInput point{uint64_t{1}, std::span<const float>(vector), {{"flag", true}}};
  ASSERT_TRUE(engine_->Upsert("docs", {&point, 1}).ok());
}

TEST_F(CollectionsTest, Stats) {
  oracle_.Upsert(engine_.get(), 0, 100, 1);
  oracle_.Delete(engine_.get(), 0, 10);
  SearchRequest request;
  request.query = PointId(uint64_t{50});
  ASSERT_TRUE(Search(request).ok());
  const EngineStats stats = engine_->Stats();
  EXPECT_EQ(stats.writes, 2u);
  EXPECT_EQ(stats.write_groups, 2u);
  EXPECT_EQ(stats.searches, 1u);
  EXPECT_GT(stats.store_memtable_bytes, 0u);
  ASSERT_EQ(stats.collections.size(), 1u);
  EXPECT_EQ(stats.collections[0].name, "docs");
  EXPECT_EQ(stats.collections[0].points, 90u);
  EXPECT_EQ(stats.collections[0].index.dead_rows, 10u);
  EXPECT_GT(stats.collections[0].index.memory.Total(), 100u * 32 * 4);
  EXPECT_GT(stats.collections[0].index.id_map_bytes, 90u * 12);
  EXPECT_TRUE(engine_->Health().ok());
}

}  // namespace
}  // namespace nestor
