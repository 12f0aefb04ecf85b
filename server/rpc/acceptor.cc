#include "server/rpc/acceptor.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/log.h"

namespace nestor {
namespace {

constexpr int kBacklog = 1024;
constexpr int kRetryMillis = 50;  // after descriptors ran out
constexpr std::chrono::seconds kLogInterval(10);
// Descriptors that no connection gets: a quarter, at most so many.
constexpr rlim_t kMostReserved = 1024;

absl::Status CannotListen(const std::string& address, absl::string_view why) {
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address, ": ", why));
}

struct HostPort {
  std::string host;
  std::string port;
};

HostPort Split(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return {address, "0"};
  absl::string_view host = absl::string_view(address).substr(0, colon);
  if (host.size() >= 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return {std::string(host), address.substr(colon + 1)};
}

void SetPort(sockaddr* address, int port) {
  if (address->sa_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = htons(static_cast<uint16_t>(port));
  } else {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = htons(static_cast<uint16_t>(port));
  }
}

int PortOf(int socket) {
  sockaddr_storage bound = {};
  socklen_t size = sizeof(bound);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                           : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
}

// A listening socket, or -1 with errno.
Descriptor ListenOn(const addrinfo& info) {
  const int fd = socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return Descriptor();
  const int on = 1;
  const int off = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // [::] serves IPv4 too.
  if (info.ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  if (bind(fd, info.ai_addr, info.ai_addrlen) == 0 && listen(fd, kBacklog) == 0) {
    return Descriptor(fd);
  }
  const int error = errno;
  close(fd);
  errno = error;
  return Descriptor();
}

// Descriptors are given out from the lowest free number on: one that reaches this tells that all
// below are in use.
int FirstReserved() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > (rlim_t{1} << 30)) return 1 << 30;
  return static_cast<int>(limit.rlim_cur - std::min(limit.rlim_cur / 4, kMostReserved));
}

}  // namespace

Descriptor::Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Bind(const std::string& address) {
  const HostPort parts = Split(address);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int looked_up = getaddrinfo(parts.host.c_str(), parts.port.c_str(), &hints, &found);
  if (looked_up != 0) return CannotListen(address, gai_strerror(looked_up));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> infos(found, &freeaddrinfo);

  std::unique_ptr<Acceptor> acceptor(new Acceptor);
  int error = EADDRNOTAVAIL;
  for (addrinfo* info = found; info != nullptr; info = info->ai_next) {
    if (acceptor->port_ != 0) SetPort(info->ai_addr, acceptor->port_);
    Descriptor listener = ListenOn(*info);
    if (listener.get() < 0) {
      error = errno;
      // A machine may lack one of the address families of a name.
      if (error == EADDRNOTAVAIL || error == EAFNOSUPPORT) continue;
      return CannotListen(address, strerror(error));
    }
    if (acceptor->port_ == 0) acceptor->port_ = PortOf(listener.get());
    acceptor->listeners_.push_back(std::move(listener));
  }
  if (acceptor->listeners_.empty()) return CannotListen(address, strerror(error));
  acceptor->wake_ = Descriptor(eventfd(0, EFD_CLOEXEC));
  if (acceptor->wake_.get() < 0) return CannotListen(address, strerror(errno));
  return acceptor;
}

Acceptor::~Acceptor() { Stop(); }

void Acceptor::Start(Take take) {
  take_ = std::move(take);
  thread_ = std::thread([this] { Run(); });
}

void Acceptor::Stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t wrote = write(wake_.get(), &one, sizeof(one));
    thread_.join();
  }
  listeners_.clear();
}

void Acceptor::Run() {
  std::vector<pollfd> polled = {{wake_.get(), POLLIN, 0}};
  for (const Descriptor& listener : listeners_) polled.push_back({listener.get(), POLLIN, 0});
  bool starved = false;
  for (;;) {
    // Starved, it looks for nothing but the end: who waits in the backlog waits on.
    if (poll(polled.data(), starved ? 1 : polled.size(), starved ? kRetryMillis : -1) < 0) {
      if (errno != EINTR) starved = true;
      continue;
    }
    if (polled[0].revents != 0) return;
    const bool retry = std::exchange(starved, false);
    for (size_t i = 1; i < polled.size(); ++i) {
      if ((retry || polled[i].revents != 0) && !AcceptFrom(polled[i].fd)) starved = true;
    }
  }
}

bool Acceptor::AcceptFrom(int listener) {
  // At most so many at a time, so that one listener does not starve another, nor Stop.
  for (int i = 0; i < kBacklog; ++i) {
    sockaddr_storage peer = {};
    socklen_t size = sizeof(peer);
    const int fd =
        accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
      // The connection was gone before it was accepted.
      if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
      NoteRefused(strerror(errno));
      return false;
    }
    if (fd >= FirstReserved()) {
      close(fd);
      NoteRefused("the remaining descriptors are the store's");
      continue;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    take_(listener, fd, peer);
  }
  return true;
}

void Acceptor::NoteRefused(const char* why) {
  ++refused_;
  const auto now = std::chrono::steady_clock::now();
  if (logged_ != std::chrono::steady_clock::time_point() && now - logged_ < kLogInterval) return;
  logged_ = now;
  Log(LogLevel::kWarning, "connections_refused",
      {{"since_last_line", std::exchange(refused_, 0)}, {"why", why}});
}

}  // namespace nestor
