// Where the rows of a vector file lie in its bytes, read from its header and checked against its
// size.
#ifndef NESTOR_CLIENT_FILES_LAYOUT_H_
#define NESTOR_CLIENT_FILES_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/files/element.h"

namespace nestor {

// An FDE's limit, the longest vector that Nestor knows.
inline constexpr uint32_t kMaxFileDim = 1u << 20;

enum class FileFormat : uint8_t {
  kBin,   // u32 rows, u32 dim, then the values
  kVecs,  // each row: u32 dim, then its values
  kNpy,
};

struct FormatOfName {
  FileFormat format;
  // What the name promises; npy says it in its header.
  std::optional<Element> element;
};

// By the name's ending: .fbin .f16bin .i8bin .u8bin .ibin .u64bin .fvecs .ivecs .npy.
// InvalidArgument names these.
absl::StatusOr<FormatOfName> FormatFromName(absl::string_view path);

struct Layout {
  Element element = Element::kF32;
  uint64_t rows = 0;
  uint32_t dim = 0;
  uint64_t first_row = 0;  // offset of row 0's first value
  uint64_t stride = 0;     // bytes from one row's first value to the next row's
};

// `file` is the whole file. DataLoss where it ends early, InvalidArgument where it lies; both name
// the file, the offset, what was expected and what was found. Every row's dim of a kVecs file is
// checked.
absl::StatusOr<Layout> ReadLayout(absl::string_view path, std::span<const std::byte> file);

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_LAYOUT_H_
