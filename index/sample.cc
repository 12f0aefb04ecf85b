#include "index/sample.h"

#include <algorithm>
#include <vector>

namespace nestor {

absl::Status ReadSample(
    const BuildSource& source, const VectorSchema& schema, uint64_t wanted,
    absl::FunctionRef<bool()> go_on,
    absl::FunctionRef<void(uint64_t first, uint64_t n, const float* values)> take) {
  constexpr uint64_t kPiece = 16;
  const uint64_t rows = source.size();
  const uint64_t pieces = (std::min(wanted, rows) + kPiece - 1) / kPiece;
  std::vector<std::byte> bytes(kPiece * schema.dim * DtypeBytes(schema.dtype));
  std::vector<float> values(kPiece * schema.dim);
  for (uint64_t p = 0; p < pieces; ++p) {
    if (p % 256 == 0 && !go_on()) return absl::CancelledError("the build was cancelled");
    const auto first = wanted >= rows ? p * kPiece
                                      : static_cast<uint64_t>(static_cast<double>(p) /
                                                              static_cast<double>(pieces) *
                                                              static_cast<double>(rows));
    const uint64_t n = std::min(kPiece, rows - first);
    if (absl::Status s = source.Read(first, n, bytes.data()); !s.ok()) return s;
    DecodeVector(schema.dtype, bytes.data(), n * schema.dim, values.data());
    take(first, n, values.data());
  }
  return absl::OkStatus();
}

}  // namespace nestor
