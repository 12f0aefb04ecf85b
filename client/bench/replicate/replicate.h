// `nestor bench replicate`: runs the protocol on the encoders of a folder and writes what came out.
#ifndef NESTOR_CLIENT_BENCH_REPLICATE_REPLICATE_H_
#define NESTOR_CLIENT_BENCH_REPLICATE_REPLICATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/bench/replicate/finding.h"
#include "client/bench/replicate/trial.h"

namespace nestor {

struct ReplicateOptions {
  std::string data;               // folder of encoders (encoder.h)
  std::string out;                // folder that is written to; made if it is not there
  std::vector<uint32_t> nesting;  // dims that the encoders were trained at
  int threads = 1;                // of builds
};

struct Replication {
  std::vector<Trial> runs;
  std::vector<Finding> findings;
};

// Every method over its grid, then P1 .. P12. `told` hears what begins.
absl::StatusOr<Replication> Replicate(const ReplicateOptions& options, const Told& told);

// runs.csv, findings.md and the charts, each whole or not at all.
absl::Status WriteReplication(const Replication& replication, const ReplicateOptions& options);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_REPLICATE_REPLICATE_H_
