// Descriptors run out: other connections go on, the store keeps its files, and once whoever took
// them is gone, new connections are served again. (gRPC's own accept loop in 1.51 never accepts
// again.) NESTOR_EXHAUST_SECONDS sets for how long (default 2).
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/server/e2e/nestord_process.h"
#include "tests/server/e2e/test_server.h"

namespace nestor {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLimit = 256;
constexpr int kConnections = 400;
constexpr uint32_t kDim = 16;

std::chrono::seconds ExhaustTime() {
  int seconds = 2;
  if (const char* text = std::getenv("NESTOR_EXHAUST_SECONDS"); text != nullptr) {
    EXPECT_TRUE(absl::SimpleAtoi(text, &seconds)) << text;
  }
  return std::chrono::seconds(seconds);
}

// Opens connections to the server as fast as it can and says nothing on them, until it is stopped:
// as many as it is told are open, or as the server lets it have.
class Hoarder {
 public:
  explicit Hoarder(const std::string& address) {
    const size_t colon = address.rfind(':');
    server_.sin_family = AF_INET;
    server_.sin_port = htons(static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1)));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &server_.sin_addr);
    thread_ = std::thread([this] { Run(); });
  }
  ~Hoarder() { Stop(); }

  void Stop() {
    if (!thread_.joinable()) return;
    stop_ = true;
    thread_.join();
    for (const int fd : open_) close(fd);
  }

  // Connections that the server turned away or closed.
  int refused() const { return refused_; }

 private:
  void Run() {
    while (!stop_) {
      if (open_.size() < kConnections) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, reinterpret_cast<sockaddr*>(&server_), sizeof(server_)) == 0) {
          open_.push_back(fd);
        } else if (fd >= 0) {
          close(fd);
        }
      }
      Drop();
    }
  }

  // Forgets connections that the server has closed.
  void Drop() {
    const auto closed = [this](int fd) {
      char bytes[256];
      for (;;) {
        const ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (got > 0) continue;  // the server's settings
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
        close(fd);
        ++refused_;
        return true;
      }
    };
    if (++turn_ % 64 != 0 && open_.size() < kConnections) return;
    open_.erase(std::remove_if(open_.begin(), open_.end(), closed), open_.end());
    std::this_thread::yield();
  }

  sockaddr_in server_ = {};
  std::atomic<bool> stop_{false};
  std::atomic<int> refused_{0};
  int turn_ = 0;
  std::vector<int> open_;
  std::thread thread_;
};

class DescriptorsTest : public testing::Test {
 protected:
  void SetUp() override {
    // The shell becomes nestord, whose process number it has told.
    std::vector<std::string> words = {
        "-c",
        absl::StrCat("ulimit -n ", kLimit, "; echo $$ > ", dir_ / "pid", "; exec \"$0\" \"$@\""),
        NESTORD_PATH};
    for (const std::string& flag : NestordFlags(dir_ / "data")) words.push_back(flag);
    process_ = std::make_unique<NestordProcess>("/bin/sh", words, dir_ / "log");
    ASSERT_NE(process_->address(), "") << Log();
    std::ifstream(dir_ / "pid") >> pid_;
    stubs_ = std::make_unique<Stubs>(process_->address());
    ASSERT_TRUE(WaitUntilServing(*stubs_, 60)) << Log();
    v1::Collection made;
    ASSERT_TRUE(CallStub(stubs_->collections.get(), &v1::CollectionService::Stub::CreateCollection,
                         MakeCollection("c", kDim), &made)
                    .ok());
  }

