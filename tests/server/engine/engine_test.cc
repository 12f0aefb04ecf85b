#include "server/engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "server/storage/keys.h"
#include "server/storage/records.h"
#include "server/storage/store.h"
#include "tests/server/engine/engine_testutil.h"

namespace nestor {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A status with this code whose message has each of the texts.
MATCHER_P2(Fails, code, text, "") {
  *result_listener << arg;
  return arg.code() == code && absl::StrContains(arg.message(), text);
}

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() : spec_(MakeSpec(Metric::kL2, Dtype::kF32)), oracle_(spec_) {
    options_.data_dir = dir_.path();
    engine_ = OpenOrDie(options_);
    EXPECT_TRUE(engine_->CreateCollection(spec_).ok());
    spec_ = engine_->GetCollection("docs")->spec;
  }

  void Restart() {
    engine_.reset();
    engine_ = OpenOrDie(options_);
  }

  absl::StatusOr<SearchReply> Search(const SearchRequest& request) {
    absl::StatusOr<SearchView> view = engine_->Pin("docs");
    if (!view.ok()) return view.status();
    SearchReply reply;
    if (absl::Status status = view->Search(request, nullptr, &reply); !status.ok()) return status;
    return reply;
  }

  TempDir dir_;
  EngineOptions options_;
  CollectionSpec spec_;
  Oracle oracle_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, Collections) {
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

TEST_F(EngineTest, DeletedCollectionLeavesNothing) {
  oracle_.Upsert(engine_.get(), 0, 1200, 1);
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs")).state, OperationState::kSucceeded);
  ASSERT_TRUE(engine_->DeleteCollection("docs").ok());
  EXPECT_THAT(engine_->Count("docs").status(), Fails(kNotFound, "docs"));
  engine_.reset();
  {
    StoreOptions store_options;
    store_options.data_dir = dir_.path();
    const std::unique_ptr<Store> store = *Store::Open(store_options);
    for (int i = 0; i < kFamilies; ++i) {
      EXPECT_FALSE(store->NewScan(static_cast<Family>(i), UidBegin(1), UidBegin(2)).Valid()) << i;
    }
  }
  engine_ = OpenOrDie(options_);
  ASSERT_TRUE(engine_->CreateCollection(spec_).ok());
  Oracle(spec_).Check(*engine_);
}

TEST_F(EngineTest, BadCollections) {
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

TEST_F(EngineTest, UpdateCollection) {
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

TEST_F(EngineTest, BadWritesChangeNothing) {
  oracle_.Upsert(engine_.get(), 0, 10, 1);
  const uint64_t seq = *engine_->Sequence("docs");
  const std::vector<float> good = oracle_.VectorOf(1, 2);
  const auto upsert = [&](PointInput bad) {
    const std::vector<PointInput> points = {{uint64_t{3}, std::span<const float>(good), {}}, bad};
    return engine_->Upsert("docs", points).status();
  };
  std::vector<float> vector = good;
  const auto span = [&] { return std::span<const float>(vector); };
  EXPECT_THAT(upsert({uint64_t{3}, span(), {}}), Fails(kInvalid, "twice"));
  EXPECT_THAT(upsert({std::string("x"), span(), {}}), Fails(kInvalid, "numbers"));
  EXPECT_THAT(upsert({uint64_t{4}, span().first(31), {}}), Fails(kInvalid, "31"));
  EXPECT_THAT(upsert({uint64_t{4}, PackedVector{Dtype::kF32, "abc"}, {}}), Fails(kInvalid, "128"));
  EXPECT_THAT(upsert({uint64_t{4}, PackedVector{Dtype::kI8, std::string(32, 'a')}, {}}),
              Fails(kInvalid, "i8"));
  EXPECT_THAT(upsert({uint64_t{4}, span(), {{"none", true}}}), Fails(kInvalid, "none"));
  EXPECT_THAT(upsert({uint64_t{4}, span(), {{"name", true}}}), Fails(kInvalid, "string"));
  vector[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(upsert({uint64_t{4}, span(), {}}), Fails(kInvalid, "point 1"));
  vector[5] = 1e30f;
  EXPECT_THAT(upsert({uint64_t{4}, span(), {}}), Fails(kInvalid, "id 4"));
  EXPECT_THAT(engine_->Upsert("docs", {}).status(), Fails(kInvalid, "0 points"));
  EXPECT_THAT(engine_->Upsert("docs", std::vector<PointInput>(10001)).status(),
              Fails(kInvalid, "10001"));
  EXPECT_THAT(engine_->Upsert("none", {}).status(), Fails(kNotFound, "none"));
  const PointId str = std::string("x");
  EXPECT_THAT(engine_->Delete("docs", {&str, 1}).status(), Fails(kInvalid, "numbers"));
  EXPECT_THAT(engine_->Get("docs", {&str, 1}, {}).status(), Fails(kInvalid, "numbers"));
  EXPECT_EQ(*engine_->Sequence("docs"), seq);
  oracle_.Check(*engine_);
}

TEST_F(EngineTest, DeleteIsIdempotent) {
  oracle_.Upsert(engine_.get(), 0, 10, 1);
  const std::vector<PointId> ids = {uint64_t{3}, uint64_t{99}, uint64_t{3}};
  absl::StatusOr<DeleteResult> result = engine_->Delete("docs", ids);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->deleted, 1u);
  EXPECT_EQ(result->seq, 2u);
  result = engine_->Delete("docs", ids);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->deleted, 0u);
  EXPECT_EQ(result->seq, 2u) << "an entry that changes nothing takes no sequence";
}

TEST_F(EngineTest, GetReturnsFoundAndMissing) {
  oracle_.Upsert(engine_.get(), 0, 3, 1);
  const std::vector<PointId> ids = {uint64_t{2}, uint64_t{7}, uint64_t{0}, uint64_t{2}};
  absl::StatusOr<GetResult> result = engine_->Get("docs", ids, {});
  ASSERT_TRUE(result.ok());
  ASSERT_EQ(result->found.size(), 3u);
  EXPECT_EQ(result->found[0].id, PointId(uint64_t{2}));
  EXPECT_EQ(result->found[1].id, PointId(uint64_t{0}));
  EXPECT_EQ(result->found[2].id, PointId(uint64_t{2}));
  EXPECT_THAT(result->missing, ElementsAre(PointId(uint64_t{7})));
  EXPECT_EQ(result->found[0].seq, 1u);
  EXPECT_TRUE(result->found[0].vector.empty());
  EXPECT_TRUE(result->found[0].attributes.empty());
  result = engine_->Get("docs", ids, {.attributes = false, .vector = true});
  EXPECT_EQ(result->found[0].vector.size(), 128u);
  EXPECT_TRUE(result->found[0].attributes.empty());
}

TEST_F(EngineTest, ListPages) {
  oracle_.Upsert(engine_.get(), 0, 700, 1);
  ListRequest request;
  request.limit = 700;
  EXPECT_FALSE(engine_->List("docs", request)->more);
  request.limit = 699;
  absl::StatusOr<ListResult> page = engine_->List("docs", request);
  EXPECT_EQ(page->points.size(), 699u);
  EXPECT_TRUE(page->more);
  request.after = page->points.back().id;
  page = engine_->List("docs", request);
  EXPECT_EQ(page->points.size(), 1u);
  EXPECT_FALSE(page->more);
  request.after.reset();
  request.output.vector = true;
  request.max_bytes = 10 * (128 + 8);
  page = engine_->List("docs", request);
  EXPECT_EQ(page->points.size(), 10u);
  EXPECT_TRUE(page->more);
  request.max_bytes = 1;
  EXPECT_EQ(engine_->List("docs", request)->points.size(), 1u);
  request.limit = 0;
  EXPECT_THAT(engine_->List("docs", request).status(), Fails(kInvalid, "limit is 0"));
  request.limit = 10001;
  EXPECT_THAT(engine_->List("docs", request).status(), Fails(kInvalid, "10001"));
}

TEST_F(EngineTest, SearchByIdLeavesThePointOut) {
  oracle_.Upsert(engine_.get(), 0, 50, 1);
  SearchRequest request;
  request.query = PointId(uint64_t{7});
  request.limit = 50;
  absl::StatusOr<SearchReply> reply = Search(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->hits.size(), 49u);
  for (const SearchHit& hit : reply->hits) EXPECT_NE(hit.id, PointId(uint64_t{7}));
  request.query = PointId(uint64_t{77});
  EXPECT_THAT(Search(request).status(), Fails(kNotFound, "77"));
  request.query = PointId(std::string("x"));
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "numbers"));
}

