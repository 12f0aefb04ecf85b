// kill -9 in the midst of writes, twenty times in a row on the same data, also of repairs and
// checkpoints of the graph: what was acknowledged is there, with its vector, attributes and
// sequence number; batches are whole or absent; searches find it; the graph lost no more than its
// last checkpoint lacked.
//
// By hand with more: NESTOR_CRASH_CYCLES, NESTOR_CRASH_ROWS, NESTOR_CRASH_DIM.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <thread>
#include <utility>

#include "tests/server/e2e/crash_log.h"
#include "tests/server/e2e/crash_writer.h"
#include "tests/server/e2e/nestord_process.h"
#include "tests/server/e2e/test_server.h"

namespace nestor {
namespace {

constexpr uint64_t kWriters = 3;
constexpr uint32_t kMaxPool = 10000;
constexpr uint32_t kLargePool = 400;  // where kMaxPool does not hold all rows either
constexpr uint32_t kHits = 10;
constexpr int kQueries = 50;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Small where nobody asks for more: it runs in every build.
struct Size {
  uint64_t cycles = FromEnvironment("NESTOR_CRASH_CYCLES", 20);
  uint64_t rows = FromEnvironment("NESTOR_CRASH_ROWS", 1200);
  uint32_t dim = static_cast<uint32_t>(FromEnvironment("NESTOR_CRASH_DIM", 16));
  uint64_t max_batch = std::clamp<uint64_t>(rows / 100, 20, 200);
  // Of a cycle; up to two turnovers where there are many rows.
  uint64_t max_acks = rows > 5000 ? rows * 4 / max_batch : 40;
  // An index is built before this cycle's writes, and in another one a build is cut off.
  uint64_t build_cycle = std::min<uint64_t>(4, cycles / 5);
  uint64_t cut_build_cycle = std::min<uint64_t>(9, cycles / 2);
};

struct Case {
  const char* name;
  bool lists;
  bool graph;
  bool tight;  // upkeep in a loop
};

class CrashTest : public testing::TestWithParam<Case> {
 protected:
  CrashTest() {
    for (uint64_t w = 0; w < kWriters; ++w) {
      const uint64_t ids = size_.rows / kWriters;
      writers_.emplace_back(CrashWriter::Range{w * 10'000'000, ids, size_.dim, size_.max_batch},
                            static_cast<uint32_t>(w + 1));
    }
  }

  std::unique_ptr<NestordProcess> Start() {
    return GetParam().tight
               ? std::make_unique<NestordProcess>(
                     CRASH_SERVER_PATH, std::vector<std::string>{dir_ / "data"}, dir_ / "log")
               : std::make_unique<NestordProcess>(NestordFlags(dir_ / "data"), dir_ / "log");
  }
  std::string Log() const { return ReadCrashLog(dir_ / "log"); }

  void VerifyCount(Stubs& stubs) {
    v1::CountPointsRequest request;
    request.set_collection("c");
    v1::CountPointsResponse reply;
    ASSERT_TRUE(
        CallStub(stubs.points.get(), &v1::PointService::Stub::CountPoints, request, &reply).ok());
    EXPECT_EQ(reply.count(), Alive().size());
  }

  struct Row {
    uint64_t id = 0;
    CrashWriter::Known known;
  };
  std::vector<Row> Alive() const {
    std::vector<Row> rows;
    for (const CrashWriter& writer : writers_) {
      for (const auto& [id, known] : writer.points()) {
        if (known.version != 0) rows.push_back({id, known});
      }
    }
    return rows;
  }

