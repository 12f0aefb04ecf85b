#include "tests/server/e2e/crash_log.h"

#include <cctype>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace nestor {
namespace {

// The number behind `before`; 0 where the line lacks it.
uint64_t NumberBehind(absl::string_view line, absl::string_view before) {
  size_t at = line.find(before);
  if (at == absl::string_view::npos) return 0;
  uint64_t number = 0;
  for (at += before.size(); at < line.size() && std::isdigit(line[at]) != 0; ++at) {
    number = number * 10 + static_cast<uint64_t>(line[at] - '0');
  }
  return number;
}

}  // namespace

CrashLog::CrashLog(absl::string_view text, absl::string_view collection) {
  const std::string stored = absl::StrCat("stored the graph of collection ", collection, ":");
  const std::string repaired = absl::StrCat("repaired the graph of collection ", collection, ":");
  const std::string loaded = absl::StrCat("loaded collection ", collection, ":");
  uint64_t last_seq = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StrContains(line, stored)) {
      ++checkpoints_;
      last_seq = NumberBehind(line, "rows up to sequence ");
    } else if (absl::StrContains(line, repaired)) {
      ++repairs_;
    } else if (absl::StrContains(line, loaded)) {
      reinserted_ = NumberBehind(line, "graph: inserted ");
      checkpoints_before_ = checkpoints_;
      stored_seq_ = last_seq;
    }
  }
}

std::string ReadCrashLog(const std::string& file) {
  std::ifstream in(file);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace nestor
