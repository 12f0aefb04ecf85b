#include "client/cli/progress.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/text.h"

namespace nestor {
namespace {

constexpr int kBarWidth = 24;
constexpr absl::Duration kTerminalInterval = absl::Milliseconds(100);
constexpr absl::Duration kLineInterval = absl::Seconds(5);

}  // namespace

std::string ProgressLine(absl::string_view label, double fraction, absl::string_view detail,
                         std::optional<double> eta_seconds) {
  fraction = std::clamp(fraction, 0.0, 1.0);
  const int filled = static_cast<int>(fraction * kBarWidth);
  std::string line =
      absl::StrFormat("%s  [%s%s] %3d%%", label, std::string(filled, '#'),
                      std::string(kBarWidth - filled, '-'), static_cast<int>(fraction * 100));
  if (!detail.empty()) absl::StrAppend(&line, "  ", detail);
  if (eta_seconds.has_value()) absl::StrAppend(&line, "  ETA ", FormatSeconds(*eta_seconds));
  return line;
}

Progress::~Progress() {
  if (terminal_ && drawn_) out_ << std::endl;
}

void Progress::Update(absl::Time now, double fraction, absl::string_view detail,
                      std::optional<double> eta_seconds) {
  const bool complete = fraction >= 1;
  if (complete ? complete_
               : now - std::max(last_drawn_, terminal_ ? absl::InfinitePast() : start_) <
                     (terminal_ ? kTerminalInterval : kLineInterval)) {
    return;
  }
  const double elapsed = absl::ToDoubleSeconds(now - start_);
  if (!eta_seconds.has_value() && fraction > 0) eta_seconds = elapsed / fraction * (1 - fraction);
  if (complete) eta_seconds.reset();
  const std::string line = ProgressLine(label_, fraction, detail, eta_seconds);
  if (terminal_) {
    out_ << "\r" << line << "\x1b[K" << std::flush;  // clear what a longer line left behind
  } else {
    out_ << line << std::endl;
  }
  last_drawn_ = now;
  drawn_ = true;
  complete_ = complete;
}

}  // namespace nestor
