// nestord's engine and service with the upkeep of graphs in a tight loop: whenever it is killed, a
// repair or a checkpoint is under way.  crash_server DATA_DIR
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "server/engine/engine.h"
#include "server/rpc/rpc_server.h"

namespace nestor {
namespace {

int Serve(const char* data_dir) {
  auto server = RpcServer::Start("127.0.0.1:0", {.search_threads = 2});
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.status().ToString().c_str());
    return 1;
  }
  std::printf("listening on 127.0.0.1:%d\n", (*server)->port());
  std::fflush(stdout);
  EngineOptions options;
  options.data_dir = data_dir;
  options.upkeep = {.pause = std::chrono::milliseconds(1),
                    .repair_at = 0.02,
                    .store_every = std::chrono::milliseconds(0),
                    .store_share = 1};
  options.log = [](Severity, absl::string_view text) {
    std::fprintf(stderr, "%s\n", std::string(text).c_str());
  };
  auto engine = Engine::Open(std::move(options));
  if (!engine.ok()) {
    std::fprintf(stderr, "%s\n", engine.status().ToString().c_str());
    return 1;
  }
  (*server)->Serve(engine->get());
  for (;;) pause();  // until it is killed
}

}  // namespace
}  // namespace nestor

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  return argc == 2 ? nestor::Serve(argv[1]) : 2;
}
