#include "client/files/line_reader.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nestor {

absl::StatusOr<LineReader> LineReader::Open(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a regular file"));
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::ErrnoToStatus(errno == 0 ? EIO : errno, absl::StrCat("open ", path));
  return LineReader(path, std::move(in), static_cast<uint64_t>(info.st_size));
}

LineReader::LineReader(std::string path, std::ifstream in, uint64_t file_bytes)
    : path_(std::move(path)), in_(std::move(in)), file_bytes_(file_bytes) {}

absl::StatusOr<bool> LineReader::Next(std::string* line) {
  line->clear();
  std::streambuf* buffer = in_.rdbuf();
  int c = buffer->sbumpc();
  if (c == std::char_traits<char>::eof()) return false;
  ++line_number_;
  for (; c != std::char_traits<char>::eof(); c = buffer->sbumpc()) {
    ++bytes_read_;
    if (c == '\n') break;
    if (line->size() == kMaxLineBytes) {
      return Error(absl::StrCat("longer than the limit of ", kMaxLineBytes, " bytes"));
    }
    line->push_back(static_cast<char>(c));
  }
  if (!line->empty() && line->back() == '\r') line->pop_back();
  return true;
}

absl::Status LineReader::Error(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(path_, ": line ", line_number_, ": ", what));
}

}  // namespace nestor
