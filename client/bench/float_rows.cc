#include "client/bench/float_rows.h"

namespace nestor {

FloatRows RowsOf(const VectorFile& file) {
  FloatRows rows{.rows = file.rows(), .dim = file.dim()};
  rows.read = [&file](uint64_t first, uint64_t n, float* out) {
    const uint32_t dim = file.dim();
    for (uint64_t i = 0; i < n; ++i, out += dim) {
      const std::byte* bytes = file.RowBytes(first + i).data();
      switch (file.element()) {
        case Element::kF32:
          DecodeVector(Dtype::kF32, bytes, dim, out);
          break;
        case Element::kF16:
          DecodeVector(Dtype::kF16, bytes, dim, out);
          break;
        case Element::kI8:
          DecodeVector(Dtype::kI8, bytes, dim, out);
          break;
        default:
          file.ReadF32(first + i, std::span(out, dim));
      }
    }
  };
  return rows;
}

}  // namespace nestor
