#include "server/rpc/connections.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "server/rpc/acceptor.h"

namespace nestor {
namespace {

// A connection with both its ends in this process.
struct Pair {
  explicit Pair(int family) {
    sockaddr_storage address = {};
    address.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET6) {
      reinterpret_cast<sockaddr_in6&>(address).sin6_addr = in6addr_loopback;
    } else {
      reinterpret_cast<sockaddr_in&>(address).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    socklen_t size = sizeof(address);
    auto* const name = reinterpret_cast<sockaddr*>(&address);
    const Descriptor listener(socket(family, SOCK_STREAM, 0));
    works = bind(listener.get(), name, size) == 0 && listen(listener.get(), 1) == 0 &&
            getsockname(listener.get(), name, &size) == 0;
    client = Descriptor(socket(family, SOCK_STREAM, 0));
    works = works && connect(client.get(), name, size) == 0;
    size = sizeof(peer);
    server = Descriptor(accept(listener.get(), reinterpret_cast<sockaddr*>(&peer), &size));
    works = works && server.get() >= 0;
  }
  // Both families have it at the same place.
  int port() const { return ntohs(reinterpret_cast<const sockaddr_in&>(peer).sin_port); }
  // As the client sees it.
  bool closed() const {
    pollfd ready = {.fd = client.get(), .events = POLLIN, .revents = 0};
    return poll(&ready, 1, 0) == 1;
  }

  bool works = false;
  Descriptor client;
  Descriptor server;
  sockaddr_storage peer = {};
};

// Resets until the connection is cut off; -1 where that does not happen.
int ResetsUntilCutOff(Connections* connections, const std::string& peer, const Pair& pair) {
  for (int i = 1; i <= 10'000; ++i) {
    connections->NoteReset(peer);
    if (pair.closed()) return i;
  }
  return -1;
}

TEST(ConnectionsTest, CutsOffWhoResetsTooOften) {
  const Pair pair(AF_INET);
  ASSERT_TRUE(pair.works);
  const Pair other(AF_INET);
  ASSERT_TRUE(other.works);
  Connections connections;
  connections.Add(pair.server.get(), pair.peer);
  connections.Add(other.server.get(), other.peer);
  // What was sent is thrown away, too.
  ASSERT_EQ(send(pair.client.get(), "text", 4, MSG_NOSIGNAL), 4);
  const int resets =
      ResetsUntilCutOff(&connections, absl::StrCat("ipv4:127.0.0.1:", pair.port()), pair);
  EXPECT_GT(resets, Connections::kResets);
  char c = 0;
  EXPECT_EQ(recv(pair.client.get(), &c, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_LE(recv(pair.server.get(), &c, 1, 0), 0);
  EXPECT_FALSE(other.closed());
}

TEST(ConnectionsTest, KnowsIpv6) {
  const Pair pair(AF_INET6);
  if (!pair.works) GTEST_SKIP() << "this machine has no IPv6";
  Connections connections;
  connections.Add(pair.server.get(), pair.peer);
  EXPECT_GT(ResetsUntilCutOff(&connections, absl::StrCat("ipv6:%5B::1%5D:", pair.port()), pair), 0);
}

TEST(ConnectionsTest, OnlyTheConnectionOfThatPeer) {
  Pair pair(AF_INET);
  ASSERT_TRUE(pair.works);
  Connections connections;
  connections.Add(pair.server.get(), pair.peer);
  const std::string peer = absl::StrCat("ipv4:127.0.0.1:", pair.port());
  for (const std::string& unknown :
       {std::string(), std::string("unix:/tmp/x"), std::string("ipv4:127.0.0.1"),
        absl::StrCat("ipv4:127.0.0.2:", pair.port()), std::string("ipv4:127.0.0.1:x")}) {
    EXPECT_EQ(ResetsUntilCutOff(&connections, unknown, pair), -1) << unknown;
  }
  // The descriptor has become that of another connection, which nobody told of yet.
  const Pair later(AF_INET);
  ASSERT_TRUE(later.works);
  ASSERT_EQ(dup2(later.server.get(), pair.server.get()), pair.server.get());
  EXPECT_EQ(ResetsUntilCutOff(&connections, peer, later), -1);
}

}  // namespace
}  // namespace nestor
