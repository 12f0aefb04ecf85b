#include "index/graph/entries.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

#include "index/shells.h"

namespace nestor {
namespace {

constexpr uint32_t RoundUpBlock(uint32_t n) {
  return static_cast<uint32_t>((n + kBlockRows - 1) / kBlockRows * kBlockRows);
}

float JustBelow(float key) { return std::nextafter(key, -std::numeric_limits<float>::infinity()); }

// A bound that at least n of the keys exceed, and few more: the n-th largest of 16 lanes' maxima,
// one pass instead of SelectThreshold's twenty.
float Bound(const Kernels& kernels, const float* keys, uint32_t count, uint32_t n) {
  constexpr uint32_t kLanes = 16;
  if (n > kLanes || count < kLanes) return JustBelow(SelectThreshold(kernels, keys, count, n));
  std::array<float, kLanes> maxima;
  std::copy_n(keys, kLanes, maxima.begin());
  uint32_t i = kLanes;
  for (; i + kLanes <= count; i += kLanes) {
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      maxima[lane] = std::max(maxima[lane], keys[i + lane]);
    }
  }
  for (uint32_t lane = 0; i < count; ++i, ++lane) maxima[lane] = std::max(maxima[lane], keys[i]);
  std::nth_element(maxima.begin(), maxima.begin() + n - 1, maxima.end(), std::greater<>());
  return JustBelow(maxima[n - 1]);
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
                  point.codes, nullptr, lines_, point.c / 2, scales_.data(), keys);
  if (metric_ == Metric::kCosine) {
    for (uint32_t i = 0; i < count; ++i) keys[i] *= aux_[i];
  } else if (metric_ == Metric::kL2) {
    for (uint32_t i = 0; i < count; ++i) keys[i] -= aux_[i];
  }
  float* kept_keys = scratch->kept_keys.data();
  size_t kept = kernels.filter(keys, nullptr, KeyKind::kSum, count, Bound(kernels, keys, count, n),
                               kept_keys, scratch->kept_sums.data(), out.data());
  for (; kept > n; --kept) {
    const auto least = std::min_element(kept_keys, kept_keys + kept) - kept_keys;
    kept_keys[least] = kept_keys[kept - 1];
    out[least] = out[kept - 1];
  }
  for (size_t i = 0; i < kept; ++i) out[i] = nodes_of_[out[i]];
  return {out.data(), kept};
}

size_t EntryTable::bytes() const {
  return codes_.bytes() + capacity_ * (2 * sizeof(float) + sizeof(uint32_t));
}

}  // namespace nestor
