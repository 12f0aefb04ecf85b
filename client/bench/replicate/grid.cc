#include "client/bench/replicate/grid.h"

#include <algorithm>
#include <utility>

namespace nestor {
namespace {

// FAISS wants so many training points a centroid.
constexpr uint64_t kLeastRowsPerList = 39;
constexpr uint32_t kBits = 8;

}  // namespace

std::vector<uint32_t> Grid::IndexNesting() const {
  std::vector<uint32_t> dims = nesting;
  const auto at = std::lower_bound(dims.begin(), dims.end(), eighth());
  if (*at != eighth()) dims.insert(at, eighth());
  return dims;
}

std::vector<OpqSpec> Grid::Codes(uint32_t code_bytes) const {
  std::vector<OpqSpec> codes;
  for (const uint32_t dim : nesting) {
    const OpqSpec code{.dim = dim, .bytes = code_bytes, .bits = kBits};
    if (ValidateOpq(code).ok()) codes.push_back(code);
  }
  return codes;
}

Grid GridOf(std::vector<uint32_t> nesting, uint64_t rows) {
  Grid grid{.nesting = std::move(nesting),
            .lists = {8, 16},
            .probes = {1, 2, 4, 8},
            .funnel = {100, 50, 25, 10}};
  if (rows / kLeastRowsPerList >= 64) grid.lists = {64, 128, 256, 512, 1024};
  while (grid.lists.back() * kLeastRowsPerList > rows && grid.lists.size() > 1) {
    grid.lists.pop_back();
  }
  for (uint32_t bytes = grid.dim() >= 256 ? 4 : 2; bytes <= 32 && 4 * bytes <= grid.dim();
       bytes *= 2) {
    grid.bytes.push_back(bytes);
  }
  return grid;
}

}  // namespace nestor
