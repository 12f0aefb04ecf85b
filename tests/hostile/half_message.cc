#include "tests/hostile/half_message.h"

#include <algorithm>
#include <chrono>

namespace nestor {
namespace {

constexpr uint32_t kStream = 1;
constexpr size_t kFrameHeader = 9;
constexpr int64_t kFrameBytes = 16384;

// Types of frames, RFC 9113 section 6.
constexpr uint8_t kData = 0, kResetStream = 3, kSettings = 4, kPing = 6, kGoAway = 7,
                  kWindowUpdate = 8;
constexpr uint8_t kAck = 1;
constexpr uint32_t kInitialWindowSize = 4;  // a setting

uint32_t Number(absl::string_view bytes) {
  uint32_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<uint8_t>(byte);
  return number;
}

}  // namespace

HalfMessage::HalfMessage(const std::string& address, absl::string_view method, uint32_t announced)
    : connection_(address) {
  std::string head(1, '\0');  // not compressed
  for (int shift = 24; shift >= 0; shift -= 8)
    head.push_back(static_cast<char>(announced >> shift));
  ended_ = !connection_.Send(Http2Preface() + Http2Call(kStream, method) +
                             Http2Frame(kData, 0, kStream, head));
  connection_window_ -= static_cast<int64_t>(head.size());
  stream_window_ -= static_cast<int64_t>(head.size());
}

bool HalfMessage::Send(uint64_t bytes) {
  const std::string zeros(kFrameBytes, '\0');
  auto moved = std::chrono::steady_clock::now();
  while (bytes > 0 && !ended_) {
    const int64_t fits =
        std::min({kFrameBytes, connection_window_, stream_window_, static_cast<int64_t>(bytes)});
    if (fits <= 0) {
      if (std::chrono::steady_clock::now() - moved > std::chrono::seconds(10)) return false;
      Listen();
      continue;
    }
    moved = std::chrono::steady_clock::now();
    const absl::string_view part(zeros.data(), static_cast<size_t>(fits));
    if (!connection_.Send(Http2Frame(kData, 0, kStream, part))) ended_ = true;
    connection_window_ -= fits;
    stream_window_ -= fits;
    bytes -= static_cast<uint64_t>(fits);
  }
  return !ended_;
}

void HalfMessage::Listen() {
  if (!connection_.Receive(&received_)) ended_ = true;
  size_t at = 0;
  while (received_.size() - at >= kFrameHeader) {
    const absl::string_view frame = absl::string_view(received_).substr(at);
    const size_t length = Number(frame.substr(0, 3));
    if (frame.size() < kFrameHeader + length) break;
    Take(static_cast<uint8_t>(frame[3]), static_cast<uint8_t>(frame[4]), Number(frame.substr(5, 4)),
         frame.substr(kFrameHeader, length));
    at += kFrameHeader + length;
  }
  received_.erase(0, at);
}

void HalfMessage::Take(uint8_t type, uint8_t flags, uint32_t stream, absl::string_view payload) {
  switch (type) {
    case kResetStream:
    case kGoAway:
      ended_ = true;
      break;
    case kWindowUpdate:
      (stream == 0 ? connection_window_ : stream_window_) += Number(payload);
      break;
    case kPing:
      if ((flags & kAck) == 0) connection_.Send(Http2Frame(kPing, kAck, 0, payload));
      break;
    case kSettings:
      if ((flags & kAck) != 0) break;
      for (; payload.size() >= 6; payload.remove_prefix(6)) {
        if (Number(payload.substr(0, 2)) != kInitialWindowSize) continue;
        const int64_t window = Number(payload.substr(2, 4));
        stream_window_ += window - initial_window_;
        initial_window_ = window;
      }
      connection_.Send(Http2Frame(kSettings, kAck, 0, ""));
      break;
    default:
      break;
  }
}

}  // namespace nestor
