// Writers, readers, builds and collections that come and go, at the same time. Small: it runs under
// ThreadSanitizer too.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/engine/engine_testutil.h"

namespace nestor {
namespace {

constexpr uint64_t kWriters = 4;
constexpr uint64_t kPointsOfWriter = 200;
constexpr int kRounds = 40;

int64_t VersionOf(const Attributes& attributes) {
  for (const Attribute& attribute : attributes) {
    if (attribute.name == "version") return std::get<int64_t>(attribute.value);
  }
  return -1;
}

// Every batch of a writer gives all its points the same version, so that a snapshot in which they
// differ shows half a batch.
class ConcurrencyTest : public ::testing::Test {
 protected:
  ConcurrencyTest() : spec_(MakeSpec(Metric::kL2, Dtype::kF32)), oracle_(spec_) {
    options_.data_dir = dir_.path();
    engine_ = OpenOrDie(options_);
    EXPECT_TRUE(engine_->CreateCollection(spec_).ok());
    for (uint64_t writer = 0; writer < kWriters; ++writer) {
      oracle_.Upsert(engine_.get(), writer * kPointsOfWriter, kPointsOfWriter, 1);
    }
  }

  void Write(uint64_t writer, int round) {
    std::vector<std::vector<float>> vectors;
    std::vector<PointInput> points;
    const uint64_t first = writer * kPointsOfWriter;
    for (uint64_t i = first; i < first + kPointsOfWriter; ++i) {
      vectors.push_back(oracle_.VectorOf(i, round));
    }
    for (uint64_t i = first; i < first + kPointsOfWriter; ++i) {
      points.push_back(
          {PointId(i), std::span<const float>(vectors[i - first]), oracle_.AttributesOf(i, round)});
    }
    const absl::StatusOr<UpsertResult> result = engine_->Upsert("docs", points);
    ASSERT_TRUE(result.ok()) << result.status();
    // Read your own write.
    const PointId id = first;
    const absl::StatusOr<GetResult> got = engine_->Get("docs", {&id, 1}, {.attributes = true});
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_EQ(got->found.size(), 1u);
    ASSERT_GE(got->found[0].seq, result->seq);
    ASSERT_EQ(VersionOf(got->found[0].attributes), round);
  }

  void CheckSnapshot(const std::vector<float>& query, SearchScratch* scratch) {
    absl::StatusOr<SearchView> view = engine_->Pin("docs");
    ASSERT_TRUE(view.ok()) << view.status();
    SearchRequest request;
    request.query = std::span<const float>(query);
    request.limit = kMaxLimit;
    request.how = ExactSearch{};
    request.output.attributes = true;
    SearchReply reply;
    absl::Status status = view->Search(request, scratch, &reply);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(reply.hits.size(), kWriters * kPointsOfWriter);
    std::set<uint64_t> ids;
    std::vector<std::set<int64_t>> versions(kWriters);
    for (const SearchHit& hit : reply.hits) {
      const uint64_t id = std::get<uint64_t>(hit.id);
      ASSERT_TRUE(ids.insert(id).second);
      versions[id / kPointsOfWriter].insert(VersionOf(hit.attributes));
    }
    for (const auto& of_writer : versions) ASSERT_EQ(of_writer.size(), 1u) << "half a batch";
    request.how = UseDefaultPlan{};
    request.limit = 10;
    status = view->Search(request, scratch, &reply);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(reply.hits.size(), 10u);
  }