TEST_F(EngineTest, BadSearches) {
  oracle_.Upsert(engine_.get(), 0, 50, 1);
  std::vector<float> vector = oracle_.VectorOf(1, 1);
  SearchRequest request;
  request.query = std::span<const float>(vector);
  request.limit = 0;
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "limit is 0"));
  request.limit = 10001;
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "10001"));
  request.limit = 10;
  request.how = ExactSearch{9};
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "9"));
  Plan plan;
  plan.coarse = {8, 1};
  plan.scan = {8, 9};
  request.how = plan;
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "9"));
  request.how = ExactSearch{};
  request.query = std::span<const float>(vector).first(16);
  EXPECT_THAT(Search(request).status(), Fails(kInvalid, "16"));
  vector[3] = std::numeric_limits<float>::infinity();
  request.query = std::span<const float>(vector);
  EXPECT_THAT(Search(request).status().code(), kInvalid);
  EXPECT_THAT(engine_->Pin("none").status(), Fails(kNotFound, "none"));
}

TEST_F(EngineTest, SearchSaysWhatRan) {
  oracle_.Upsert(engine_.get(), 0, 1500, 1);
  IndexSpec index;
  index.lists = 8;
  const std::vector<float> vector = oracle_.VectorOf(1, 1);
  SearchRequest request;
  request.query = std::span<const float>(vector);
  EXPECT_EQ(Search(request)->unbuilt, 1500u);
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs", index)).state, OperationState::kSucceeded);

  absl::StatusOr<SearchReply> reply = Search(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->unbuilt, 0u);
  EXPECT_EQ(reply->hits.size(), 10u);
  EXPECT_EQ(reply->hits[0].id, PointId(uint64_t{1}));
  EXPECT_EQ(reply->hits[0].seq, 1u);
  EXPECT_EQ(reply->seq, 3u);
  EXPECT_TRUE(reply->hits[0].attributes.empty());
  EXPECT_TRUE(std::holds_alternative<Plan>(reply->how)) << "the default plan is named";
  EXPECT_FALSE(reply->stages.empty());

  Plan plan;
  plan.coarse = {8, 1000};
  plan.scan = {16, 20};
  request.how = plan;
  reply = Search(request);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(std::get<Plan>(reply->how).coarse.probes, 8u) << "clamped to the lists";
  EXPECT_EQ(reply->score_dim, 16u);

  request.how = ExactSearch{16};
  reply = Search(request);
  EXPECT_EQ(std::get<ExactSearch>(reply->how).dim, 16u);
  EXPECT_EQ(reply->score_dim, 16u);
  request.how = ExactSearch{};
  EXPECT_EQ(std::get<ExactSearch>(Search(request)->how).dim, 32u);
}

