// A nestord that is written to at full rate, searched and rebuilt without a pause: its memory must
// not grow with what was written, and searches must stay quick beside builds.
// NESTOR_LONG_RUN_SECONDS: how long (12 by default; from 240 on memory of the last minute is
// compared with that of the second).
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/e2e/nestord_process.h"
#include "tests/server/e2e/test_server.h"

namespace nestor {
namespace {

using Clock = std::chrono::steady_clock;

#if defined(__SANITIZE_ADDRESS__)
constexpr uint64_t kPoints = 3000;
#else
constexpr uint64_t kPoints = 20'000;
#endif
constexpr uint32_t kDim = 64;
constexpr uint32_t kLimit = 10;
constexpr uint64_t kBatch = 20;
// Between a reader's answer and its next question: the server is not asked for all that it can do.
constexpr auto kPause = std::chrono::milliseconds(2);

std::chrono::seconds Length() {
  const char* text = std::getenv("NESTOR_LONG_RUN_SECONDS");
  return std::chrono::seconds(text == nullptr ? 12 : std::max(6, std::atoi(text)));
}

double Seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

// Microseconds.
double Percentile(std::vector<double>* latencies, double part) {
  if (latencies->empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(part * static_cast<double>(latencies->size() - 1));
  std::nth_element(latencies->begin(), latencies->begin() + at, latencies->end());
  return (*latencies)[static_cast<size_t>(at)];
}

class LongRunTest : public testing::Test {
 protected:
  enum class Phase { kIdle, kWrites, kBuild, kDone };

  // The store's caches are small, so that they are full long before the second minute ends.
  static std::vector<std::string> Flags(const std::string& data_dir) {
    std::vector<std::string> flags = NestordFlags(data_dir);
    flags.insert(flags.end(), {"--block-cache", "16MiB", "--write-buffers", "32MiB"});
    return flags;
  }

  LongRunTest() : process_(Flags(dir_ / "data"), dir_ / "log"), stubs_(process_.address()) {}

  void SetUp() override {
    ASSERT_TRUE(WaitUntilServing(stubs_, 60));
    v1::Collection made;
    const grpc::Status status =
        CallStub(stubs_.collections.get(), &v1::CollectionService::Stub::CreateCollection,
                 MakeCollection("c", kDim), &made);
    ASSERT_TRUE(status.ok()) << status.error_message();
    for (uint64_t first = 0; first < kPoints; first += 1000) Upsert(&stubs_, first, 1000, 0);
    Build();
  }

  static void Upsert(Stubs* stubs, uint64_t first, uint64_t count, uint64_t version) {
    v1::UpsertPointsResponse reply;
    const grpc::Status status = CallStub(stubs->points.get(), &v1::PointService::Stub::UpsertPoints,
                                         MakeUpsert("c", first, count, kDim, version), &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  static void Delete(Stubs* stubs, uint64_t first, uint64_t count) {
    v1::DeletePointsRequest request;
    request.set_collection("c");
    for (uint64_t id = first; id < first + count; ++id) request.add_ids()->set_num(id);
    v1::DeletePointsResponse reply;
    const grpc::Status status =
        CallStub(stubs->points.get(), &v1::PointService::Stub::DeletePoints, request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  // Lists and a graph.
  void Build() {
    v1::BuildIndexRequest request;
    request.set_collection("c");
    request.mutable_spec()->mutable_graph();
    v1::Operation operation;
    grpc::Status status =
        CallStub(stubs_.indexes.get(), &v1::IndexService::Stub::BuildIndex, request, &operation);
    ASSERT_TRUE(status.ok()) << status.error_message();
    v1::GetOperationRequest get;
    get.set_id(operation.id());
    do {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      status = CallStub(stubs_.admin.get(), &v1::AdminService::Stub::GetOperation, get, &operation);
      ASSERT_TRUE(status.ok()) << status.error_message();
    } while (operation.state() == v1::Operation::STATE_PENDING ||
             operation.state() == v1::Operation::STATE_RUNNING);
    ASSERT_EQ(operation.state(), v1::Operation::STATE_SUCCEEDED) << operation.ShortDebugString();
    ++builds_;
  }

  // Overwrites and deletes points in runs of kBatch, a quarter of the runs deletes.
  void Write() {
    Stubs stubs(process_.address());
    std::mt19937_64 random(5);
    for (uint64_t version = 1; phase_ != Phase::kDone && !HasFailure(); ++version) {
      const uint64_t first = random() % (kPoints - kBatch);
      if (version % 4 == 0) {
        Delete(&stubs, first, kBatch);
      } else {
        Upsert(&stubs, first, kBatch, version);
      }
      ++writes_;
    }
  }

  // As if from another machine: no thread of the server keeps a reader from its CPU (as root).
  void Read(uint64_t seed, std::vector<double> (*latencies)[3]) {
    setpriority(PRIO_PROCESS, /*this thread*/ 0, -10);
    Stubs stubs(process_.address());
    std::mt19937_64 random(seed);
    while (phase_ != Phase::kDone && !HasFailure()) {
      const v1::SearchRequest request =
          MakeSearch("c", VectorOf(random() % kPoints, kDim, random() % 100), kLimit);
      v1::SearchResponse reply;
      const Phase before = phase_;
      const Clock::time_point begun = Clock::now();
      const grpc::Status status =
          CallStub(stubs.searches.get(), &v1::SearchService::Stub::Search, request, &reply);
      const double micros = 1e6 * Seconds(Clock::now() - begun);
      ASSERT_TRUE(status.ok()) << status.error_message();
      ASSERT_EQ(reply.hits_size(), kLimit);
      if (before == phase_ && before != Phase::kDone) {
        (*latencies)[static_cast<size_t>(before)].push_back(micros);
      }
      std::this_thread::sleep_for(kPause);
    }
  }

  uint64_t ResidentBytes() const {
    const uint64_t bytes = process_.ResidentBytes();
    EXPECT_GT(bytes, 0u) << "the server is gone";
    return bytes;
  }

  TempDir dir_;
  NestordProcess process_;
  Stubs stubs_;
  std::atomic<Phase> phase_{Phase::kIdle};
  std::atomic<uint64_t> writes_{0};
  uint64_t builds_ = 0;
};

TEST_F(LongRunTest, MemoryStaysAndSearchesStayQuick) {
  const std::chrono::seconds length = Length();
  const std::chrono::seconds part = std::min(std::chrono::seconds(60), length / 6);
  std::vector<double> latencies[2][3];
  std::vector<std::thread> threads;
  for (uint64_t r = 0; r < 2; ++r) {
    threads.emplace_back([this, r, &latencies] { Read(r, &latencies[r]); });
  }
  std::this_thread::sleep_for(length / 6);

  const Clock::time_point begun = Clock::now();
  struct Sample {
    double seconds;
    double megabytes;
  };
  std::vector<Sample> samples;
  std::thread sampler([&] {
    while (phase_ != Phase::kDone) {
      samples.push_back(
          {Seconds(Clock::now() - begun), static_cast<double>(ResidentBytes()) / 1e6});
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  });
  phase_ = Phase::kWrites;
  threads.emplace_back([this] { Write(); });
  std::this_thread::sleep_for(part);
  while (Clock::now() - begun < length && !HasFailure()) {
    phase_ = Phase::kBuild;
    Build();
    phase_ = Phase::kWrites;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  phase_ = Phase::kDone;
  for (std::thread& thread : threads) thread.join();
  sampler.join();

  double p99[3];
  for (size_t phase = 0; phase < 3; ++phase) {
    std::vector<double>& all = latencies[0][phase];
    all.insert(all.end(), latencies[1][phase].begin(), latencies[1][phase].end());
    ASSERT_GT(all.size(), 20u);
    p99[phase] = Percentile(&all, 0.99);
    constexpr const char* kNames[] = {"idle", "beside writes", "beside writes and a build"};
    std::printf("searches %s: %zu, p50 %.0f us, p99 %.0f us\n", kNames[phase], all.size(),
                Percentile(&all, 0.5), p99[phase]);
  }
  std::printf(
      "p99 beside writes and builds is %.2f x that beside writes, %.2f x that of idle times\n",
      p99[2] / p99[1], p99[2] / p99[0]);

  // The second minute, in which builds have begun, and the last one; of a short run its second and
  // its last sixth.
  const double end = samples.back().seconds;
  const auto minute = static_cast<double>(part.count());
  const auto mean = [&](double from) {
    double sum = 0, count = 0;
    for (const Sample& sample : samples) {
      if (sample.seconds < from || sample.seconds > from + minute) continue;
      sum += sample.megabytes;
      ++count;
    }
    return sum / std::max(1.0, count);
  };
  const double early = mean(minute), late = mean(end - minute);
  std::printf(
      "%.0f s, %llu writes of %llu points, %llu builds; resident %.1f MB early, %.1f MB "
      "in the end, %.3f x\n",
      end, static_cast<unsigned long long>(writes_.load()), static_cast<unsigned long long>(kBatch),
      static_cast<unsigned long long>(builds_), early, late, late / early);
  std::printf("by tenths of the time, MB:");
  for (size_t tenth = 0; tenth < 10; ++tenth) {
    std::printf(" %.0f", samples[samples.size() * (2 * tenth + 1) / 20].megabytes);
  }
  std::printf("\n");
  EXPECT_GT(builds_, 1u);
  EXPECT_GT(writes_, 0u);
  // In a short run malloc and RocksDB's memtables and caches still fill.
  EXPECT_LE(late / early, length >= std::chrono::seconds(240) ? 1.1 : 2.0);

  process_.Signal(SIGTERM);
  EXPECT_EQ(process_.Wait(), 0);
}

}  // namespace
}  // namespace nestor
