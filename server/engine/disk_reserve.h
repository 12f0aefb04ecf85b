// Keeps the last of the disk for what frees it: upserts and builds are refused while less than a
// reserve is free, so that deletes still find room for their records. Any thread.
#ifndef NESTOR_SERVER_ENGINE_DISK_RESERVE_H_
#define NESTOR_SERVER_ENGINE_DISK_RESERVE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/engine/credit.h"

namespace nestor {

class DiskReserve {
 public:
  // `reserve` in bytes, 0 = none. `free` says how many bytes of the disk are free.
  DiskReserve(uint64_t reserve, std::function<uint64_t()> free);

  // ResourceExhausted: `what`, which writes so many bytes, would reach into the reserve.
  absl::Status Admit(absl::string_view what, uint64_t bytes);

  // Of the disk that holds `path`, for this user; what cannot be asked counts as free.
  static uint64_t Free(const std::string& path);
  // 5 % of the disk that holds `path`, which need not exist yet; at most 1 GiB.
  static uint64_t Default(const std::string& path);

 private:
  const uint64_t reserve_;
  const std::function<uint64_t()> free_;
  Credit credit_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_DISK_RESERVE_H_
