// Writers of the formats that VectorFile reads. Each file appears whole or not at all.
#ifndef NESTOR_CLIENT_FILES_WRITE_VECTORS_H_
#define NESTOR_CLIENT_FILES_WRITE_VECTORS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "client/files/element.h"

namespace nestor {

// `values` holds rows x dim values of `element`, row by row. The format follows from the name, as
// in VectorFile::Open. InvalidArgument if that format does not hold `element`, or if the sizes do
// not fit each other or the format (fbin and its like: 2^32 - 1 rows; fvecs and ivecs: at least one
// row, as an empty file has no dim; u64bin: dim 1).
absl::Status WriteVectors(const std::string& path, Element element, uint64_t rows, uint64_t dim,
                          std::span<const std::byte> values);

// The same, typed; the number of rows follows from dim. f16 values are their bits.
inline absl::Status WriteF32(const std::string& path, uint64_t dim, std::span<const float> values) {
  return WriteVectors(path, Element::kF32, dim == 0 ? 0 : values.size() / dim, dim,
                      std::as_bytes(values));
}
inline absl::Status WriteF16(const std::string& path, uint64_t dim,
                             std::span<const uint16_t> values) {
  return WriteVectors(path, Element::kF16, dim == 0 ? 0 : values.size() / dim, dim,
                      std::as_bytes(values));
}
inline absl::Status WriteI32(const std::string& path, uint64_t dim,
                             std::span<const int32_t> values) {
  return WriteVectors(path, Element::kI32, dim == 0 ? 0 : values.size() / dim, dim,
                      std::as_bytes(values));
}
inline absl::Status WriteU64(const std::string& path, std::span<const uint64_t> values) {
  return WriteVectors(path, Element::kU64, values.size(), 1, std::as_bytes(values));
}

}  // namespace nestor

#endif  // NESTOR_CLIENT_FILES_WRITE_VECTORS_H_
