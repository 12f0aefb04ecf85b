#include "index/codes/query.h"

#include <algorithm>
#include <cmath>

namespace nestor {
namespace {

// Half an ulp of a float, relative to its value.
constexpr double kRounding = 0x1p-24;

}  // namespace

void OpqQuery::Prepare(const OpqQuantizer& quantizer, Metric metric, const float* query) {
  spec_ = quantizer.spec();
  layout_ = CodeLayout(spec_);
  const size_t m = spec_.subquantizers();
  const size_t centroids = spec_.centroids();
  rotated_.resize(spec_.dim);
  quantizer.Rotate(query, 1, rotated_.data());
  // The bytes that fill a line look up zeros.
  products_.resize(layout_.row_bytes() * 8 / spec_.bits * centroids);
  quantizer.Products(rotated_.data(), /*less_norms=*/metric == Metric::kL2, products_.data());
  std::fill(products_.begin() + static_cast<ptrdiff_t>(m * centroids), products_.end(), 0.0f);
  if (spec_.bits == 4) {
    RoundTables();
    return;
  }
  step_ = 0;
  bias_ = 0;
  // At most as many additions as sub-quantizers, each of a sum no greater than that of the largest
  // entries.
  double largest = 0;
  for (size_t s = 0; s < m; ++s) {
    float low, high;
    ActiveKernels().min_max(products_.data() + s * centroids, centroids, &low, &high);
    largest += std::max(std::fabs(low), std::fabs(high));
  }
  error_ = static_cast<double>(m + 3) * kRounding * largest;
}

void OpqQuery::RoundTables() {
  constexpr size_t kEntries = 16;
  constexpr double kLevels = 255;
  const size_t m = spec_.subquantizers();
  lows_.resize(m);
  double range = 0;
  double bias = 0;
  for (size_t s = 0; s < m; ++s) {
    const float* entries = products_.data() + s * kEntries;
    const auto [low, high] = std::minmax_element(entries, entries + kEntries);
    lows_[s] = *low;
    bias += *low;
    range = std::max(range, static_cast<double>(*high) - *low);
  }
  step_ = static_cast<float>(range / kLevels);
  bias_ = static_cast<float>(bias);
  // (a step that rounds to zero leaves one level)
  const double inverse = step_ > 0 ? 1 / static_cast<double>(step_) : 0;
  tables_.assign(layout_.lines() * 128, 0);
  double error = 0;
  double largest = std::fabs(bias);
  for (size_t s = 0; s < m; ++s) {
    const float* entries = products_.data() + s * kEntries;
    // Line s / 8 holds the even sub-quantizers, then the odd ones.
    uint8_t* table = tables_.data() + s / 8 * 128 + s % 2 * 64 + s % 8 / 2 * kEntries;
    double worst = 0;
    int top = 0;
    for (size_t k = 0; k < kEntries; ++k) {
      const double above = static_cast<double>(entries[k]) - lows_[s];
      const int level = static_cast<int>(std::min(above * inverse + 0.5, kLevels));
      table[k] = static_cast<uint8_t>(level);
      worst = std::max(worst, std::fabs(above - level * static_cast<double>(step_)));
      top = std::max(top, level);
    }
    error += worst;
    largest += top * static_cast<double>(step_);
  }
  // bias_, the product with the step and the sum are rounded to floats.
  error_ = error + 3 * kRounding * largest;
}

void OpqQuery::Scan(const Kernels& kernels, const std::byte* base, size_t blocks, float list_term,
                    float* sums) const {
  const auto* codes = reinterpret_cast<const uint8_t*>(base);
  if (spec_.bits == 4) {
    kernels.scan_opq4(codes, layout_.lines(), blocks, tables_.data(), step_, bias_ + list_term,
                      sums);
  } else {
    kernels.scan_opq8(codes, layout_.lines(), blocks, products_.data(), list_term, sums);
  }
}

double OpqQuery::TableSum(const uint8_t* code) const {
  double sum = 0;
  for (size_t s = 0; s < spec_.subquantizers(); ++s) {
    const uint32_t k = code[s * spec_.bits / 8] >> s * spec_.bits % 8 & (spec_.centroids() - 1);
    sum += products_[s * spec_.centroids() + k];
  }
  return sum;
}

}  // namespace nestor
