// Keeps writes from growing the process until the kernel kills it: they are refused above a limit
// of resident memory, while reads and deletes go on. Any thread.
#ifndef NESTOR_SERVER_ENGINE_MEMORY_LIMIT_H_
#define NESTOR_SERVER_ENGINE_MEMORY_LIMIT_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/engine/credit.h"

namespace nestor {

class MemoryLimit {
 public:
  // `limit` in bytes, 0 = none. `reusable`: bytes that are resident and that writes will use again,
  // the room of deleted points; it may be slow.
  MemoryLimit(uint64_t limit, std::function<uint64_t()> reusable);

  // ResourceExhausted: `what`, which adds so many bytes, would pass the limit.
  absl::Status Admit(absl::string_view what, uint64_t bytes);

  uint64_t limit() const { return limit_; }
  // Bytes of this process that are in memory; 0 where the kernel does not say.
  static uint64_t Resident();
  // Nine tenths of the memory of this machine, or of its control group if that has less.
  static uint64_t Default();

 private:
  const uint64_t limit_;
  const std::function<uint64_t()> reusable_;
  Credit credit_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_MEMORY_LIMIT_H_