  v1::SearchResponse Search(Stubs& stubs, const v1::SearchRequest& request) {
    v1::SearchResponse reply;
    const grpc::Status status =
        CallStub(stubs.searches.get(), &v1::SearchService::Stub::Search, request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply;
  }
  void SetGraph(uint32_t ef, v1::SearchRequest* request) const {
    request->mutable_plan()->mutable_graph()->set_dim(size_.dim);
    request->mutable_plan()->mutable_graph()->set_ef(ef);
    request->mutable_plan()->set_rescore(true);
  }

  // A sample is found by its own vector, with the sequence number that the store has.
  void VerifySample(Stubs& stubs, const std::vector<Row>& alive) {
    for (size_t i = 0; i < alive.size(); i += alive.size() / 30 + 1) {
      const auto& [id, known] = alive[i];
      v1::SearchRequest request = MakeSearch("c", VectorOf(id, size_.dim, known.version), 1);
      if (built_ && GetParam().graph) SetGraph(kMaxPool, &request);
      const v1::SearchResponse reply = Search(stubs, request);
      ASSERT_EQ(reply.hits_size(), 1);
      EXPECT_EQ(reply.hits(0).id().num(), id);
      EXPECT_EQ(reply.hits(0).score(), 0);
      EXPECT_EQ(reply.hits(0).seq(), known.seq);
    }
  }

  // Answers are those of brute force over what must be there: all of them where the pool holds
  // every row, else as many as those of the graph that was built, but for chance.
  void VerifyAnswers(Stubs& stubs, const std::vector<Row>& alive) {
    std::vector<std::vector<float>> vectors;
    for (const Row& row : alive) vectors.push_back(VectorOf(row.id, size_.dim, row.known.version));
    const uint32_t limit = std::min<uint32_t>(kHits, static_cast<uint32_t>(alive.size()));
    int hits = 0;
    for (int q = 0; q < kQueries; ++q) {
      const std::vector<float> query = VectorOf(999'000'000 + static_cast<uint64_t>(q), size_.dim);
      std::vector<std::pair<double, uint64_t>> nearest;
      for (size_t i = 0; i < alive.size(); ++i) {
        double sum = 0;
        for (uint32_t d = 0; d < size_.dim; ++d) {
          const double difference = static_cast<double>(query[d]) - vectors[i][d];
          sum += difference * difference;
        }
        nearest.emplace_back(sum, alive[i].id);
      }
      std::partial_sort(nearest.begin(), nearest.begin() + limit, nearest.end());
      v1::SearchRequest request = MakeSearch("c", query, limit);
      if (built_ && GetParam().graph) {
        SetGraph(alive.size() <= kMaxPool ? kMaxPool : kLargePool, &request);
      } else {
        request.mutable_exact();
      }
      const v1::SearchResponse reply = Search(stubs, request);
      ASSERT_EQ(reply.hits_size(), static_cast<int>(limit));
      for (uint32_t i = 0; i < limit; ++i) {
        for (uint32_t j = 0; j < limit; ++j) {
          hits += reply.hits(static_cast<int>(i)).id().num() == nearest[j].second ? 1 : 0;
        }
      }
    }
    recall_ = hits / static_cast<double>(kQueries * limit);
    EXPECT_GE(recall_, alive.size() <= kMaxPool ? 1.0 : recall_of_build_ - 0.03);
  }

  // Every row has its node, and only one.
  void VerifyWholeGraph(Stubs& stubs, const std::vector<Row>& alive) {
    const auto limit = static_cast<uint32_t>(std::min<size_t>(alive.size(), kMaxPool));
    v1::SearchRequest request = MakeSearch("c", VectorOf(1, size_.dim, 1), limit);
    SetGraph(kMaxPool, &request);
    const v1::SearchResponse reply = Search(stubs, request);
    EXPECT_EQ(static_cast<uint32_t>(reply.hits_size()), limit);
    std::map<uint64_t, int> times;
    for (const v1::Hit& hit : reply.hits()) ++times[hit.id().num()];
    EXPECT_EQ(times.size(), limit);
  }

  // The rows that were inserted again are among those that the last checkpoint lacked.
  void VerifyReinserted(Stubs& stubs, const std::vector<Row>& alive) {
    const CrashLog log(Log(), "c");
    // A build that took over as the server died: its graph has what there was when it began.
    const uint64_t generation = GetIndex(stubs).generation();
    if (generation != generation_) {
      generation_ = generation;
      stored_seq_ = 0;
      earlier_checkpoints_ = log.checkpoints_before();
    }
    if (log.checkpoints_before() > earlier_checkpoints_) stored_seq_ = log.stored_seq();
    lacked_ = static_cast<uint64_t>(std::count_if(
        alive.begin(), alive.end(), [&](const Row& row) { return row.known.seq > stored_seq_; }));
    reinserted_ = log.reinserted();
    EXPECT_LE(reinserted_, lacked_) << "stored up to sequence " << stored_seq_;
  }

  v1::Index GetIndex(Stubs& stubs) {
    v1::GetIndexRequest request;
    request.set_collection("c");
    v1::Index index;
    const grpc::Status status =
        CallStub(stubs.indexes.get(), &v1::IndexService::Stub::GetIndex, request, &index);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return index;
  }

  v1::Operation StartBuild(Stubs& stubs) {
    v1::BuildIndexRequest request;
    request.set_collection("c");
    if (GetParam().lists) request.mutable_spec()->set_lists(4);
    if (GetParam().graph) {
      request.mutable_spec()->mutable_graph()->set_degree(size_.rows > 5000 ? 28 : 8);
      request.mutable_spec()->set_no_lists(!GetParam().lists);
    }
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

  void Create(Stubs& stubs) {
    v1::Collection made;
    ASSERT_TRUE(CallStub(stubs.collections.get(), &v1::CollectionService::Stub::CreateCollection,
                         MakeCollection("c", size_.dim), &made)
                    .ok());
  }
  // Before the writers start, so that the graph that the build stored holds all rows.
  void Build(Stubs& stubs) {
    // A graph of all rows from the beginning, where it is to be large.
    if (size_.rows > 5000) {
      for (CrashWriter& writer : writers_) writer.Fill(stubs);
    }
    const uint64_t id = StartBuild(stubs).id();
    while (GetOperation(stubs, id).finished_micros() == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(GetOperation(stubs, id).state(), v1::Operation::STATE_SUCCEEDED);
    for (const Row& row : Alive()) stored_seq_ = std::max(stored_seq_, row.known.seq);
    generation_ = GetIndex(stubs).generation();
    earlier_checkpoints_ = CrashLog(Log(), "c").checkpoints();
    built_ = true;
    if (Alive().size() <= kMaxPool) return;
    VerifyAnswers(stubs, Alive());
    recall_of_build_ = recall_;
    EXPECT_GE(recall_, 0.9);
  }
  void Verify(Stubs& stubs) {
    for (CrashWriter& writer : writers_) writer.Verify(stubs);
    if (HasFailure()) return;
    VerifyCount(stubs);
    const std::vector<Row> alive = Alive();
    if (alive.empty()) return;
    VerifySample(stubs, alive);
    VerifyAnswers(stubs, alive);
    if (!GetParam().graph || !built_) return;
    VerifyWholeGraph(stubs, alive);
    VerifyReinserted(stubs, alive);
  }
  void Report(uint64_t cycle, double open_seconds) {
    const CrashLog log(Log(), "c");
    std::printf(
        "%s %2lu: %lu rows in %lu batches acknowledged, %zu there; %lu repairs and %lu checkpoints "
        "so far; inserted again %lu of %lu that the last checkpoint lacked; recall %.3f; serving "
        "after %.2f s\n",
        GetParam().name, cycle, rows_.load(), acks_.load(), Alive().size(), log.repairs(),
        log.checkpoints(), reinserted_, lacked_, recall_, open_seconds);
    std::fflush(stdout);
  }

  const Size size_;
  TempDir dir_;
  std::vector<CrashWriter> writers_;
  std::atomic<uint64_t> acks_{0};  // of a cycle
  std::atomic<uint64_t> rows_{0};  // of a cycle
  bool built_ = false;
  // The last checkpoint of this generation, or its build, stored the rows up to stored_seq_.
  uint64_t stored_seq_ = 0;
  uint64_t generation_ = 0;
  double recall_of_build_ = 0;
  uint64_t earlier_checkpoints_ = 0;  // of other generations
  // Of the last verification.
  uint64_t reinserted_ = 0;
  uint64_t lacked_ = 0;
  double recall_ = 0;
};

TEST_P(CrashTest, KillsLoseNothingAcknowledged) {
  std::mt19937 random(7);
  uint64_t cut_build = 0;
  for (uint64_t cycle = 0; cycle <= size_.cycles; ++cycle) {
    SCOPED_TRACE("cycle " + std::to_string(cycle));
    const auto started = std::chrono::steady_clock::now();
    const std::unique_ptr<NestordProcess> process = Start();
    ASSERT_NE(process->address(), "") << Log();
    Stubs stubs(process->address());
    ASSERT_TRUE(WaitUntilServing(stubs, 60)) << Log();
    const std::chrono::duration<double> open = std::chrono::steady_clock::now() - started;
    if (cycle == 0) {
      Create(stubs);
    } else {
      Verify(stubs);
      if (HasFailure()) FAIL() << Log();
      Report(cycle, open.count());
    }
    if (cut_build != 0) {
      const v1::Operation cut = GetOperation(stubs, cut_build);
      EXPECT_TRUE(cut.state() == v1::Operation::STATE_ABORTED ||
                  cut.state() == v1::Operation::STATE_SUCCEEDED)
          << cut.DebugString();
      cut_build = 0;
    }
    if (cycle == size_.cycles) break;

    if (cycle == size_.build_cycle) Build(stubs);
    acks_ = 0;
    rows_ = 0;
    std::vector<std::thread> threads;
    for (CrashWriter& writer : writers_) {
      threads.emplace_back([&, w = &writer] { w->Write(stubs, &acks_, &rows_); });
    }
    const uint64_t enough = random() % size_.max_acks + 5;
    if (cycle == size_.cut_build_cycle) cut_build = StartBuild(stubs).id();
    while (acks_ < enough && !HasFailure())
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    process->Signal(SIGKILL);
    EXPECT_EQ(process->Wait(), -SIGKILL);
    for (std::thread& thread : threads) thread.join();
  }
  EXPECT_GT(Alive().size(), size_.rows / 3) << "the test wrote too little to show anything";
  if (GetParam().tight) {
    EXPECT_GE(CrashLog(Log(), "c").checkpoints(), size_.cycles / 2);
  }
}

INSTANTIATE_TEST_SUITE_P(Servers, CrashTest,
                         testing::Values(Case{"lists", true, false, false},
                                         Case{"lists_and_graph", true, true, false},
                                         Case{"graph_in_upkeep", false, true, true}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace nestor