TEST_F(EngineTest, ViewKeepsItsSnapshot) {
  oracle_.Upsert(engine_.get(), 0, 100, 1);
  absl::StatusOr<SearchView> view = engine_->Pin("docs");
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->seq(), 1u);
  Oracle later = oracle_;
  later.Upsert(engine_.get(), 0, 50, 2);
  later.Delete(engine_.get(), 50, 50);
  later.Upsert(engine_.get(), 200, 50, 2);
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs")).state, OperationState::kSucceeded);
  later.Upsert(engine_.get(), 0, 50, 3);

  const std::vector<float> vector = oracle_.VectorOf(7, 1);
  SearchRequest request;
  request.limit = 1000;
  request.how = ExactSearch{};
  request.output = {.attributes = true, .vector = true};
  SearchReply reply;
  request.query = std::span<const float>(vector);
  ASSERT_TRUE(view->Search(request, nullptr, &reply).ok());
  ASSERT_EQ(reply.hits.size(), 100u);
  EXPECT_EQ(reply.hits[0].id, PointId(uint64_t{7}));
  EXPECT_EQ(reply.hits[0].score, 0);
  for (const SearchHit& hit : reply.hits) {
    const uint64_t i = std::get<uint64_t>(hit.id);
    EXPECT_EQ(hit.attributes, oracle_.AttributesOf(i, 1)) << i;
    EXPECT_EQ(hit.seq, 1u);
  }
  // By id: overwritten and deleted points are there in the version that the snapshot shows.
  for (uint64_t id : {7u, 77u}) {
    request.query = PointId(id);
    ASSERT_TRUE(view->Search(request, nullptr, &reply).ok());
    EXPECT_EQ(reply.hits.size(), 99u);
  }
  request.query = PointId(uint64_t{210});
  EXPECT_THAT(view->Search(request, nullptr, &reply), Fails(kNotFound, "210"));

  EXPECT_EQ(engine_->Stats("docs")->active_readers, 1u);
  EXPECT_GE(engine_->Stats("docs")->unpurged_rows, 100u);
  later.Check(*engine_);
  { const SearchView gone = *std::move(view); }
  later.Upsert(engine_.get(), 0, 1, 4);
  later.Upsert(engine_.get(), 0, 1, 5);
  EXPECT_EQ(engine_->Stats("docs")->active_readers, 0u);
  EXPECT_LE(engine_->Stats("docs")->unpurged_rows, 2u) << "purged with the next writes";
  later.Check(*engine_);
}

