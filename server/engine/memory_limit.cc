#include "server/engine/memory_limit.h"

#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

// The first number of a file; 0 where there is none ("max").
uint64_t NumberIn(const char* path) {
  std::ifstream file(path);
  std::string word;
  uint64_t number = 0;
  return file >> word && absl::SimpleAtoi(word, &number) ? number : 0;
}

}  // namespace

MemoryLimit::MemoryLimit(uint64_t limit, std::function<uint64_t()> reusable)
    : limit_(limit), reusable_(std::move(reusable)) {}

absl::Status MemoryLimit::Admit(absl::string_view what, uint64_t bytes) {
  if (limit_ == 0) return absl::OkStatus();
  if (credit_.Take(bytes)) return absl::OkStatus();
  const uint64_t resident = Resident();
  const uint64_t used = resident - std::min(resident, reusable_());
  if (bytes > limit_ || used > limit_ - bytes) {
    credit_.Grant(0);
    return absl::ResourceExhaustedError(absl::StrCat(
        what, " takes ", bytes, " bytes; the server uses ", used, " of memory and may use ", limit_,
        " (--memory-limit); delete points or give it more"));
  }
  credit_.Grant(limit_ - used - bytes);
  return absl::OkStatus();
}

uint64_t MemoryLimit::Resident() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  if (!(file >> size >> resident)) return 0;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t MemoryLimit::Default() {
  struct sysinfo info = {};
  uint64_t bytes = sysinfo(&info) == 0 ? uint64_t{info.totalram} * info.mem_unit : 0;
  // Version 2 of control groups as a container sees its own, then version 1.
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const uint64_t limit = NumberIn(path);
    if (limit != 0) bytes = std::min(bytes, limit);
  }
  return bytes / 10 * 9;
}

}  // namespace nestor