  TempDir dir_;
  EngineOptions options_;
  CollectionSpec spec_;
  Oracle oracle_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(ConcurrencyTest, WritersReadersAndBuilds) {
  std::atomic<uint64_t> writing{kWriters};
  std::vector<std::thread> threads;
  for (uint64_t writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (int round = 2; round < kRounds + 2; ++round) Write(writer, round);
      --writing;
    });
  }
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&, reader] {
      const std::vector<float> query = oracle_.VectorOf(reader, 1);
      SearchScratch scratch;
      while (writing.load() > 0) {
        CheckSnapshot(query, reader == 0 ? &scratch : nullptr);
        const absl::StatusOr<ListResult> page = engine_->List("docs", {.limit = 50});
        ASSERT_TRUE(page.ok()) << page.status();
        ASSERT_EQ(page->points.size(), 50u);
        const EngineStats stats = engine_->Stats();
        ASSERT_EQ(stats.collections.size(), 1u);
      }
    });
  }
  while (writing.load() > 0) {
    const Operation operation = Await(*engine_, *engine_->BuildIndex("docs"));
    ASSERT_EQ(operation.state, OperationState::kSucceeded) << operation.error;
  }
  for (std::thread& thread : threads) thread.join();
  for (uint64_t i = 0; i < kWriters * kPointsOfWriter; ++i) oracle_.Note(i, kRounds + 1);
  oracle_.Check(*engine_);
  const EngineStats stats = engine_->Stats();
  EXPECT_EQ(stats.writes, kWriters * (kRounds + 1));
  engine_.reset();
  engine_ = OpenOrDie(options_);
  oracle_.Check(*engine_);
}

// Writers fight over the same ids, so that a group holds several entries of one id.
TEST_F(ConcurrencyTest, SameIdsInOneGroup) {
  std::vector<std::thread> threads;
  for (uint64_t writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      std::mt19937_64 random(writer);
      for (int round = 0; round < 60; ++round) {
        const uint64_t i = 1000 + random() % 3;
        const PointId id = i;
        if (random() % 3 == 0) {
          ASSERT_TRUE(engine_->Delete("docs", {&id, 1}).ok());
        } else {
          const std::vector<float> vector = oracle_.VectorOf(i, writer);
          const PointInput point{id, std::span<const float>(vector),
                                 oracle_.AttributesOf(i, writer)};
          ASSERT_TRUE(engine_->Upsert("docs", {&point, 1}).ok());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Whoever came last: what the store holds, memory holds, before and after a restart.
  for (int restart = 0; restart < 2; ++restart) {
    Oracle now = oracle_;
    const std::vector<PointId> ids = {uint64_t{1000}, uint64_t{1001}, uint64_t{1002}};
    const absl::StatusOr<GetResult> got = engine_->Get("docs", ids, {.attributes = true});
    ASSERT_TRUE(got.ok());
    for (const Point& point : got->found) {
      now.Note(std::get<uint64_t>(point.id), VersionOf(point.attributes));
    }
    now.Check(*engine_);
    engine_.reset();
    engine_ = OpenOrDie(options_);
  }
}

TEST_F(ConcurrencyTest, CollectionsComeAndGo) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      const std::vector<float> vector = oracle_.VectorOf(t, 1);
      while (!stop.load()) {
        const PointInput point{uint64_t(t), std::span<const float>(vector), {}};
        const absl::Status written = engine_->Upsert("brief", {&point, 1}).status();
        ASSERT_TRUE(written.ok() || absl::IsNotFound(written)) << written;
        absl::StatusOr<SearchView> view = engine_->Pin("brief");
        if (!view.ok()) {
          ASSERT_TRUE(absl::IsNotFound(view.status())) << view.status();
          continue;
        }
        SearchRequest request;
        request.query = std::span<const float>(vector);
        request.output.attributes = true;
        SearchReply reply;
        const absl::Status searched = view->Search(request, nullptr, &reply);
        ASSERT_TRUE(searched.ok()) << searched;
      }
    });
  }
  CollectionSpec brief = spec_;
  brief.name = "brief";
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(engine_->CreateCollection(brief).ok());
    engine_->BuildIndex("brief").status().IgnoreError();
    ASSERT_TRUE(engine_->DeleteCollection("brief").ok());
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  oracle_.Check(*engine_);
}

}  // namespace
}  // namespace nestor
