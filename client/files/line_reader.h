// Reads a text file line by line without holding it in memory. Not thread-safe.
#ifndef NESTOR_CLIENT_FILES_LINE_READER_H_
#define NESTOR_CLIENT_FILES_LINE_READER_H_

#include <cstdint>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nestor {

class LineReader {
 public:
  // The message limit of the API: what a longer line holds could not be sent anyway.
  static constexpr uint64_t kMaxLineBytes = 64 << 20;

  static absl::StatusOr<LineReader> Open(const std::string& path);

  LineReader(LineReader&&) = default;
  LineReader& operator=(LineReader&&) = default;

  // The next line without its "\n" or "\r\n"; false at the end of the file, where an unfinished
  // last line counts as a line.
  absl::StatusOr<bool> Next(std::string* line);

  uint64_t line_number() const { return line_number_; }  // of the last line read, from 1
  uint64_t bytes_read() const { return bytes_read_; }
  uint64_t file_bytes() const { return file_bytes_; }  // when it was opened

  // InvalidArgument that names the file and the last line read.
  absl::Status Error(absl::string_view what) const;

 private:
  LineReader(std::string path, std::ifstream in, uint64_t file_bytes);

  std::string path_;
  std::ifstream in_;
  uint64_t file_bytes_;
  uint64_t bytes_read_ = 0;
  uint64_t line_number_ = 0;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_LINE_READER_H_
