// Listens and accepts in place of gRPC, whose accept loop in 1.51 dies for good when the process
// runs out of descriptors once (CVE-2023-4785). This one waits and goes on; and it turns
// connections away while some descriptors are left, so that the store can always open its files.
// Owned and used by one thread, which it adds another to.
#ifndef NESTOR_SERVER_RPC_ACCEPTOR_H_
#define NESTOR_SERVER_RPC_ACCEPTOR_H_

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"

namespace nestor {

// A descriptor that is closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return fd_; }

 private:
  int fd_;
};

class Acceptor {
 public:
  // Takes the connection `fd` of `peer`, which came in by `listener`; the connection is its own
  // from then on.
  using Take = std::function<void(int listener, int fd, const sockaddr_storage& peer)>;

  // Binds HOST:PORT, every address of the host; port 0 is a free one. Unavailable says why not.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Bind(const std::string& address);
  ~Acceptor();

  int port() const { return port_; }
  // Accepts from now on, and calls `take` on a thread of its own.
  void Start(Take take);
  // Closes the listeners; `take` is not called any more once it has returned. Idempotent.
  void Stop();

 private:
  Acceptor() = default;

  void Run();
  // False where descriptors ran out: to be tried again after a while.
  bool AcceptFrom(int listener);
  void NoteRefused(const char* why);

  std::vector<Descriptor> listeners_;
  Descriptor wake_;  // an eventfd, readable once Stop has been called
  int port_ = 0;
  Take take_;
  std::thread thread_;
  // Of the thread: refusals that are not logged yet, and when the last were.
  uint64_t refused_ = 0;
  std::chrono::steady_clock::time_point logged_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_ACCEPTOR_H_
