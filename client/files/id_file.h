// Reads the ids of a collection's points from a file: u64bin, ibin or npy (integers, one a row), or
// text with one id a line.
#ifndef NESTOR_CLIENT_FILES_ID_FILE_H_
#define NESTOR_CLIENT_FILES_ID_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "index/point_id.h"

namespace nestor {

// Ids of one kind; the vector of the other kind is empty.
struct IdColumn {
  std::vector<uint64_t> nums;
  std::vector<std::string> strs;

  size_t size() const { return nums.size() + strs.size(); }
};

// `kind` is the collection's. Refused, with row or line: negative numbers, files of numbers for
// string ids, empty lines, strings over 256 bytes. Whether ids repeat is left to whoever writes
// them.
absl::StatusOr<IdColumn> ReadIdFile(const std::string& path, IdKind kind);

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_ID_FILE_H_
