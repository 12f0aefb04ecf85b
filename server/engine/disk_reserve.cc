#include "server/engine/disk_reserve.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

// A look is a system call, so not at every write.
constexpr int64_t kCredit = 4 << 20;

}  // namespace

DiskReserve::DiskReserve(uint64_t reserve, std::function<uint64_t()> free)
    : reserve_(reserve), free_(std::move(free)) {}

absl::Status DiskReserve::Admit(absl::string_view what, uint64_t bytes) {
  if (reserve_ == 0) return absl::OkStatus();
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max() / 2);
  const auto wanted = static_cast<int64_t>(std::min(bytes, kMost));
  if (credit_.fetch_sub(wanted, std::memory_order_relaxed) >= wanted) return absl::OkStatus();
  const uint64_t free = free_();
  if (free < reserve_ || free - reserve_ < bytes) {
    credit_.store(0, std::memory_order_relaxed);
    return absl::ResourceExhaustedError(
        absl::StrCat(what, " takes ", bytes, " bytes on disk; ", free, " are free, of which ",
                     reserve_, " are kept (--disk-reserve); delete points or a collection"));
  }
  const auto left = static_cast<int64_t>(std::min(free - reserve_ - bytes, kMost));
  credit_.store(std::min(left, kCredit), std::memory_order_relaxed);
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
