// A regular file mapped read-only for as long as the object lives. Immutable, so any thread may
// read it. Whoever truncates the file meanwhile gets this process a SIGBUS, as with every mapping.
#ifndef NESTOR_CLIENT_FILES_MAPPED_FILE_H_
#define NESTOR_CLIENT_FILES_MAPPED_FILE_H_

#include <cstddef>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace nestor {

class MappedFile {
 public:
  // NotFound, PermissionDenied or what else errno says; InvalidArgument if it is no regular file.
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> bytes_;  // empty file: no mapping
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_MAPPED_FILE_H_
