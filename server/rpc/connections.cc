#include "server/rpc/connections.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "server/log.h"

namespace nestor {
namespace {

constexpr std::chrono::seconds kLogInterval(10);

std::string BytesOf(const in6_addr& address) {
  return std::string(reinterpret_cast<const char*>(&address), sizeof(address));
}

std::string Mapped(const in_addr& address) {
  in6_addr mapped = {};
  mapped.s6_addr[10] = 0xff;
  mapped.s6_addr[11] = 0xff;
  std::memcpy(&mapped.s6_addr[12], &address, sizeof(address));
  return BytesOf(mapped);
}

}  // namespace

Connections::Address Connections::AddressOf(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
    return {BytesOf(v6.sin6_addr), ntohs(v6.sin6_port)};
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
  return {Mapped(v4.sin_addr), ntohs(v4.sin_port)};
}

// "ipv4:1.2.3.4:5", "ipv6:%5B::1%5D:5".
Connections::Address Connections::ParsePeer(absl::string_view peer) {
  const bool v6 = absl::ConsumePrefix(&peer, "ipv6:");
  if (!v6 && !absl::ConsumePrefix(&peer, "ipv4:")) return {};
  const size_t colon = peer.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(peer.substr(colon + 1), &port)) {
    return {};
  }
  const std::string host =
      absl::StrReplaceAll(peer.substr(0, colon), {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}});
  in6_addr six = {};
  in_addr four = {};
  if (v6 && inet_pton(AF_INET6, host.c_str(), &six) == 1) {
    return {BytesOf(six), static_cast<uint16_t>(port)};
  }
  if (!v6 && inet_pton(AF_INET, host.c_str(), &four) == 1) {
    return {Mapped(four), static_cast<uint16_t>(port)};
  }
  return {};
}

void Connections::Add(int fd, const sockaddr_storage& peer) {
  Address address = AddressOf(peer);
  MutexLock lock(&mutex_);
  if (by_fd_.size() <= static_cast<size_t>(fd)) by_fd_.resize(fd + 1);
  const auto before = connections_.find(by_fd_[fd]);
  if (before != connections_.end() && before->second.fd == fd) connections_.erase(before);
  connections_[address] = {.fd = fd, .counted = std::chrono::steady_clock::now()};
  by_fd_[fd] = std::move(address);
}

void Connections::NoteReset(const std::string& peer) {
  const Address address = ParsePeer(peer);
  const auto now = std::chrono::steady_clock::now();
  int fd = -1;
  uint64_t log = 0;
  {
    MutexLock lock(&mutex_);
    const auto it = connections_.find(address);
    if (it == connections_.end()) return;
    Connection& connection = it->second;
    const double seconds = std::chrono::duration<double>(now - connection.counted).count();
    connection.counted = now;
    connection.resets_left =
        std::min(kResets, connection.resets_left + seconds * kResetsPerSecond) - 1;
    if (connection.resets_left >= 0) return;
    fd = connection.fd;
    connections_.erase(it);
    ++cut_off_;
    if (now - logged_ >= kLogInterval) {
      logged_ = now;
      log = std::exchange(cut_off_, 0);
    }
  }
  CutOff(fd, address);
  if (log > 0)
    Log(LogLevel::kWarning, "connections_cut_off",
        {{"since_last_line", log}, {"peer", peer}, {"why", "it resets its calls"}});
}

// A second descriptor holds the connection while it is made sure that it still is this one.
void Connections::CutOff(int fd, const Address& address) {
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return;
  sockaddr_storage peer = {};
  socklen_t size = sizeof(peer);
  if (getpeername(own, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
      AddressOf(peer) == address) {
    // Unlike shutdown, this also throws away what has come in and is not read yet.
    const sockaddr nobody = {.sa_family = AF_UNSPEC, .sa_data = {}};
    connect(own, &nobody, sizeof(nobody));
  }
  close(own);
}

}  // namespace nestor
