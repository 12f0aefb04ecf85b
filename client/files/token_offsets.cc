#include "client/files/token_offsets.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/files/vector_file.h"

namespace nestor {

absl::StatusOr<std::vector<uint64_t>> ReadTokenOffsets(const std::string& path, uint64_t tokens,
                                                       uint64_t most) {
  const auto file = VectorFile::Open(path);
  if (!file.ok()) return file.status();
  if (file->dim() != 1 || file->rows() < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", file->rows(), " x ", file->dim(), " are no offsets"));
  }
  std::vector<uint64_t> offsets;
  for (uint64_t i = 0; i < std::min(file->rows(), most + 1); ++i) {
    uint64_t offset = 0;
    if (const auto read = file->ReadIds(i, {&offset, 1}); !read.ok()) return read;
    const uint64_t before = i == 0 ? 0 : offsets.back();
    if ((i == 0 ? offset != 0 : offset <= before) || offset > tokens) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, ": offset ", i, " is ", offset, " after ", before, ", of ", tokens, " tokens"));
    }
    offsets.push_back(offset);
  }
  return offsets;
}

}  // namespace nestor
