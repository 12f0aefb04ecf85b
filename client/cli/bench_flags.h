// The flags of `nestor bench`.
#ifndef NESTOR_CLIENT_CLI_BENCH_FLAGS_H_
#define NESTOR_CLIENT_CLI_BENCH_FLAGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/bench/compare.h"
#include "client/bench/dataset.h"
#include "client/bench/local_engine.h"
#include "client/cli/index_flags.h"

namespace nestor {

struct BenchFlags {
  bool local = false;
  std::string collection, data, scaled;
  DatasetFiles files;
  std::string tokens;  // in place of files.queries, with files.offsets
  std::string metric, dtype;
  std::vector<std::string> labels, baselines;
  bool exact = false;
  bool json = false;
  int build_threads = 1;  // all CPUs by AddBenchFlags
  uint32_t batch = 0;
  IndexFlags index;
  CompareOptions compare;
};

// All but those of the connection. `flags` must outlive the parsing.
void AddBenchFlags(CLI::App* command, BenchFlags* flags);

// A usage error where flags contradict each other or one is missing.
absl::Status CheckBenchFlags(const BenchFlags& flags);

// What the flags say of an index in this process.
absl::StatusOr<LocalEngineOptions> LocalOptions(const BenchFlags& flags);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_BENCH_FLAGS_H_
