// What `nestor bench` and nestor-baselines say to each other, line by line, over a pipe:
//   build THREADS                      -> ok SECONDS PART=BYTES...
//   pass SETTING HALF K THREADS RUNS   -> ok WALL_SECONDS QUERIES
//                                         a line per query: its ids (fewer than K where there are)
//                                         a line with the microseconds of all runs
// and `error TEXT` instead of ok. The end of its input ends nestor-baselines.
#ifndef NESTOR_CLIENT_PASSES_WIRE_H_
#define NESTOR_CLIENT_PASSES_WIRE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/passes/pass.h"

namespace nestor {

struct BuildReply {
  double seconds = 0;
  std::vector<std::pair<std::string, uint64_t>> bytes;  // memory by part
};

struct PassRequest {
  std::string setting;  // no blanks: "ef=64"
  PassOptions options;
};

// Lines without their ends; texts of replies hold the ends of all lines but the last.
std::string FormatBuildRequest(int threads);
std::string FormatPassRequest(const PassRequest& request);
std::string FormatReply(const absl::StatusOr<BuildReply>& reply);
std::string FormatReply(const absl::StatusOr<Pass>& reply);

// InvalidArgument says what was expected.
absl::StatusOr<int> ParseBuildRequest(absl::string_view line);
absl::StatusOr<PassRequest> ParsePassRequest(absl::string_view line);

// Reads the next line of the reply, or fails.
using NextLine = std::function<absl::StatusOr<std::string>()>;
absl::StatusOr<BuildReply> ReadBuildReply(const NextLine& next);
absl::StatusOr<Pass> ReadPassReply(const NextLine& next, uint32_t k);

}  // namespace nestor

#endif  // NESTOR_CLIENT_PASSES_WIRE_H_
