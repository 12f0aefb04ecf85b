#include "server/engine/disk_reserve.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nestor {

DiskReserve::DiskReserve(uint64_t reserve, std::function<uint64_t()> free)
    : reserve_(reserve), free_(std::move(free)) {}

absl::Status DiskReserve::Admit(absl::string_view what, uint64_t bytes) {
  if (reserve_ == 0) return absl::OkStatus();
  if (credit_.Take(bytes)) return absl::OkStatus();
  const uint64_t free = free_();
  if (free < reserve_ || free - reserve_ < bytes) {
    credit_.Grant(0);
    return absl::ResourceExhaustedError(
        absl::StrCat(what, " takes ", bytes, " bytes on disk; ", free, " are free, of which ",
                     reserve_, " are kept (--disk-reserve); delete points or a collection"));
  }
  credit_.Grant(free - reserve_ - bytes);
  return absl::OkStatus();
}

uint64_t DiskReserve::Free(const std::string& path) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(path, error);
  return error ? std::numeric_limits<uint64_t>::max() : space.available;
}

uint64_t DiskReserve::Default(const std::string& path) {
  std::error_code error;
  std::filesystem::path at = std::filesystem::absolute(path, error);
  while (!std::filesystem::exists(at, error) && at.has_relative_path()) at = at.parent_path();
  const std::filesystem::space_info space = std::filesystem::space(at, error);
  return error ? 0 : std::min<uint64_t>(space.capacity / 20, uint64_t{1} << 30);
}

}  // namespace nestor
