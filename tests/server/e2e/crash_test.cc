// kill -9 in the midst of writes, twenty times in a row on the same data: what was acknowledged is
// there, with its vector, attributes and sequence number; batches are whole or absent; searches
// find it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "tests/server/e2e/nestord_process.h"
#include "tests/server/e2e/test_server.h"

namespace nestor {
namespace {

constexpr uint32_t kDim = 16;
constexpr int kRounds = 20;
constexpr uint64_t kWriters = 3;
constexpr uint64_t kIdsPerWriter = 400;
constexpr int kAcksPerRound = 40;
// After so many rounds an index is built, and in another one a build is cut off.
constexpr int kBuildRound = 4;
constexpr int kCutBuildRound = 9;

// What is known of a point: the version written last, 0 = absent; its seq, 0 where the write that
// made it was never acknowledged.
struct Known {
  uint64_t version = 0;
  uint64_t seq = 0;
};

// One batch, whose fate is open until it is acknowledged.
struct Attempt {
  std::vector<uint64_t> ids;
  uint64_t version = 0;  // 0 = delete
};

// The oracle of one writer. The ids of the writers do not overlap, so each one's writes are in
// order.
struct Writer {
  uint64_t first_id = 0;
  uint64_t next_version = 1;
  std::mt19937 random;
  std::map<uint64_t, Known> points;
  std::optional<Attempt> open;
};

v1::PointId NumId(uint64_t id) {
  v1::PointId out;
  out.set_num(id);
  return out;
}

// The parameter: whether builds make a graph, beside the lists.
class CrashTest : public testing::TestWithParam<bool> {
 protected:
  CrashTest() {
    for (uint64_t w = 0; w < kWriters; ++w) {
      Writer writer;
      writer.first_id = w * 10000;
      writer.random.seed(static_cast<uint32_t>(w + 1));
      writers_.push_back(std::move(writer));
    }
  }

