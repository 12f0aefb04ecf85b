// A TCP connection without gRPC's client, and the frames of HTTP/2 to send over it.
#ifndef NESTOR_TESTS_HOSTILE_RAW_CONNECTION_H_
#define NESTOR_TESTS_HOSTILE_RAW_CONNECTION_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace nestor {

class RawConnection {
 public:
  // To 127.0.0.1:PORT.
  explicit RawConnection(const std::string& address);
  // Drops what is not sent or read yet: the other side sees a reset.
  ~RawConnection();
  RawConnection(RawConnection&& other) noexcept;
  RawConnection(const RawConnection&) = delete;

  bool connected() const { return fd_ >= 0; }
  // False where the server takes no more for five seconds, or has closed the connection.
  bool Send(absl::string_view bytes);
  // Appends what has come, waiting up to 10 ms for it; false where the connection is closed.
  bool Receive(std::string* received);
  // Waits until the server has closed the connection; false where it sends nothing for a minute.
  bool AwaitClose();
  // Ends the connection in good order.
  void Close();

 private:
  int fd_ = -1;
};

// RFC 9113. A stream's number is odd and grows.
std::string Http2Preface();  // with empty settings
std::string Http2Frame(uint8_t type, uint8_t flags, uint32_t stream, absl::string_view payload);
// A call to the method, without its message.
std::string Http2Call(uint32_t stream, absl::string_view method);
// A message of `bytes` that announces itself as `announced` bytes long.
std::string Http2Message(uint32_t stream, absl::string_view bytes, uint32_t announced);
std::string Http2Reset(uint32_t stream);
std::string Http2Ping();

}  // namespace nestor

#endif  // NESTOR_TESTS_HOSTILE_RAW_CONNECTION_H_
