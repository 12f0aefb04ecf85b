// nestord: reads the flags, serves until a signal comes, closes the store.
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <variant>

#include "absl/status/status.h"
#include "server/engine/disk_reserve.h"
#include "server/engine/engine.h"
#include "server/engine/memory_limit.h"
#include "server/engine/priority.h"
#include "server/log.h"
#include "server/memory_trimmer.h"
#include "server/options.h"
#include "server/rpc/limits.h"
#include "server/rpc/rpc_server.h"
#include "server/stop_signals.h"
#include "server/storage/verify.h"
#include "server/version.h"

namespace nestor {
namespace {

LogLevel ToLogLevel(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return LogLevel::kInfo;
    case Severity::kWarning:
      return LogLevel::kWarning;
    case Severity::kError:
      break;
  }
  return LogLevel::kError;
}

int Fail(absl::string_view action, const absl::Status& status) {
  Log(LogLevel::kError, "failed", {{"action", action}, {"error", status.ToString()}});
  return kExitFailed;
}

double Since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

uint64_t MemoryLimitOf(const Options& options) {
  return options.memory_limit != 0 ? options.memory_limit : MemoryLimit::Default();
}

// What calls may hold is a part of the memory where that is small.
BackendOptions MakeBackendOptions(const Options& options) {
  const auto part = [&](uint64_t share, int64_t least, int64_t most) {
    return static_cast<int64_t>(std::clamp<uint64_t>(MemoryLimitOf(options) / share, least, most));
  };
  constexpr auto kMessage = static_cast<int64_t>(kMaxMessageBytes);
  BackendOptions backend;
  backend.search_threads = options.threads;
  backend.search_queue = options.search_queue;
  backend.slow_query = std::chrono::milliseconds(options.slow_query_ms);
  backend.max_request_bytes = part(8, 2 * kMessage, backend.max_request_bytes);
  backend.max_reply_bytes = part(16, kMessage, backend.max_reply_bytes);
  return backend;
}

absl::StatusOr<std::unique_ptr<Engine>> OpenEngine(const Options& options, RpcServer* server) {
  EngineOptions engine_options;
  engine_options.data_dir = options.data_dir;
  engine_options.build_threads = options.threads;
  engine_options.memory_limit_bytes = MemoryLimitOf(options);
  engine_options.cache_bytes = options.block_cache;
  engine_options.write_buffer_bytes = options.write_buffers;
  engine_options.disk_reserve_bytes =
      options.disk_reserve.value_or(DiskReserve::Default(options.data_dir));
  engine_options.load_threads = options.threads;
  engine_options.log = [](Severity severity, absl::string_view text) {
    Log(ToLogLevel(severity), "engine", {{"text", text}});
  };
  engine_options.on_collections = [server] { server->CollectionsChanged(); };
  return Engine::OpenUnloaded(std::move(engine_options));
}

// Each collection answers as soon as it is loaded. Cancelled by a signal.
absl::Status LoadCollections(Engine* engine, RpcServer* server, const StopSignals& signals) {
  server->Connect(engine);
  absl::Status loaded = engine->LoadCollections([&] { return !signals.came(); });
  if (absl::IsCancelled(loaded)) return loaded;
  if (!loaded.ok()) {
    server->Shutdown(std::chrono::milliseconds(0));
    return loaded;
  }
  for (const CollectionInfo& info : engine->ListCollections()) {
    Log(LogLevel::kInfo, "loaded",
        {{"collection", info.spec.name}, {"rows", info.points}, {"seq", info.seq}});
  }
  server->Serve(engine);
  return absl::OkStatus();
}

// Connections and the store's files share the descriptors; the usual limit of 1024 is soon reached.
// Not more than this, as every connection takes memory.
void RaiseDescriptorLimit() {
  constexpr rlim_t kWanted = 65536;
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kWanted) return;
  limit.rlim_cur = std::min(limit.rlim_max, kWanted);
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    Log(LogLevel::kWarning, "descriptor_limit", {{"error", strerror(errno)}});
  }
}

