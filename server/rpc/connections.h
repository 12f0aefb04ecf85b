// The connections, by their peers' addresses, to cut off those that make calls only to reset them:
// such a call costs its peer next to nothing and the server 35 us (measured: 50 connections with
// 1,000 calls each held all others up for two seconds), and gRPC 1.51 has no limit to it
// (CVE-2023-44487). Any thread.
#ifndef NESTOR_SERVER_RPC_CONNECTIONS_H_
#define NESTOR_SERVER_RPC_CONNECTIONS_H_

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "index/base/mutex.h"

namespace nestor {

class Connections {
 public:
  // Calls that a connection may reset before they have arrived: at once, and more each second. Who
  // cancels a call because its deadline passed, or because it has another answer, does so later.
  static constexpr double kResets = 100;
  static constexpr double kResetsPerSecond = 100;

  // A connection was accepted.
  void Add(int fd, const sockaddr_storage& peer);
  // A call of the peer, as gRPC names it, was reset before it had arrived. The connection is cut
  // off where that happens too often: what it has sent is thrown away.
  void NoteReset(const std::string& peer);

 private:
  // IPv6, or IPv4 as a part of it, and the port.
  using Address = std::pair<std::string, uint16_t>;
  struct Connection {
    int fd = -1;
    double resets_left = kResets;
    std::chrono::steady_clock::time_point counted;
  };

  static Address AddressOf(const sockaddr_storage& peer);
  // Empty where it is none.
  static Address ParsePeer(absl::string_view peer);
  static void CutOff(int fd, const Address& address);

  Mutex mutex_;
  // A descriptor closes without a word, so what is here may be over; its number will be given out
  // again, so there are no more than descriptors.
  std::vector<Address> by_fd_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Address, Connection> connections_ ABSL_GUARDED_BY(mutex_);
  uint64_t cut_off_ ABSL_GUARDED_BY(mutex_) = 0;  // and not yet logged
  std::chrono::steady_clock::time_point logged_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CONNECTIONS_H_
