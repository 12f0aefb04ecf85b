#include "tests/hostile/hostile_fixture.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace nestor {
namespace {

using Clock = std::chrono::steady_clock;

// The server's memory may end so much above where it was: what malloc keeps of its arenas, and
// about one message at the limit, which was seen to stay after 80 of them, not after fewer.
constexpr uint64_t kMemorySlack = 96 << 20;
constexpr std::chrono::seconds kMemoryPatience(60);

double Seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

void HostileTest::SetUpTestSuite() {
  full_ = std::getenv("NESTOR_HOSTILE_FULL") != nullptr;
  dir_ = std::make_unique<TempDir>();
  process_ = std::make_unique<NestordProcess>(NestordFlags(*dir_ / "data"), *dir_ / "log");
  ASSERT_NE(address(), "");
  ASSERT_TRUE(WaitUntilServing(Stubs(address()), 60));
  clients_ = std::make_unique<OrdinaryClients>(address());
}

void HostileTest::TearDownTestSuite() {
  clients_.reset();
  process_->Signal(SIGTERM);
  EXPECT_EQ(process_->Wait(), 0) << "the server's end";
  process_.reset();
  dir_.reset();
}

uint64_t HostileTest::MemoryBytes() {
  std::ifstream file(absl::StrCat("/proc/", pid(), "/status"));
  for (std::string line; std::getline(file, line);) {
    absl::string_view text = line;
    uint64_t kib = 0;
    if (absl::ConsumePrefix(&text, "VmRSS:") && absl::ConsumeSuffix(&text, " kB") &&
        absl::SimpleAtoi(text, &kib)) {
      return kib << 10;
    }
  }
  ADD_FAILURE() << "the server is gone";
  return 0;
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
  uint64_t searches = clients_->searches();
  uint64_t writes = clients_->writes();
  const uint64_t repeated = clients_->repeated();
  const auto begun = Clock::now();

  attack();

  const auto ended = Clock::now();
  searches = clients_->searches() - searches;
  writes = clients_->writes() - writes;
  const double during = static_cast<double>(searches) / Seconds(ended - begun);
  const uint64_t memory_at_end = MemoryBytes();
  double after = 0;
  do {
    after = rate(std::chrono::milliseconds(200));
  } while (after < 0.8 * before && Clock::now() < ended + std::chrono::seconds(10));
  std::printf(
      "%s: %.1f s; ordinary searches a second %.0f before, %.0f during (%.0f %%), %.0f %.1f s "
      "after; writes during %llu; told to wait %llu\n",
      scene, Seconds(ended - begun), before, during, 100 * during / before, after,
      Seconds(Clock::now() - ended), static_cast<unsigned long long>(writes),
      static_cast<unsigned long long>(clients_->repeated() - repeated));
  DeleteOtherCollections();
  EXPECT_THAT(clients_->TakeErrors(), testing::IsEmpty()) << scene;
  clients_->ExpectPoints();
  // A new client is served.
  EXPECT_TRUE(WaitUntilServing(Stubs(address()), 60)) << scene;
  std::printf("%s: memory %llu MB before, %llu MB at the end of it", scene,
              static_cast<unsigned long long>(memory >> 20),
              static_cast<unsigned long long>(memory_at_end >> 20));
  ExpectMemoryReturns(scene, memory);
}

void HostileTest::ExpectMemoryReturns(const char* scene, uint64_t before) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  std::printf("\n");  // the sanitizer keeps freed memory for a while
#else
  const auto begun = Clock::now();
  uint64_t now = MemoryBytes();
  while (now > before + kMemorySlack && Clock::now() < begun + kMemoryPatience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    now = MemoryBytes();
  }
  std::printf(", %llu MB %.1f s later\n", static_cast<unsigned long long>(now >> 20),
              Seconds(Clock::now() - begun));
  EXPECT_LE(now, before + kMemorySlack) << scene << ": memory does not return";
#endif
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