// malloc makes up to eight arenas a CPU, and each keeps what its busiest moment took: on two CPUs
// 130 MB against 105 MB after five minutes of writes, searches and builds. Before there are
// threads.
void BoundArenas() {
  mallopt(M_ARENA_MAX, static_cast<int>(std::max(2u, std::thread::hardware_concurrency())));
}

int Serve(const Options& options, StopSignals* signals) {
  BoundArenas();
  const auto start = std::chrono::steady_clock::now();
  const MemoryTrimmer trimmer;
  absl::StatusOr<std::unique_ptr<RpcServer>> server =
      RpcServer::Start(FormatEndpoint(options.listen), MakeBackendOptions(options));
  if (!server.ok()) return Fail("listen", server.status());
  const Endpoint bound = {options.listen.host, static_cast<uint16_t>((*server)->port())};
  std::printf("listening on %s\n", FormatEndpoint(bound).c_str());
  std::fflush(stdout);
  Log(LogLevel::kInfo, "listening",
      {{"address", FormatEndpoint(bound)}, {"version", kVersion}, {"threads", options.threads}});

  const auto opening = std::chrono::steady_clock::now();
  absl::StatusOr<std::unique_ptr<Engine>> engine = OpenEngine(options, server->get());
  if (!engine.ok()) return Fail("open the data directory", engine.status());
  const absl::Status loaded = LoadCollections(engine->get(), server->get(), *signals);
  if (loaded.ok()) {
    Log(LogLevel::kInfo, "serving", {{"data_dir", options.data_dir}, {"seconds", Since(opening)}});
  } else if (!absl::IsCancelled(loaded)) {
    return Fail("open the data directory", loaded);
  }

  const int signal = signals->Wait();
  Log(LogLevel::kInfo, "stopping",
      {{"signal", strsignal(signal)}, {"grace_seconds", options.grace_seconds}});
  (*server)->Shutdown(std::chrono::seconds(options.grace_seconds));
  const absl::Status closed = (*engine)->Close();
  if (!closed.ok()) return Fail("close the store", closed);
  const RequestCounters& counters = (*server)->counters();
  Log(LogLevel::kInfo, "stopped",
      {{"uptime_seconds", Since(start)},
       {"searches", counters.search_micros.count()},
       {"search_queue_p50_us", counters.search_queue_micros.Quantile(0.5)},
       {"search_p50_us", counters.search_micros.Quantile(0.5)},
       {"search_p99_us", counters.search_micros.Quantile(0.99)},
       {"search_outside_stages_p50_us", counters.search_overhead_micros.Quantile(0.5)}});
  return kExitOk;
}

// Damages go to stderr, one a line, the sum of all to stdout.
int Verify(const Options& options) {
  const absl::StatusOr<VerifyReport> report = VerifyDataDir({.data_dir = options.data_dir});
  if (!report.ok()) {
    std::fprintf(stderr, "nestord: %s\n", std::string(report.status().message()).c_str());
    return kExitFailed;
  }
  for (const std::string& damage : report->damages) std::fprintf(stderr, "%s\n", damage.c_str());
  std::printf("%s: %llu files, %llu bytes, %llu collections, %llu points: %s\n",
              options.data_dir.c_str(), static_cast<unsigned long long>(report->files),
              static_cast<unsigned long long>(report->bytes),
              static_cast<unsigned long long>(report->collections),
              static_cast<unsigned long long>(report->points),
              report->damages.empty() ? "ok" : "DAMAGED");
  return report->damages.empty() ? kExitOk : kExitFailed;
}

int Main(int argc, char** argv) {
  StopSignals signals;
  std::variant<Options, Exit> parsed = ParseOptions(argc, argv);
  if (const auto* exit = std::get_if<Exit>(&parsed)) {
    std::fputs(exit->text.c_str(), exit->code == kExitOk ? stdout : stderr);
    return exit->code;
  }
  const Options& options = std::get<Options>(parsed);
  if (options.verify) return Verify(options);
  StartLog(options.log_format, options.log_level);
  RaiseDescriptorLimit();
  return Serve(options, &signals);
}

}  // namespace
}  // namespace nestor

int main(int argc, char** argv) {
  nestor::CatchStopSignals();
  nestor::SetPriorities();
  return nestor::Main(argc, argv);
}
