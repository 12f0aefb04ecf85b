// An engine under the mixed load, with upkeep in a tight loop, to be killed. What it tries and what
// is acknowledged goes to a journal, which the kernel keeps whatever becomes of the process.
//
//   crash_child DATA_DIR JOURNAL RUN BUILDS
//
// Ends with 0 after so many builds and Engine::Close; 1: the engine does not open or close; 3: the
// load met a failure or a wrong answer.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "server/engine/engine.h"
#include "tests/server/mixed_load.h"

namespace nestor {
namespace {

int Fail(int code, const char* what, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", what, status.ToString().c_str());
  return code;
}

int Run(char** words) {
  const int journal = open(words[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (journal < 0) return 2;
  std::printf("started\n");  // for whoever waits for a line
  std::fflush(stdout);
  EngineOptions options;
  options.data_dir = words[1];
  options.write_buffer_bytes = size_t{1} << 20;  // flushes and compactions
  options.upkeep = LoadUpkeep();
  options.log = [](Severity severity, absl::string_view text) {
    if (severity != Severity::kInfo) std::fprintf(stderr, "%s\n", std::string(text).c_str());
  };
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(std::move(options));
  if (!engine.ok()) return Fail(1, "open", engine.status());
  const uint64_t run = std::strtoull(words[3], nullptr, 10);
  MixedLoad load(engine->get(), run, [journal](const LoadNote& note) {
    if (write(journal, &note, sizeof(note)) != sizeof(note)) std::abort();
  });
  absl::Status status = load.Run(std::atoi(words[4]));
  if (!status.ok()) return Fail(3, "load", status);
  status = (*engine)->Close();
  return status.ok() ? 0 : Fail(1, "close", status);
}

}  // namespace
}  // namespace nestor

int main(int argc, char** argv) { return argc == 5 ? nestor::Run(argv) : 2; }
