// Progress on stderr: a bar that is redrawn on a terminal, a line now and then elsewhere.
// Single-threaded.
#ifndef NESTOR_CLIENT_CLI_PROGRESS_H_
#define NESTOR_CLIENT_CLI_PROGRESS_H_

#include <optional>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace nestor {

// "load  [#########---------------]  38%  7,600 rows  ETA 4.10 s"; `fraction` is clamped to 0..1.
std::string ProgressLine(absl::string_view label, double fraction, absl::string_view detail,
                         std::optional<double> eta_seconds);

class Progress {
 public:
  Progress(std::ostream& out, bool terminal, std::string label, absl::Time start)
      : out_(out), terminal_(terminal), label_(std::move(label)), start_(start) {}
  // Ends the bar's line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Draws at most every 100 ms on a terminal and every 5 s elsewhere; fraction 1 is always drawn,
  // once. Without an ETA it is derived from the time so far.
  void Update(absl::Time now, double fraction, absl::string_view detail,
              std::optional<double> eta_seconds = std::nullopt);

 private:
  std::ostream& out_;
  const bool terminal_;
  const std::string label_;
  const absl::Time start_;
  absl::Time last_drawn_ = absl::InfinitePast();
  bool drawn_ = false;
  bool complete_ = false;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_PROGRESS_H_
