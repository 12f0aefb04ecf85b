// The header of NumPy's .npy files (numpy.lib.format, versions 1 to 3): C order, one or two
// dimensions, little-endian f4, f2, i1, u1, i4, i8 or u8.
#ifndef NESTOR_CLIENT_FILES_NPY_HEADER_H_
#define NESTOR_CLIENT_FILES_NPY_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/files/element.h"

namespace nestor {

struct NpyHeader {
  Element element = Element::kF32;
  uint64_t rows = 0;
  uint64_t dim = 1;          // 1 for a one-dimensional array
  uint64_t data_offset = 0;  // of the first value in the file
};

// `file` is the whole file, `path` names it in errors. Does not look at the values behind the
// header.
absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view path, std::span<const std::byte> file);

// The bytes that stand before the values; a multiple of 64 long, as NumPy writes them.
std::string FormatNpyHeader(Element element, uint64_t rows, uint64_t dim);

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_NPY_HEADER_H_
