// The flags of nestord: the only flags of the server. Plain values, made once by main.
#ifndef NESTOR_SERVER_OPTIONS_H_
#define NESTOR_SERVER_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/log.h"

namespace nestor {

struct Endpoint {
  std::string host;   // name or address, IPv6 without brackets
  uint16_t port = 0;  // 0 = any free one
};

// HOST:PORT, an IPv6 address in brackets. InvalidArgument says what is wrong.
absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text);
std::string FormatEndpoint(const Endpoint& endpoint);
// 127.0.0.0/8, ::1 or localhost: reachable from this machine only.
bool IsLoopback(const Endpoint& endpoint);

struct Options {
  bool verify = false;  // check the files of data_dir and serve nothing; only data_dir counts then
  std::string data_dir;
  Endpoint listen;
  int threads = 1;                               // of the search pool
  uint32_t search_queue = 1024;                  // searches that may wait for a thread
  uint32_t grace_seconds = 10;                   // for calls in progress at shutdown
  uint32_t slow_query_ms = 1000;                 // slower searches are logged; 0 = none
  uint64_t block_cache = uint64_t{128} << 20;    // bytes, of the store
  uint64_t write_buffers = uint64_t{256} << 20;  // bytes, of the store
  std::optional<uint64_t> disk_reserve;          // bytes (engine.h); absent = a part of the disk
  uint64_t memory_limit = 0;  // bytes (engine.h); 0 = nine tenths of what there is
  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;
};

// Instead of options: the text to print (on stdout if the code is 0, else stderr) and the exit
// code.
struct Exit {
  int code = 0;
  std::string text;
};

std::variant<Options, Exit> ParseOptions(int argc, const char* const* argv);

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

}  // namespace nestor

#endif  // NESTOR_SERVER_OPTIONS_H_
