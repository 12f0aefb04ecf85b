// A call whose message never comes to its end: it is sent as far as HTTP/2's flow control allows,
// and then no further.
#ifndef NESTOR_TESTS_HOSTILE_HALF_MESSAGE_H_
#define NESTOR_TESTS_HOSTILE_HALF_MESSAGE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "tests/hostile/raw_connection.h"

namespace nestor {

class HalfMessage {
 public:
  // The message announces itself as `announced` bytes long.
  HalfMessage(const std::string& address, absl::string_view method, uint32_t announced);

  // Sends so many bytes more. False once the server has ended the call, or where it takes nothing
  // for ten seconds.
  bool Send(uint64_t bytes);
  // As far as was heard.
  bool ended() const { return ended_; }
  // Hears what the server has sent by now.
  void Listen();

 private:
  void Take(uint8_t type, uint8_t flags, uint32_t stream, absl::string_view payload);

  RawConnection connection_;
  std::string received_;
  bool ended_ = false;
  // Bytes that the server takes: on the connection, in the call.
  int64_t connection_window_ = 65535;
  int64_t stream_window_ = 65535;
  int64_t initial_window_ = 65535;
};

}  // namespace nestor

#endif  // NESTOR_TESTS_HOSTILE_HALF_MESSAGE_H_
