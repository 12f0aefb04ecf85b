#include "tests/hostile/raw_connection.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

namespace nestor {
namespace {

std::string BigEndian(uint32_t value, int bytes) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(value >> shift));
  }
  return out;
}

// A header in HPACK, not indexed: `name` is its encoded name.
std::string Literal(absl::string_view name, absl::string_view value) {
  std::string out(name);
  out.push_back(static_cast<char>(value.size()));
  return out.append(value.data(), value.size());
}

}  // namespace

RawConnection::RawConnection(const std::string& address) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(&address[address.rfind(':') + 1])));
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // Also for connecting, which takes minutes where the server's backlog is full.
  const timeval patience = {.tv_sec = 1, .tv_usec = 0};
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (fd_ >= 0 && connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) Close();
}

RawConnection::RawConnection(RawConnection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

RawConnection::~RawConnection() {
  if (fd_ < 0) return;
  const linger drop = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &drop, sizeof(drop));
  Close();
}

void RawConnection::Close() {
  close(fd_);
  fd_ = -1;
}

bool RawConnection::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return false;
    pollfd ready = {.fd = fd_, .events = POLLOUT, .revents = 0};
    if (poll(&ready, 1, 5000) <= 0) return false;
  }
  return true;
}

bool RawConnection::Receive(std::string* received) {
  char bytes[4096];
  for (int wait_millis = 10;; wait_millis = 0) {
    pollfd ready = {.fd = fd_, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, wait_millis) <= 0) return true;
    const ssize_t got = recv(fd_, bytes, sizeof(bytes), 0);
    if (got <= 0) return false;
    received->append(bytes, static_cast<size_t>(got));
  }
}

bool RawConnection::AwaitClose() {
  char received[4096];
  for (;;) {
    pollfd ready = {.fd = fd_, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, 60'000) <= 0) return false;
    if (recv(fd_, received, sizeof(received), 0) <= 0) return true;
  }
}

std::string Http2Preface() { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Http2Frame(4, 0, 0, ""); }

std::string Http2Frame(uint8_t type, uint8_t flags, uint32_t stream, absl::string_view payload) {
  std::string frame = BigEndian(static_cast<uint32_t>(payload.size()), 3);
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  frame += BigEndian(stream, 4);
  return frame.append(payload.data(), payload.size());
}

std::string Http2Call(uint32_t stream, absl::string_view method) {
  // :method POST and :scheme http have numbers of their own, other names too.
  const std::string headers = std::string("\x83\x86") + Literal("\x04", method) +
                              Literal("\x01", "localhost") +
                              Literal(absl::string_view("\x0f\x10", 2), "application/grpc") +
                              Literal(absl::string_view("\x00\x02te", 4), "trailers");
  constexpr uint8_t kHeaders = 1, kEndHeaders = 4;
  return Http2Frame(kHeaders, kEndHeaders, stream, headers);
}

std::string Http2Message(uint32_t stream, absl::string_view bytes, uint32_t announced) {
  std::string payload(1, '\0');  // not compressed
  payload += BigEndian(announced, 4);
  payload.append(bytes.data(), bytes.size());
  constexpr uint8_t kData = 0, kEndStream = 1;
  return Http2Frame(kData, kEndStream, stream, payload);
}

std::string Http2Reset(uint32_t stream) {
  constexpr uint8_t kReset = 3;
  constexpr uint32_t kCancel = 8;
  return Http2Frame(kReset, 0, stream, BigEndian(kCancel, 4));
}

std::string Http2Ping() {
  constexpr uint8_t kPing = 6;
  return Http2Frame(kPing, 0, 0, "12345678");
}

}  // namespace nestor
