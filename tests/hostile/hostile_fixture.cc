#include "tests/hostile/hostile_fixture.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

using Clock = std::chrono::steady_clock;

// The server's memory may end so much above where it was: what malloc keeps of its arenas, and
// about one message at the limit, which was seen to stay after 80 of them, not after fewer.
constexpr uint64_t kMemorySlack = 96 << 20;
constexpr std::chrono::seconds kMemoryPatience(kSanitized ? 0 : 60);

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

unsigned long long Mebibytes(uint64_t bytes) { return bytes >> 20; }

}  // namespace

void HostileTest::SetUpTestSuite() {
  full_ = std::getenv("NESTOR_HOSTILE_FULL") != nullptr;
  dir_ = std::make_unique<TempDir>();
  process_ = std::make_unique<NestordProcess>(NestordFlags(*dir_ / "data"), *dir_ / "log");
  ASSERT_NE(address(), "");
  ASSERT_TRUE(WaitUntilServing(Stubs(address()), 60));
  clients_ = std::make_unique<OrdinaryClients>(address());
  std::printf(
      "| scene | seconds | searches/s before | kept during | back at 80 %% after s | longest wait "
      "ms | MiB before | most | "
      "after |\n|---|---|---|---|---|---|---|---|---|\n");
}

void HostileTest::TearDownTestSuite() {
  clients_.reset();
  process_->Signal(SIGTERM);
  EXPECT_EQ(process_->Wait(), 0) << "the server's end";
  process_.reset();
  dir_.reset();
}

uint64_t HostileTest::MemoryBytes() {
  const uint64_t bytes = process_->ResidentBytes();
  EXPECT_GT(bytes, 0u) << "the server is gone";
  return bytes;
}

void HostileTest::Endure(const char* scene, const std::function<void()>& attack) {
  const auto rate = [](auto duration) {
    const uint64_t searches = clients_->searches();
    const auto begun = Clock::now();
    std::this_thread::sleep_for(duration);
    return static_cast<double>(clients_->searches() - searches) / Seconds(Clock::now() - begun);
  };
  const double before = rate(std::chrono::seconds(1));
  const uint64_t memory = MemoryBytes();
  clients_->TakeLongestWait();
  uint64_t searches = clients_->searches();
  const auto begun = Clock::now();
  const uint64_t most_memory = MostMemoryDuring(attack);
  const auto ended = Clock::now();
  searches = clients_->searches() - searches;
  const double during = static_cast<double>(searches) / Seconds(ended - begun);
  double recovered = 0;  // seconds after the end
  while (rate(std::chrono::milliseconds(100)) < 0.8 * before && recovered < 10) {
    recovered = Seconds(Clock::now() - ended);
  }
  const auto longest_wait = clients_->TakeLongestWait();

  DeleteOtherCollections();
  EXPECT_THAT(clients_->TakeErrors(), testing::IsEmpty()) << scene;
  clients_->ExpectPoints();
  // A new client is served.
  EXPECT_TRUE(WaitUntilServing(Stubs(address()), 60)) << scene;
  const uint64_t memory_left = AwaitMemory(memory + kMemorySlack);
  std::printf("| %s | %.1f | %.0f | %.0f %% | %.1f | %lld | %llu | %llu | %llu |\n", scene,
              Seconds(ended - begun), before, 100 * during / before, recovered,
              static_cast<long long>(longest_wait.count()), Mebibytes(memory),
              Mebibytes(most_memory), Mebibytes(memory_left));
  if (!kSanitized) {
    EXPECT_LE(memory_left, memory + kMemorySlack) << scene << ": memory does not return";
  }
}

uint64_t HostileTest::MostMemoryDuring(const std::function<void()>& attack) {
  std::atomic<bool> stop{false};
  uint64_t most = 0;
  std::thread watch([&] {
    do {
      most = std::max(most, MemoryBytes());
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    } while (!stop);
  });
  attack();
  stop = true;
  watch.join();
  return most;
}

uint64_t HostileTest::AwaitMemory(uint64_t bytes) {
  const auto begun = Clock::now();
  uint64_t now = MemoryBytes();
  while (now > bytes && Clock::now() < begun + kMemoryPatience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    now = MemoryBytes();
  }
  return now;
}

void HostileTest::DeleteOtherCollections() {
  Stubs stubs(address());
  v1::ListCollectionsRequest list;
  list.set_page_size(1000);
  v1::ListCollectionsResponse collections;
  ASSERT_TRUE(CallStub(stubs.collections.get(), &v1::CollectionService::Stub::ListCollections, list,
                       &collections)
                  .ok());
  for (const v1::Collection& collection : collections.collections()) {
    if (collection.spec().name() == OrdinaryClients::kCollection) continue;
    v1::DeleteCollectionRequest request;
    request.set_name(collection.spec().name());
    v1::DeleteCollectionResponse reply;
    const grpc::Status status = CallStub(
        stubs.collections.get(), &v1::CollectionService::Stub::DeleteCollection, request, &reply);
    EXPECT_TRUE(status.ok()) << request.name() << ": " << status.error_message();
  }
}

}  // namespace nestor
