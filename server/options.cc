#include "server/options.h"

#include <arpa/inet.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/version.h"

namespace nestor {
namespace {

constexpr int kMaxThreads = 1024;
constexpr uint32_t kMaxSearchQueue = 1000000;
constexpr uint32_t kMaxGraceSeconds = 3600;
constexpr uint32_t kMaxSlowQueryMs = 86400000;
constexpr uint64_t kMinMemoryLimit = uint64_t{1} << 20;
constexpr uint64_t kMinStoreMemory = uint64_t{1} << 20;
constexpr uint64_t kMaxStoreMemory = uint64_t{1} << 40;
constexpr uint64_t kMaxDiskReserve = uint64_t{1} << 50;
constexpr uint64_t kMaxMemoryLimit = uint64_t{1} << 50;

absl::Status BadEndpoint(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not HOST:PORT: ", why));
}

}  // namespace

absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return BadEndpoint(text, "the port is missing");
  absl::string_view host = text.substr(0, colon);
  const absl::string_view port = text.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    in6_addr address;
    if (inet_pton(AF_INET6, std::string(host).c_str(), &address) != 1) {
      return BadEndpoint(text, "no IPv6 address stands in the brackets");
    }
  } else if (host.find(':') != absl::string_view::npos) {
    return BadEndpoint(text, "an IPv6 address needs brackets");
  }
  if (host.empty()) return BadEndpoint(text, "the host is missing");
  uint32_t number = 0;
  const bool digits = !port.empty() && std::all_of(port.begin(), port.end(), absl::ascii_isdigit);
  if (!digits || !absl::SimpleAtoi(port, &number) || number > 65535) {
    return BadEndpoint(text, absl::StrCat("port \"", port, "\" is not in 0..65535"));
  }
  return Endpoint{std::string(host), static_cast<uint16_t>(number)};
}

std::string FormatEndpoint(const Endpoint& endpoint) {
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return v6 ? absl::StrCat("[", endpoint.host, "]:", endpoint.port)
            : absl::StrCat(endpoint.host, ":", endpoint.port);
}

bool IsLoopback(const Endpoint& endpoint) {
  if (endpoint.host == "localhost") return true;
  in_addr v4;
  if (inet_pton(AF_INET, endpoint.host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6;
  return inet_pton(AF_INET6, endpoint.host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::variant<Options, Exit> ParseOptions(int argc, const char* const* argv) {
  Options options;
  options.threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 1024u));
  std::string listen = "127.0.0.1:7700";
  bool insecure_listen = false;
  const std::map<std::string, LogFormat> formats = {{"text", LogFormat::kText},
                                                    {"json", LogFormat::kJson}};
  const std::map<std::string, LogLevel> levels = {{"debug", LogLevel::kDebug},
                                                  {"info", LogLevel::kInfo},
                                                  {"warning", LogLevel::kWarning},
                                                  {"error", LogLevel::kError}};

  CLI::App app(
      "nestord: vector search server for nested embeddings.\n"
      "nestord verify --data-dir DIR: checks the files of a server that is not running.\n"
      "Prints \"listening on HOST:PORT\" on stdout once bound; logs go to stderr. SIGTERM and "
      "SIGINT\n"
      "stop it gracefully, a second signal at once. Exit codes: 0 ok, 1 failed, 2 usage.",
      "nestord");
  app.set_version_flag("--version", std::string("nestord ") + kVersion);
  app.add_option("--data-dir", options.data_dir, "Directory of the data, made if missing")
      ->required()
      ->type_name("DIR")
      ->check([](const std::string& dir) { return dir.empty() ? "is empty" : ""; });
  app.add_option("--listen", listen, "Address to serve on; port 0 takes a free one")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app.set_config("--config", "", "Read options that are not given here from a TOML file")
      ->type_name("FILE");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.add_flag("--insecure-listen", insecure_listen,
               "Allow an address that other machines reach: there is no TLS and no login");
  app.add_option("--threads", options.threads, "Threads that search (default: the CPUs)")
      ->check(CLI::Range(1, kMaxThreads))
      ->capture_default_str();
  app.add_option("--search-queue", options.search_queue,
                 "Searches that may wait for a thread; more get RESOURCE_EXHAUSTED")
      ->check(CLI::Range(1u, kMaxSearchQueue))
      ->capture_default_str();
  app.add_option("--grace-seconds", options.grace_seconds,
                 "Time that calls in progress have at shutdown")
      ->check(CLI::Range(0u, kMaxGraceSeconds))
      ->capture_default_str();
  app.add_option("--slow-query-ms", options.slow_query_ms,
                 "Log searches that take longer, with their plan; 0 = never")
      ->check(CLI::Range(0u, kMaxSlowQueryMs))
      ->capture_default_str();
  app.add_option("--memory-limit", options.memory_limit,
                 "Upserts and builds that need more memory than this are refused, e.g. 12GiB "
                 "(default: nine tenths of the machine's, or of the container's)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::Range(kMinMemoryLimit, kMaxMemoryLimit))
      ->type_name("SIZE");
  app.add_option(
         "--disk-reserve", options.disk_reserve,
         "Upserts and builds that would leave less of the disk free are refused, deletes go "
         "on; 0 = none (default: 5 % of the disk, at most 1GiB)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::Range(uint64_t{0}, kMaxDiskReserve))
      ->type_name("SIZE");
  app.add_option("--block-cache", options.block_cache,
                 "Memory for blocks of the store that were read, e.g. 1GiB (default: 128MiB)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::Range(kMinStoreMemory, kMaxStoreMemory))
      ->type_name("SIZE");
  app.add_option("--write-buffers", options.write_buffers,
                 "Memory for what the store has not written to its files yet (default: 256MiB)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::Range(kMinStoreMemory, kMaxStoreMemory))
      ->type_name("SIZE");
  app.add_option("--log-format", options.log_format, "text or json (one object a line)")
      ->transform(CLI::CheckedTransformer(formats, CLI::ignore_case))
      ->type_name("FORMAT");
  app.add_option("--log-level", options.log_level, "debug, info, warning or error")
      ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case))
      ->type_name("LEVEL");

  CLI::App* verify = app.add_subcommand(
      "verify",
      "Read all files of --data-dir, change nothing; exit code 1 if any is damaged, and its name");
  verify->fallthrough();

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Exit{kExitOk, app.help()};
  } catch (const CLI::CallForVersion&) {
    return Exit{kExitOk, absl::StrCat("nestord ", kVersion, "\n")};
  } catch (const CLI::ParseError& error) {
    return Exit{kExitUsage, absl::StrCat("nestord: ", error.what(), "\nTry nestord --help.\n")};
  }
  if (verify->parsed()) {
    options.verify = true;
    return options;
  }
  const absl::StatusOr<Endpoint> endpoint = ParseEndpoint(listen);
  if (!endpoint.ok()) {
    return Exit{
        kExitUsage,
        absl::StrCat("nestord: --listen: ", std::string(endpoint.status().message()), "\n")};
  }
  if (!IsLoopback(*endpoint) && !insecure_listen) {
    return Exit{kExitUsage,
                absl::StrCat("nestord: --listen: ", listen,
                             " is reachable from other machines, and there is no TLS and no login; "
                             "add --insecure-listen if that is meant\n")};
  }
  options.listen = *endpoint;
  return options;
}

}  // namespace nestor
