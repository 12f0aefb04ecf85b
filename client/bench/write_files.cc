#include "client/bench/write_files.h"

#include <filesystem>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/files/atomic_file.h"

namespace nestor {
namespace {

absl::Status WriteText(const std::string& path, const std::string& text) {
  absl::StatusOr<AtomicFile> file = AtomicFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status s = file->Append(text.data(), text.size()); !s.ok()) return s;
  return file->Commit();
}

}  // namespace

absl::Status WriteFiles(const std::string& folder,
                        std::span<const std::pair<std::string, std::string>> files) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return absl::InternalError(absl::StrCat("create ", folder, ": ", error.message()));
  for (const auto& [name, text] : files) {
    if (absl::Status s = WriteText(absl::StrCat(folder, "/", name), text); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace nestor