  std::string Log() const {
    std::ifstream file(dir_ / "log");
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  // Writes until a call fails.
  void Write(Stubs& stubs, Writer* writer) {
    for (;;) {
      Attempt attempt;
      const uint64_t count = 1 + writer->random() % 20;
      const uint64_t first = writer->first_id + writer->random() % (kIdsPerWriter - 20);
      for (uint64_t id = first; id < first + count; ++id) attempt.ids.push_back(id);
      const bool erase = writer->random() % 6 == 0;
      attempt.version = erase ? 0 : writer->next_version++;
      writer->open = attempt;
      uint64_t seq = 0;
      grpc::Status status;
      if (erase) {
        v1::DeletePointsRequest request;
        request.set_collection("c");
        for (const uint64_t id : attempt.ids) *request.add_ids() = NumId(id);
        v1::DeletePointsResponse reply;
        status =
            CallStub(stubs.points.get(), &v1::PointService::Stub::DeletePoints, request, &reply);
      } else {
        v1::UpsertPointsResponse reply;
        status = CallStub(stubs.points.get(), &v1::PointService::Stub::UpsertPoints,
                          MakeUpsert("c", first, count, kDim, attempt.version), &reply);
        seq = reply.seq();
      }
      if (!status.ok()) {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
        return;
      }
      for (const uint64_t id : attempt.ids) writer->points[id] = {attempt.version, seq};
      writer->open.reset();
      ++acks_;
    }
  }

  // What the server has of a writer's ids.
  static std::map<uint64_t, v1::Point> Read(Stubs& stubs, const Writer& writer) {
    v1::GetPointsRequest request;
    request.set_collection("c");
    request.mutable_output()->add_attributes("*");
    request.mutable_output()->set_vectors(true);
    for (uint64_t i = 0; i < kIdsPerWriter; ++i) *request.add_ids() = NumId(writer.first_id + i);
    v1::GetPointsResponse reply;
    const grpc::Status status =
        CallStub(stubs.points.get(), &v1::PointService::Stub::GetPoints, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::map<uint64_t, v1::Point> found;
    for (const v1::Point& point : reply.points()) found[point.id().num()] = point;
    return found;
  }

  // Whether the batch that was on its way happened: all of it, or nothing.
  static void Settle(const std::map<uint64_t, v1::Point>& found, Writer* writer) {
    if (!writer->open.has_value()) return;
    const Attempt attempt = *writer->open;
    writer->open.reset();
    const auto version_of = [&](uint64_t id) -> uint64_t {
      const auto it = found.find(id);
      return it == found.end()
                 ? 0
                 : static_cast<uint64_t>(it->second.attributes().at("n").int64_value());
    };
    size_t happened = 0;
    size_t did_not = 0;
    for (const uint64_t id : attempt.ids) {
      const uint64_t before = writer->points[id].version;
      if (before == attempt.version) continue;  // a delete of what was absent shows nothing
      ++(version_of(id) == attempt.version ? happened : did_not);
    }
    EXPECT_TRUE(happened == 0 || did_not == 0)
        << "half a batch: " << happened << " of " << happened + did_not << " rows";
    if (happened > 0) {
      for (const uint64_t id : attempt.ids) writer->points[id] = {attempt.version, 0};
    }
  }

  void Verify(Stubs& stubs, Writer* writer) {
    const std::map<uint64_t, v1::Point> found = Read(stubs, *writer);
    Settle(found, writer);
    for (const auto& [id, known] : writer->points) {
      const auto it = found.find(id);
      if (known.version == 0) {
        EXPECT_TRUE(it == found.end()) << "id " << id << " was deleted";
        continue;
      }
      ASSERT_TRUE(it != found.end())
          << "id " << id << " of version " << known.version << " is lost";
      const v1::Point& point = it->second;
      EXPECT_EQ(point.attributes().at("n").int64_value(), static_cast<int64_t>(known.version))
          << id;
      EXPECT_EQ(point.attributes().at("s").string_value(), "point " + std::to_string(id));
      EXPECT_EQ(point.vector().packed().data(), Bytes(VectorOf(id, kDim, known.version))) << id;
      if (known.seq != 0) {
        EXPECT_EQ(point.seq(), known.seq) << id;
      }
    }
    // A sample is found by search, with the sequence number that the store has.
    int searched = 0;
    for (const auto& [id, known] : writer->points) {
      if (known.version == 0 || ++searched > 10) continue;
      v1::SearchResponse reply;
      v1::SearchRequest request = MakeSearch("c", VectorOf(id, kDim, known.version), 1);
      if (built_ && GetParam()) SetWholeGraph(&request);
      const grpc::Status status =
          CallStub(stubs.searches.get(), &v1::SearchService::Stub::Search, request, &reply);
      ASSERT_TRUE(status.ok()) << status.error_message();
      ASSERT_EQ(reply.hits_size(), 1);
      EXPECT_EQ(reply.hits(0).id().num(), id);
      EXPECT_EQ(reply.hits(0).score(), 0);
      EXPECT_EQ(reply.hits(0).seq(), found.at(id).seq());
    }
  }

  void VerifyCount(Stubs& stubs) {
    uint64_t wanted = 0;
    for (const Writer& writer : writers_) {
      for (const auto& [id, known] : writer.points) wanted += known.version != 0;
    }
    v1::CountPointsRequest request;
    request.set_collection("c");
    v1::CountPointsResponse reply;
    ASSERT_TRUE(
        CallStub(stubs.points.get(), &v1::PointService::Stub::CountPoints, request, &reply).ok());
    EXPECT_EQ(reply.count(), wanted);
  }

  // A pool for all rows: nothing is left to chance.
  static void SetWholeGraph(v1::SearchRequest* request) {
    v1::Graph* graph = request->mutable_plan()->mutable_graph();
    graph->set_dim(kDim);
    graph->set_ef(10000);
    request->mutable_plan()->set_rescore(true);
  }

  // Every row has its node, and only one.
  void VerifyGraph(Stubs& stubs) {
    uint32_t wanted = 0;
    for (const Writer& writer : writers_) {
      for (const auto& [id, known] : writer.points) wanted += known.version != 0 ? 1 : 0;
    }
    if (wanted == 0) return;
    v1::SearchRequest request = MakeSearch("c", VectorOf(1, kDim, 1), wanted);
    SetWholeGraph(&request);
    v1::SearchResponse reply;
    const grpc::Status status =
        CallStub(stubs.searches.get(), &v1::SearchService::Stub::Search, request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(static_cast<uint32_t>(reply.hits_size()), wanted);
  }

  v1::Operation StartBuild(Stubs& stubs) {
    v1::BuildIndexRequest request;
    request.set_collection("c");
    request.mutable_spec()->set_lists(4);
    if (GetParam()) request.mutable_spec()->mutable_graph()->set_degree(8);
    v1::Operation operation;
    const grpc::Status status =
        CallStub(stubs.indexes.get(), &v1::IndexService::Stub::BuildIndex, request, &operation);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return operation;
  }
  static v1::Operation GetOperation(Stubs& stubs, uint64_t id) {
    v1::GetOperationRequest request;
    request.set_id(id);
    v1::Operation operation;
    const grpc::Status status =
        CallStub(stubs.admin.get(), &v1::AdminService::Stub::GetOperation, request, &operation);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return operation;
  }

  TempDir dir_;
  std::vector<Writer> writers_;
  std::atomic<int> acks_{0};
  bool built_ = false;
};

TEST_P(CrashTest, TwentyKillsLoseNothingAcknowledged) {
  std::mt19937 random(7);
  uint64_t cut_build = 0;
  for (int round = 0; round <= kRounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    NestordProcess process(NestordFlags(dir_ / "data"), dir_ / "log");
    ASSERT_NE(process.address(), "") << Log();
    Stubs stubs(process.address());
    ASSERT_TRUE(WaitUntilServing(stubs, 60)) << Log();
    if (round == 0) {
      v1::Collection made;
      ASSERT_TRUE(CallStub(stubs.collections.get(), &v1::CollectionService::Stub::CreateCollection,
                           MakeCollection("c", kDim), &made)
                      .ok());
    } else {
      for (Writer& writer : writers_) Verify(stubs, &writer);
      VerifyCount(stubs);
      if (GetParam() && built_) VerifyGraph(stubs);
      if (HasFailure()) FAIL() << Log();
    }
    if (cut_build != 0) {
      const v1::Operation cut = GetOperation(stubs, cut_build);
      EXPECT_TRUE(cut.state() == v1::Operation::STATE_ABORTED ||
                  cut.state() == v1::Operation::STATE_SUCCEEDED)
          << cut.DebugString();
      cut_build = 0;
    }
    if (round == kRounds) break;

    if (round == kBuildRound) {
      uint64_t id = StartBuild(stubs).id();
      while (GetOperation(stubs, id).finished_micros() == 0) std::this_thread::yield();
      EXPECT_EQ(GetOperation(stubs, id).state(), v1::Operation::STATE_SUCCEEDED);
      built_ = true;
    }
    acks_ = 0;
    std::vector<std::thread> threads;
    for (Writer& writer : writers_) threads.emplace_back([&, w = &writer] { Write(stubs, w); });
    const int enough = static_cast<int>(random() % kAcksPerRound) + 5;
    if (round == kCutBuildRound) cut_build = StartBuild(stubs).id();
    while (acks_ < enough) std::this_thread::yield();
    process.Signal(SIGKILL);
    EXPECT_EQ(process.Wait(), -SIGKILL);
    for (std::thread& thread : threads) thread.join();
  }
  size_t points = 0;
  for (const Writer& writer : writers_) points += writer.points.size();
  EXPECT_GT(points, kWriters * kIdsPerWriter / 3) << "the test wrote too little to show anything";
}

INSTANTIATE_TEST_SUITE_P(Sources, CrashTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "lists_and_graph" : "lists"; });

}  // namespace
}  // namespace nestor
