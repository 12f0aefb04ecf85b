// Writes a whole file so that others see either what was there before or all of the new one.
#ifndef NESTOR_CLIENT_FILES_ATOMIC_FILE_H_
#define NESTOR_CLIENT_FILES_ATOMIC_FILE_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nestor {

// Not thread-safe. Writes to a temporary file beside `path`; Commit syncs and renames it,
// destruction without Commit removes it.
class AtomicFile {
 public:
  static absl::StatusOr<AtomicFile> Create(const std::string& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  AtomicFile(const AtomicFile&) = delete;
  ~AtomicFile();

  absl::Status Append(const void* data, size_t bytes);
  absl::Status Commit();

 private:
  AtomicFile(std::string path, std::string temporary, int fd);

  std::string path_;
  std::string temporary_;
  int fd_;  // -1 once committed or moved from
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_ATOMIC_FILE_H_
