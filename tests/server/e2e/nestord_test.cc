// nestord as its operators meet it: configuration file, `verify`, the log line of a slow query.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "tests/server/e2e/nestord_process.h"
#include "tests/server/e2e/test_server.h"

namespace nestor {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr uint32_t kDim = 16;

class NestordTest : public testing::Test {
 protected:
  std::string Log() const {
    std::ifstream file(dir_ / "log");
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  std::string data_dir() const { return dir_ / "data"; }
  // What it said is in the log.
  int Verify() const {
    NestordProcess verify({"verify", "--data-dir", data_dir()}, dir_ / "log");
    return verify.Wait();
  }
  static void MakePoints(Stubs& stubs, uint64_t count) {
    v1::Collection made;
    ASSERT_TRUE(CallStub(stubs.collections.get(), &v1::CollectionService::Stub::CreateCollection,
                         MakeCollection("c", kDim), &made)
                    .ok());
    v1::UpsertPointsResponse wrote;
    ASSERT_TRUE(CallStub(stubs.points.get(), &v1::PointService::Stub::UpsertPoints,
                         MakeUpsert("c", 0, count, kDim), &wrote)
                    .ok());
  }

  TempDir dir_;
};

TEST_F(NestordTest, VerifyNamesTheDamagedFile) {
  EXPECT_EQ(Verify(), 1);
  EXPECT_THAT(Log(), HasSubstr(data_dir() + " is no data directory"));
  {
    NestordProcess process(NestordFlags(data_dir()), dir_ / "log");
    Stubs stubs(process.address());
    ASSERT_TRUE(WaitUntilServing(stubs, 60)) << Log();
    MakePoints(stubs, 100);
    EXPECT_EQ(Verify(), 1);
    EXPECT_THAT(Log(), HasSubstr("stop its server first"));
    process.Signal(SIGTERM);
    ASSERT_EQ(process.Wait(), 0) << Log();
  }
  EXPECT_EQ(Verify(), 0) << Log();

  std::string sst;
  for (const auto& file : std::filesystem::directory_iterator(data_dir() + "/rocksdb")) {
    if (file.path().extension() == ".sst") sst = file.path();
  }
  ASSERT_NE(sst, "");
  EXPECT_THAT(Log(), Not(HasSubstr(sst)));
  {
    std::fstream file(sst, std::ios::in | std::ios::out | std::ios::binary);
    const char first = static_cast<char>(file.get());
    file.seekp(0);
    file.put(static_cast<char>(first ^ 1));
  }
  EXPECT_EQ(Verify(), 1);
  EXPECT_THAT(Log(), HasSubstr(sst + " is damaged"));
}

TEST_F(NestordTest, TheConfigurationFileIsReadAndFlagsGoBeforeIt) {
  const std::string config = dir_ / "nestord.toml";
  std::ofstream(config) << "data-dir = \"" << data_dir() << "\"\nlisten = \"0.0.0.0:0\"\n"
                        << "insecure-listen = true\nthreads = 3\nlog-format = \"json\"\n";
  {
    NestordProcess process({"--config", config, "--threads", "2"}, dir_ / "log");
    ASSERT_NE(process.address(), "") << Log();
    Stubs stubs("127.0.0.1" + process.address().substr(process.address().rfind(':')));
    ASSERT_TRUE(WaitUntilServing(stubs, 60)) << Log();
    process.Signal(SIGTERM);
    ASSERT_EQ(process.Wait(), 0) << Log();
  }
  EXPECT_THAT(Log(), HasSubstr("\"event\":\"listening\""));
  EXPECT_THAT(Log(), HasSubstr("\"threads\":2"));
  NestordProcess verify({"--config", config, "verify"}, dir_ / "log");
  EXPECT_EQ(verify.Wait(), 0) << Log();

  std::ofstream(config, std::ios::app) << "no-such-name = 1\n";
  NestordProcess refused({"--config", config}, dir_ / "log");
  EXPECT_EQ(refused.Wait(), 2);
  EXPECT_THAT(Log(), HasSubstr("no-such-name"));
}

TEST_F(NestordTest, ASlowQueryIsLoggedWithItsPlan) {
  std::vector<std::string> flags = NestordFlags(data_dir());
  flags.insert(flags.end(), {"--slow-query-ms", "1"});
  NestordProcess process(flags, dir_ / "log");
  Stubs stubs(process.address());
  ASSERT_TRUE(WaitUntilServing(stubs, 60)) << Log();
  MakePoints(stubs, 100);
  // Slow is what took long, waiting included: for a sequence number that is not there yet.
  uint64_t next_id = 500;
  const auto search_slowly = [&](const std::function<grpc::Status()>& search) {
    std::thread writer([&] {
      const auto begin = std::chrono::steady_clock::now();
      while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(20)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      v1::UpsertPointsResponse wrote;
      EXPECT_TRUE(CallStub(stubs.points.get(), &v1::PointService::Stub::UpsertPoints,
                           MakeUpsert("c", next_id++, 1, kDim), &wrote)
                      .ok());
    });
    const grpc::Status status = search();
    EXPECT_TRUE(status.ok()) << status.error_message();
    writer.join();
  };
  const auto search_one = [&](v1::SearchRequest request, uint64_t seq) {
    search_slowly([&, seq] {
      v1::SearchResponse found;
      request.set_min_seq(seq);
      return CallStub(stubs.searches.get(), &v1::SearchService::Stub::Search, request, &found);
    });
  };
  v1::SearchRequest request = MakeSearch("c", VectorOf(1, kDim), 3);
  request.mutable_exact();
  search_one(request, 2);
  EXPECT_THAT(Log(), HasSubstr("slow_query collection=c plan=\"exact=16\" limit=3"));
  v1::Plan* plan = request.mutable_plan();
  plan->mutable_lists()->mutable_coarse()->set_dim(8);
  plan->mutable_lists()->mutable_coarse()->set_probes(1);
  plan->mutable_lists()->mutable_scan()->set_dim(8);
  plan->mutable_lists()->mutable_scan()->set_keep(7);
  plan->set_rescore(true);
  search_one(request, 3);
  EXPECT_THAT(Log(), HasSubstr("plan=\"coarse=8:1,scan=8:7,rescore\""));

  v1::BatchSearchRequest batch;
  batch.set_collection("c");
  batch.mutable_queries()->set_dtype(v1::DTYPE_F32);
  batch.mutable_queries()->set_data(Bytes(VectorOf(1, kDim)));
  batch.set_limit(3);
  batch.mutable_exact()->set_dim(8);
  search_slowly([&] {
    v1::BatchSearchResponse found;
    batch.set_min_seq(4);
    return CallStub(stubs.searches.get(), &v1::SearchService::Stub::BatchSearch, batch, &found);
  });
  EXPECT_THAT(Log(), HasSubstr("slow_batch collection=c queries=1 plan=\"exact=8\" limit=3"));
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait(), 0) << Log();
}

}  // namespace
}  // namespace nestor