  std::string Log() const {
    std::ifstream file(dir_ / "log");
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  // Descriptors that the server has open.
  int Open() const {
    int count = 0;
    for ([[maybe_unused]] const auto& fd :
         std::filesystem::directory_iterator(absl::StrCat("/proc/", pid_, "/fd"))) {
      ++count;
    }
    return count;
  }

  // One upsert and one search by whoever was connected before.
  void UseOldConnection(uint64_t id) {
    v1::UpsertPointsResponse wrote;
    const grpc::Status upsert =
        CallStub(stubs_->points.get(), &v1::PointService::Stub::UpsertPoints,
                 MakeUpsert("c", id, 1, kDim), &wrote);
    ASSERT_TRUE(upsert.ok()) << upsert.error_message();
    v1::SearchResponse found;
    const grpc::Status search = CallStub(stubs_->searches.get(), &v1::SearchService::Stub::Search,
                                         MakeSearch("c", VectorOf(id, kDim), 1), &found);
    ASSERT_TRUE(search.ok()) << search.error_message();
    ASSERT_EQ(found.hits_size(), 1);
    EXPECT_EQ(found.hits(0).id().num(), id);
  }

  // Seconds until a client that is new is served.
  double SecondsToServeANewClient() const {
    const auto begin = Clock::now();
    EXPECT_TRUE(WaitUntilServing(Stubs(process_->address()), 20)) << Log();
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

  TempDir dir_;
  std::unique_ptr<NestordProcess> process_;
  std::unique_ptr<Stubs> stubs_;
  pid_t pid_ = 0;
};

TEST_F(DescriptorsTest, AHoarderLeavesTheStoreItsFilesAndGoes) {
  Hoarder hoarder(process_->address());
  const auto end = Clock::now() + ExhaustTime();
  int most = 0;
  uint64_t id = 0;
  while (Clock::now() < end || hoarder.refused() == 0) {
    ASSERT_NO_FATAL_FAILURE(UseOldConnection(++id));
    most = std::max(most, Open());
  }
  EXPECT_LE(most, kLimit - kLimit / 4 + 8) << "the store's descriptors were given away";
  EXPECT_GT(most, kLimit / 2) << "descriptors did not run out";
  // The store opens files: a collection more, then a flush of everything at the end.
  v1::Collection made;
  ASSERT_TRUE(CallStub(stubs_->collections.get(), &v1::CollectionService::Stub::CreateCollection,
                       MakeCollection("d", kDim), &made)
                  .ok());
  hoarder.Stop();
  const double seconds = SecondsToServeANewClient();
  std::cout << hoarder.refused() << " connections refused, at most " << most << " descriptors, "
            << id << " calls meanwhile, new client served after " << seconds << " s\n";
  EXPECT_LT(seconds, 10);
  EXPECT_TRUE(absl::StrContains(Log(), "connections_refused")) << Log();
  process_->Signal(SIGTERM);
  EXPECT_EQ(process_->Wait(), 0) << Log();
}

// Nothing is left, not even for accept: it is tried again until it works.
TEST_F(DescriptorsTest, AcceptGoesOnAfterItFailed) {
  UseOldConnection(1);
  rlimit whole = {};
  ASSERT_EQ(prlimit(pid_, RLIMIT_NOFILE, nullptr, &whole), 0);
  rlimit none = whole;
  none.rlim_cur = 3;
#if defined(__SANITIZE_ADDRESS__)
  // UBSan asks by a pipe whether memory can be read, and without descriptors takes all objects for
  // damaged: it gets a few.
  none.rlim_cur = static_cast<rlim_t>(Open()) + 16;
#endif
  ASSERT_EQ(prlimit(pid_, RLIMIT_NOFILE, &none, nullptr), 0);
  {
    Hoarder hoarder(process_->address());
    const auto end = Clock::now() + ExhaustTime();
    uint64_t id = 1;
    while (Clock::now() < end || !absl::StrContains(Log(), "connections_refused")) {
      ASSERT_NO_FATAL_FAILURE(UseOldConnection(++id));
    }
  }
  if (none.rlim_cur == 3) {
    EXPECT_FALSE(WaitUntilServing(Stubs(process_->address()), 1)) << "a new client got one";
  }
  ASSERT_EQ(prlimit(pid_, RLIMIT_NOFILE, &whole, nullptr), 0);
  EXPECT_LT(SecondsToServeANewClient(), 10);
  process_->Signal(SIGTERM);
  EXPECT_EQ(process_->Wait(), 0) << Log();
}

}  // namespace
}  // namespace nestor