TEST_F(EngineTest, MinSeqWaits) {
  Patience patience;
  patience.deadline = std::chrono::steady_clock::now();
  EXPECT_THAT(engine_->Pin("docs", 5, patience).status(),
              Fails(absl::StatusCode::kDeadlineExceeded, "sequence 5"));
  std::atomic<bool> cancelled{true};
  patience.deadline = std::chrono::steady_clock::time_point::max();
  patience.cancelled = &cancelled;
  EXPECT_THAT(engine_->Pin("docs", 5, patience).status(),
              Fails(absl::StatusCode::kCancelled, "sequence 5"));
  std::thread writer([&] {
    for (uint64_t version = 1; version <= 5; ++version) {
      oracle_.Upsert(engine_.get(), 0, 1, version);
    }
  });
  const absl::StatusOr<SearchView> view = engine_->Pin("docs", 5);
  writer.join();
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(view->seq(), 5u);
}

TEST_F(EngineTest, CancelledAndLateSearches) {
  oracle_.Upsert(engine_.get(), 0, 1000, 1);
  const std::vector<float> vector = oracle_.VectorOf(1, 1);
  SearchRequest request;
  request.query = std::span<const float>(vector);
  const std::atomic<bool> cancelled{true};
  request.patience.cancelled = &cancelled;
  EXPECT_EQ(Search(request).status().code(), absl::StatusCode::kCancelled);
  request.patience.cancelled = nullptr;
  request.patience.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_EQ(Search(request).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(EngineTest, SecondEngineOnTheDirectoryIsRefused) {
  EXPECT_THAT(Engine::Open(options_).status(),
              Fails(absl::StatusCode::kFailedPrecondition, "another server"));
}

TEST_F(EngineTest, UnknownFormatIsRefused) {
  engine_.reset();
  {
    StoreOptions store_options;
    store_options.data_dir = dir_.path();
    const std::unique_ptr<Store> store = *Store::Open(store_options);
    Batch batch(store.get());
    batch.Put(Family::kMeta, FormatKey(), EncodeFormatVersion(7));
    ASSERT_TRUE(store->Write(std::move(batch), true).ok());
  }
  EXPECT_THAT(Engine::Open(options_).status(),
              Fails(absl::StatusCode::kFailedPrecondition, "format version 7"));
}

TEST_F(EngineTest, ClosedEngineAnswersUnavailable) {
  ASSERT_TRUE(engine_->Close().ok());
  ASSERT_TRUE(engine_->Close().ok());
  const auto unavailable = absl::StatusCode::kUnavailable;
  EXPECT_THAT(engine_->Count("docs").status(), Fails(unavailable, "shutting down"));
  EXPECT_THAT(engine_->CreateCollection(spec_).status(), Fails(unavailable, "shutting down"));
  EXPECT_THAT(engine_->DeleteCollection("docs"), Fails(unavailable, "shutting down"));
  EXPECT_THAT(engine_->BuildIndex("docs").status(), Fails(unavailable, "shutting down"));
  EXPECT_EQ(engine_->Stats().collections.size(), 0u);
}

TEST_F(EngineTest, DamagedPointIsReported) {
  oracle_.Upsert(engine_.get(), 0, 10, 1);
  engine_.reset();
  {
    StoreOptions store_options;
    store_options.data_dir = dir_.path();
    const std::unique_ptr<Store> store = *Store::Open(store_options);
    Batch batch(store.get());
    batch.Put(Family::kPoints, PointKey(1, 3), "garbage");
    ASSERT_TRUE(store->Write(std::move(batch), true).ok());
  }
  EXPECT_THAT(Engine::Open(options_).status(), Fails(absl::StatusCode::kDataLoss, "row 3"));
  {
    StoreOptions store_options;
    store_options.data_dir = dir_.path();
    const std::unique_ptr<Store> store = *Store::Open(store_options);
    Batch batch(store.get());
    batch.Delete(Family::kPoints, PointKey(1, 3));
    ASSERT_TRUE(store->Write(std::move(batch), true).ok());
  }
  EXPECT_THAT(Engine::Open(options_).status(),
              Fails(absl::StatusCode::kDataLoss, "row 3 is missing"));
  engine_.reset();
}

TEST_F(EngineTest, CollectionsWithoutTheirCounterAreReported) {
  engine_.reset();
  {
    StoreOptions store_options;
    store_options.data_dir = dir_.path();
    const std::unique_ptr<Store> store = *Store::Open(store_options);
    Batch batch(store.get());
    batch.Delete(Family::kMeta, NextUidKey());
    ASSERT_TRUE(store->Write(std::move(batch), true).ok());
  }
  EXPECT_THAT(Engine::Open(options_).status(), Fails(absl::StatusCode::kDataLoss, "uid 1"));
}

TEST_F(EngineTest, RestartRemovesWhatACrashLeft) {
  oracle_.Upsert(engine_.get(), 0, 1200, 1);
  IndexSpec index;
  index.lists = 4;
  ASSERT_EQ(Await(*engine_, *engine_->BuildIndex("docs", index)).state, OperationState::kSucceeded);
  oracle_.Upsert(engine_.get(), 0, 100, 2);
  engine_.reset();
  StoreOptions store_options;
  store_options.data_dir = dir_.path();
  {
    const std::unique_ptr<Store> store = *Store::Open(store_options);
    Batch batch(store.get());
    // A generation that never became current, postings of rows that are gone, a row that no id
    // names, and a live row whose posting is missing.
    batch.Put(Family::kPostings, PostingKey(1, 2, 0, 5), "");
    batch.Put(Family::kModels, ModelKey(1, 2), "half a model");
    batch.Put(Family::kPostings, PostingKey(1, 1, 0, 100000), "");
    batch.Put(Family::kPoints, PointKey(1, 100000), "nobody's");
    Scan scan = store->NewScan(Family::kPostings, GenerationBegin(1, 1), GenerationBegin(1, 2));
    batch.Delete(Family::kPostings, scan.key());
    ASSERT_TRUE(store->Write(std::move(batch), true).ok());
  }
  engine_ = OpenOrDie(options_);
  oracle_.Check(*engine_);
  EXPECT_EQ(engine_->GetIndex("docs")->lists, 4u);
  engine_.reset();
  {
    const std::unique_ptr<Store> store = *Store::Open(store_options);
    const auto count = [&](Family family) {
      size_t keys = 0;
      for (Scan scan = store->NewScan(family, UidBegin(1), UidBegin(2)); scan.Valid();
           scan.Next()) {
        ++keys;
      }
      return keys;
    };
    EXPECT_EQ(count(Family::kIds), 1200u);
    EXPECT_EQ(count(Family::kPoints), 1200u);
    EXPECT_EQ(count(Family::kPostings), 1200u);
    EXPECT_EQ(count(Family::kModels), 1u);
  }
}

TEST_F(EngineTest, Stats) {
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
