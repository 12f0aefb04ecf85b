// nestord as a process: start, restart, signals, exit codes, logs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/server/e2e/nestord_process.h"
#include "tests/server/e2e/test_server.h"

namespace nestor {
namespace {

using testing::HasSubstr;

constexpr uint32_t kDim = 16;

class ShutdownTest : public testing::Test {
 protected:
  std::string Log() const {
    std::ifstream file(dir_ / "log");
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  std::vector<std::string> Flags() const { return NestordFlags(dir_ / "data"); }
  std::unique_ptr<NestordProcess> Start() { return StartWith(Flags()); }
  std::unique_ptr<NestordProcess> StartWith(const std::vector<std::string>& flags) {
    auto process = std::make_unique<NestordProcess>(flags, dir_ / "log");
    EXPECT_NE(process->address(), "") << Log();
    return process;
  }
  static void Create(Stubs& stubs) {
    v1::Collection made;
    const grpc::Status status =
        CallStub(stubs.collections.get(), &v1::CollectionService::Stub::CreateCollection,
                 MakeCollection("c", kDim), &made);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  static uint64_t Upsert(Stubs& stubs, uint64_t first, uint64_t count) {
    v1::UpsertPointsResponse wrote;
    const grpc::Status status = CallStub(stubs.points.get(), &v1::PointService::Stub::UpsertPoints,
                                         MakeUpsert("c", first, count, kDim), &wrote);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return wrote.seq();
  }

  TempDir dir_;
};

TEST_F(ShutdownTest, LogsAreJsonLinesFromStartToEnd) {
  std::vector<std::string> flags = Flags();
  flags.insert(flags.end(), {"--log-format", "json", "--log-level", "debug"});
  const auto process = StartWith(flags);
  EXPECT_TRUE(WaitUntilServing(Stubs(process->address()), 60));
  process->Signal(SIGTERM);
  EXPECT_EQ(process->Wait(), 0);
  std::ifstream file(dir_ / "log");
  std::string line;
  std::vector<std::string> events;
  while (std::getline(file, line)) {
    const auto parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(parsed.is_object()) << line;
    EXPECT_TRUE(parsed.contains("time") && parsed.contains("level")) << line;
    events.push_back(parsed.value("event", ""));
  }
  EXPECT_THAT(events, testing::IsSupersetOf({"listening", "serving", "stopping", "stopped"}));
}

TEST_F(ShutdownTest, ARestartAnswersAsBeforeWithoutBuilding) {
  constexpr uint64_t kPoints = 1200;
  std::vector<std::string> before;
  const auto answers = [](Stubs& stubs) {
    std::vector<std::string> all;
    for (uint64_t i = 0; i < 20; ++i) {
      v1::SearchRequest request = MakeSearch("c", VectorOf(5000 + i, kDim), 10);
      v1::SearchResponse reply;
      EXPECT_TRUE(
          CallStub(stubs.searches.get(), &v1::SearchService::Stub::Search, request, &reply).ok());
      reply.clear_stages();  // times differ
      all.push_back(reply.DebugString());
    }
    return all;
  };
  v1::GetIndexRequest get;
  get.set_collection("c");
  v1::Index built;
  {
    const auto process = Start();
    Stubs stubs(process->address());
    ASSERT_TRUE(WaitUntilServing(stubs, 60));
    Create(stubs);
    Upsert(stubs, 0, kPoints);
    v1::BuildIndexRequest build;
    build.set_collection("c");
    build.mutable_spec()->set_lists(6);
    v1::Operation operation;
    ASSERT_TRUE(
        CallStub(stubs.indexes.get(), &v1::IndexService::Stub::BuildIndex, build, &operation).ok());
    v1::GetOperationRequest poll;
    poll.set_id(operation.id());
    while (operation.finished_micros() == 0) {
      ASSERT_TRUE(
          CallStub(stubs.admin.get(), &v1::AdminService::Stub::GetOperation, poll, &operation)
              .ok());
    }
    ASSERT_EQ(operation.state(), v1::Operation::STATE_SUCCEEDED);
    Upsert(stubs, kPoints, 10);  // into the built lists
    before = answers(stubs);
    ASSERT_TRUE(CallStub(stubs.indexes.get(), &v1::IndexService::Stub::GetIndex, get, &built).ok());
    process->Signal(SIGTERM);
    EXPECT_EQ(process->Wait(), 0) << Log();
  }
  const auto process = Start();
  Stubs stubs(process->address());
  ASSERT_TRUE(WaitUntilServing(stubs, 60));
  EXPECT_EQ(answers(stubs), before);
  v1::Index index;
  ASSERT_TRUE(CallStub(stubs.indexes.get(), &v1::IndexService::Stub::GetIndex, get, &index).ok());
  EXPECT_EQ(index.generation(), 1u);
  EXPECT_EQ(index.lists(), built.lists());
  EXPECT_EQ(index.rows(), kPoints + 10);
  EXPECT_EQ(index.state(), v1::Index::STATE_READY);
  v1::ListOperationsResponse operations;
  ASSERT_TRUE(CallStub(stubs.admin.get(), &v1::AdminService::Stub::ListOperations,
                       v1::ListOperationsRequest(), &operations)
                  .ok());
  EXPECT_EQ(operations.operations_size(), 1) << "nothing was built again";
}

TEST_F(ShutdownTest, SigtermUnderLoadLosesNoAcknowledgedWrite) {
  std::mutex mutex;
  std::map<uint64_t, uint64_t> acknowledged;  // first id of a batch of 3 -> seq
  std::atomic<int> searches{0};
  {
    const auto process = Start();
    Stubs stubs(process->address());
    ASSERT_TRUE(WaitUntilServing(stubs, 60));
    Create(stubs);
    Upsert(stubs, 0, 3);
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (uint64_t t = 1; t <= 3; ++t) {
      threads.emplace_back([&, t] {
        for (uint64_t first = t * 1'000'000; !stop; first += 3) {
          v1::UpsertPointsResponse wrote;
          const grpc::Status status =
              CallStub(stubs.points.get(), &v1::PointService::Stub::UpsertPoints,
                       MakeUpsert("c", first, 3, kDim), &wrote);
          if (!status.ok()) {
            EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
            return;
          }
          std::lock_guard lock(mutex);
          acknowledged[first] = wrote.seq();
        }
      });
    }
    threads.emplace_back([&] {
      while (!stop) {
        v1::SearchResponse found;
        const grpc::Status status = CallStub(stubs.searches.get(), &v1::SearchService::Stub::Search,
                                             MakeSearch("c", VectorOf(1, kDim), 2), &found);
        if (!status.ok()) {
          EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
          return;
        }
        ++searches;
      }
    });
    for (;;) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::lock_guard lock(mutex);
      if (acknowledged.size() >= 50 && searches >= 50) break;
    }
    process->Signal(SIGTERM);
    EXPECT_EQ(process->Wait(), 0) << Log();
    stop = true;
    for (std::thread& thread : threads) thread.join();
  }
  const auto process = Start();
  Stubs stubs(process->address());
  ASSERT_TRUE(WaitUntilServing(stubs, 60));
  for (const auto& [first, seq] : acknowledged) {
    v1::GetPointsRequest get;
    get.set_collection("c");
    for (uint64_t id = first; id < first + 3; ++id) get.add_ids()->set_num(id);
    v1::GetPointsResponse got;
    ASSERT_TRUE(CallStub(stubs.points.get(), &v1::PointService::Stub::GetPoints, get, &got).ok());
    ASSERT_EQ(got.points_size(), 3) << "batch at " << first << " was acknowledged";
    EXPECT_EQ(got.points(0).seq(), seq);
  }
}

TEST_F(ShutdownTest, ASignalNeedNotWaitUntilAllIsLoaded) {
  constexpr uint64_t kPoints = 2000;
  {
    const auto process = Start();
    Stubs stubs(process->address());
    ASSERT_TRUE(WaitUntilServing(stubs, 60));
    Create(stubs);
    Upsert(stubs, 0, kPoints);
  }
  for (int i = 0; i < 3; ++i) {
    const auto process = Start();  // listening, the rest to come
    process->Signal(SIGTERM);
    EXPECT_EQ(process->Wait(), 0) << Log();
  }
  const auto process = Start();
  Stubs stubs(process->address());
  ASSERT_TRUE(WaitUntilServing(stubs, 60));
  v1::CountPointsRequest count;
  count.set_collection("c");
  v1::CountPointsResponse counted;
  ASSERT_TRUE(
      CallStub(stubs.points.get(), &v1::PointService::Stub::CountPoints, count, &counted).ok());
  EXPECT_EQ(counted.count(), kPoints);
}

TEST_F(ShutdownTest, ASecondSignalDoesNotWait) {
  std::vector<std::string> flags = Flags();
  flags.insert(flags.end(), {"--grace-seconds", "3600"});
  const auto process = StartWith(flags);
  Stubs stubs(process->address());
  ASSERT_TRUE(WaitUntilServing(stubs, 60));
  Create(stubs);
  const uint64_t seq = Upsert(stubs, 0, 1);
  // A call that would use up the grace.
  v1::SearchRequest ahead = MakeSearch("c", VectorOf(1, kDim), 1);
  ahead.set_min_seq(seq + 1);
  grpc::Status status;
  std::thread waiting([&] {
    grpc::ClientContext context;
    v1::SearchResponse never;
    status = stubs.searches->Search(&context, ahead, &never);
  });
  grpc::ClientContext context;
  const auto watch = stubs.health->Watch(&context, grpc::health::v1::HealthCheckRequest());
  grpc::health::v1::HealthCheckResponse health;
  EXPECT_TRUE(watch->Read(&health));
  process->Signal(SIGINT);
  EXPECT_TRUE(watch->Read(&health));
  EXPECT_EQ(health.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  process->Signal(SIGTERM);
  EXPECT_EQ(process->Wait(), 1);
  waiting.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ShutdownTest, TheGraceEndsWaitingCalls) {
  std::vector<std::string> flags = Flags();
  flags.insert(flags.end(), {"--grace-seconds", "0"});
  const auto process = StartWith(flags);
  Stubs stubs(process->address());
  ASSERT_TRUE(WaitUntilServing(stubs, 60));
  Create(stubs);
  v1::SearchRequest ahead = MakeSearch("c", VectorOf(1, kDim), 1);
  ahead.set_min_seq(1000);
  std::thread waiting([&] {
    grpc::ClientContext context;
    v1::SearchResponse never;
    EXPECT_FALSE(stubs.searches->Search(&context, ahead, &never).ok());
  });
  // Counted as soon as it has been handed to the engine: the calls before it have been answered.
  Upsert(stubs, 0, 1);
  process->Signal(SIGTERM);
  EXPECT_EQ(process->Wait(), 0) << Log();
  waiting.join();
}

TEST_F(ShutdownTest, ADirectoryOrAPortInUseIsAFailure) {
  const auto first = Start();
  ASSERT_TRUE(WaitUntilServing(Stubs(first->address()), 60));
  NestordProcess same_directory(Flags(), dir_ / "log");
  EXPECT_EQ(same_directory.Wait(), 1);
  EXPECT_THAT(Log(), HasSubstr(dir_ / "data"));
  NestordProcess same_port({"--data-dir", dir_ / "other", "--listen", first->address()},
                           dir_ / "log");
  EXPECT_EQ(same_port.address(), "");
  EXPECT_EQ(same_port.Wait(), 1);
  EXPECT_THAT(Log(), HasSubstr("cannot listen on " + first->address()));
  NestordProcess usage({"--data-dir", dir_ / "other", "--listen", "0.0.0.0:0"}, dir_ / "log");
  EXPECT_EQ(usage.Wait(), 2);
  // The first one is none the worse.
  Stubs stubs(first->address());
  Create(stubs);
}

}  // namespace
}  // namespace nestor
