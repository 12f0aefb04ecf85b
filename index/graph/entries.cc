#include "index/graph/entries.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "index/shells.h"

namespace nestor {
namespace {

constexpr uint32_t RoundUpBlock(uint32_t n) {
  return static_cast<uint32_t>((n + kBlockRows - 1) / kBlockRows * kBlockRows);
}

}  // namespace

EntryTable::EntryTable(const NodeStore& nodes, Metric metric, uint32_t capacity)
    : nodes_(nodes),
      metric_(metric),
      capacity_(RoundUpBlock(std::max(capacity, 1u))),
      dims_(std::min(nodes.dim(), kMaxDims)),
      lines_((dims_ + 3) / 4),
      codes_(capacity_ / kBlockRows * lines_ * 64, /*huge=*/false),
      scales_(capacity_, 0.0f),
      aux_(capacity_, 0.0f),
      nodes_of_(capacity_, kNoNode) {}

void EntryTable::Add(uint32_t node) {
  const uint32_t at = count_.load(std::memory_order_relaxed);
  const int8_t* codes = nodes_.codes(node);
  std::byte* out = codes_.data() + at / kBlockRows * lines_ * 64 + at % kBlockRows * 4;
  double square = 0;
  for (uint32_t d = 0; d < dims_; ++d) {
    out[d / 4 * 64 + d % 4] = static_cast<std::byte>(codes[d]);
    square += codes[d] * codes[d];
  }
  const float scale = nodes_.tail(node).scale;
  scales_[at] = scale;
  // A prefix of zeros says nothing: let it come last.
  aux_[at] = square == 0 && metric_ == Metric::kCosine
                 ? 0
                 : AuxOf(metric_, square * scale * static_cast<double>(scale));
  nodes_of_[at] = node;
  count_.store(at + 1, std::memory_order_release);
}

std::span<const uint32_t> EntryTable::Nearest(const GraphPoint& point, uint32_t n,
                                              EntryScratch* scratch) const {
  const uint32_t count = this->count();
  const uint32_t padded = RoundUpBlock(count);
  std::vector<uint32_t>& out = scratch->positions;
  out.resize(std::max<size_t>(out.size(), padded + 16));
  if (n >= count) {
    std::copy_n(nodes_of_.begin(), count, out.begin());
    return {out.data(), count};
  }
  const Kernels& kernels = ActiveKernels();
  scratch->keys.resize(std::max<size_t>(scratch->keys.size(), padded));
  scratch->kept_keys.resize(std::max<size_t>(scratch->kept_keys.size(), padded + 16));
  scratch->kept_sums.resize(std::max<size_t>(scratch->kept_sums.size(), padded + 16));
  float* keys = scratch->keys.data();
  // Rows of x[:dims] by the distance to q[:dims]. The point's scale is in c, doubled.
  kernels.scan_i8(reinterpret_cast<const int8_t*>(codes_.data()), lines_ * 64, padded / kBlockRows,
                  point.codes, lines_, point.c / 2, scales_.data(), keys);
  if (metric_ == Metric::kCosine) {
    for (uint32_t i = 0; i < count; ++i) keys[i] *= aux_[i];
  } else if (metric_ == Metric::kL2) {
    for (uint32_t i = 0; i < count; ++i) keys[i] -= aux_[i];
  }
  const float threshold = SelectThreshold(kernels, keys, count, n);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count && kept < n; ++i) {
    if (keys[i] >= threshold) out[kept++] = nodes_of_[i];
  }
  return {out.data(), kept};
}

size_t EntryTable::bytes() const {
  return codes_.bytes() + capacity_ * (2 * sizeof(float) + sizeof(uint32_t));
}

}  // namespace nestor
