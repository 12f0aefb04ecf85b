// Connections that nobody should make: idle ones, dropped ones, ones that do not speak HTTP/2 or
// abuse it.
#include <sys/resource.h>

#include <cstdio>
#include <deque>
#include <random>
#include <thread>
#include <vector>

#include "tests/hostile/hostile_fixture.h"
#include "tests/hostile/raw_connection.h"

namespace nestor {
namespace {

constexpr char kSearch[] = "/nestor.v1.SearchService/Search";

TEST_F(HostileTest, IdleConnections) {
  Endure("200 idle connections and 200 that say nothing", [] {
    const uint64_t before = MemoryBytes();
    std::deque<Stubs> clients;
    std::vector<RawConnection> silent;
    for (int i = 0; i < 200; ++i) {
      clients.emplace_back(address());
      EXPECT_TRUE(WaitUntilServing(clients.back(), 60)) << "connection " << i;
      EXPECT_TRUE(silent.emplace_back(address()).connected());
    }
    const uint64_t held = MemoryBytes();
    std::printf("400 connections make the server hold %lld MB\n",
                (static_cast<long long>(held) - static_cast<long long>(before)) >> 20);
    std::this_thread::sleep_for(std::chrono::seconds(full() ? 30 : 1));
    // They are served as before.
    for (const Stubs& client : clients) EXPECT_TRUE(WaitUntilServing(client, 60));
  });
}

TEST_F(HostileTest, ConnectionsOpenedAndDropped) {
  Endure("connections opened and dropped", [] {
    const int connections = full() ? 30'000 : 1'500;
    int waited = 0;  // longer than a second for a place in the backlog
    for (int i = 0; i < connections; ++i) {
      RawConnection connection(address());
      if (!connection.connected()) {
        ++waited;
        continue;
      }
      switch (i % 4) {
        case 0:  // reset at once
          break;
        case 1:
          connection.Close();
          break;
        case 2:
          connection.Send(Http2Preface());
          break;
        default:
          // In the midst of a call's message.
          connection.Send(Http2Preface() + Http2Call(1, kSearch) +
                          Http2Message(1, "begun", 1000).substr(0, 12));
      }
    }
    std::printf("%d of %d connections were given up\n", waited, connections);
    EXPECT_LT(waited, connections / 10);
  });
}

TEST_F(HostileTest, WhatIsNoHttp2) {
  Endure("what is no HTTP/2", [] {
    std::mt19937_64 random(3);
    std::string noise(20'000, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    const std::string hello = std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
    const std::vector<std::string> openings = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        hello + noise.substr(0, 512),  // TLS
        noise,
        Http2Preface() + noise,
        Http2Preface() + Http2Frame(1, 4, 1, noise.substr(0, 5000)),  // headers
        Http2Preface() + Http2Frame(0, 0, 7, "data of no stream"),
        Http2Preface() + Http2Frame(8, 0, 0, std::string(4, '\0')),  // a window of 0
        Http2Preface() + Http2Frame(9, 0, 1, "continues nothing"),
        // Messages that lie about their length, or are longer than all limits.
        Http2Preface() + Http2Call(1, kSearch) + Http2Message(1, "short", 100),
        Http2Preface() + Http2Call(1, kSearch) + Http2Message(1, "long", 2),
        Http2Preface() + Http2Call(1, kSearch) + Http2Message(1, "huge", 0xffffffffu),
        Http2Preface() + Http2Call(1, "/no.such/Method") + Http2Message(1, "", 0),
    };
    std::deque<RawConnection> open;
    const int connections = full() ? 5'000 : 300;
    int waited = 0;  // longer than a second for a place in the backlog
    for (int i = 0; i < connections; ++i) {
      RawConnection& connection = open.emplace_back(address());
      if (!connection.connected()) {
        ++waited;
        open.pop_back();
        continue;
      }
      connection.Send(openings[static_cast<size_t>(i) % openings.size()]);
      if (open.size() > 100) open.pop_front();
    }
    EXPECT_LT(waited, connections / 10);
  });
}

// Calls that are reset as soon as they are made, with their message and without: much work for the
// server, little for the client.
TEST_F(HostileTest, CallsThatAreReset) {
  Endure("calls that are reset", [] {
    std::deque<RawConnection> connections;
    for (int i = 0; i < (full() ? 50 : 10); ++i) {
      RawConnection& connection = connections.emplace_back(address());
      ASSERT_TRUE(connection.connected());
      bool taken = connection.Send(Http2Preface());
      for (uint32_t call = 0; call < 1000 && taken; ++call) {
        const uint32_t stream = 1 + 2 * call;
        const std::string message = i % 2 == 0 ? "" : Http2Message(stream, "no message", 10);
        taken = connection.Send(Http2Call(stream, kSearch) + message + Http2Reset(stream));
      }
    }
    for (RawConnection& connection : connections) EXPECT_TRUE(connection.AwaitClose());
  });
}

TEST_F(HostileTest, Pings) {
  Endure("pings", [] {
    for (int i = 0; i < (full() ? 50 : 10); ++i) {
      RawConnection connection(address());
      ASSERT_TRUE(connection.connected());
      bool taken = connection.Send(Http2Preface());
      for (int ping = 0; ping < 1000 && taken; ++ping) taken = connection.Send(Http2Ping());
      EXPECT_TRUE(connection.AwaitClose()) << "connection " << i;
    }
  });
}

// How many descriptors a process may have, until the end of the scope.
class DescriptorLimit {
 public:
  DescriptorLimit(pid_t pid, rlim_t limit) : pid_(pid) {
    EXPECT_EQ(prlimit(pid_, RLIMIT_NOFILE, nullptr, &usual_), 0);
    const rlimit low = {.rlim_cur = limit, .rlim_max = usual_.rlim_max};
    EXPECT_EQ(prlimit(pid_, RLIMIT_NOFILE, &low, nullptr), 0);
  }
  ~DescriptorLimit() { EXPECT_EQ(prlimit(pid_, RLIMIT_NOFILE, &usual_, nullptr), 0); }
  DescriptorLimit(const DescriptorLimit&) = delete;

 private:
  const pid_t pid_;
  rlimit usual_ = {};
};

// Connects over and over, and keeps more connections than the server has descriptors.
void ConnectFor(const std::string& address, std::chrono::seconds duration) {
  std::deque<RawConnection> open;
  const auto end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end) {
    RawConnection& connection = open.emplace_back(address);
    if (connection.connected()) connection.Send(Http2Preface());
    if (open.size() > 400) open.pop_front();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST_F(HostileTest, MoreConnectionsThanDescriptors) {
  Endure("more connections than descriptors", [] {
    const DescriptorLimit limit(pid(), 256);
    ConnectFor(address(), std::chrono::seconds(full() ? 30 : 3));
  });
}

TEST_F(HostileTest, NoDescriptorAtAll) {
  Endure("no descriptor at all", [] {
    const DescriptorLimit limit(pid(), 8);
    ConnectFor(address(), std::chrono::seconds(full() ? 30 : 3));
  });
}

}  // namespace
}  // namespace nestor
