// Searches of a snapshot: what they refuse, what they say, what they wait for.
#include <atomic>
#include <chrono>
#include <limits>
#include <thread>
#include <vector>

#include "tests/server/engine/engine_fixture.h"

namespace nestor {
namespace {

using SearchTest = EngineTest;

TEST_F(SearchTest, SearchByIdLeavesThePointOut) {
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

TEST_F(SearchTest, BadSearches) {
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

TEST_F(SearchTest, SearchSaysWhatRan) {
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

TEST_F(SearchTest, ViewKeepsItsSnapshot) {
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

TEST_F(SearchTest, MinSeqWaits) {
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

TEST_F(SearchTest, CancelledAndLateSearches) {
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

}  // namespace
}  // namespace nestor
