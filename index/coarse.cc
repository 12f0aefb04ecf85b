#include "index/coarse.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace nestor {
namespace {

ShellLayout WithoutRemainder(const ShellLayout& layout) {
  std::vector<uint32_t> bounds;
  for (size_t s = 0; s < layout.shells(); ++s) bounds.push_back(layout.end(s));
  return ShellLayout(std::move(bounds), ShellCodec::kInt8);
}

}  // namespace

CoarseTable::Table CoarseTable::MakeTable(const ShellLayout& layout, const std::vector<float>& rows,
                                          uint32_t lists) {
  Table table;
  table.layout = layout;
  const size_t blocks = (lists + kBlockRows - 1) / kBlockRows;
  for (size_t s = 0; s < layout.shells(); ++s) {
    const size_t lines = (layout.width(s) + 3) / 4;
    PageBuffer memory(blocks * lines * 64, /*huge=*/true);
    std::vector<float> scales(blocks * kBlockRows, 0.0f);
    std::vector<int8_t> codes(lines * 4, 0);
    for (uint32_t l = 0; l < lists; ++l) {
      scales[l] = QuantizeInt8(rows.data() + size_t{l} * layout.dim() + layout.begin(s),
                               layout.width(s), codes.data());
      std::byte* out = memory.data() + l / kBlockRows * lines * 64 + l % kBlockRows * 4;
      for (size_t g = 0; g < lines; ++g) std::memcpy(out + g * 64, codes.data() + 4 * g, 4);
    }
    table.shells.push_back(std::move(memory));
    table.scales.push_back(std::move(scales));
  }
  return table;
}

CoarseTable::CoarseTable(const VectorSchema& schema, const ShellLayout& layout,
                         std::shared_ptr<const Model> model)
    : schema_(schema), model_(std::move(model)) {
  if (!model_->trained()) return;
  for (uint32_t l = 0; l < lists(); ++l) {
    if (!model_->has_centroid(l)) no_centroid_.push_back(l);
  }
  centroids_ =
      MakeTable(ShellLayout({model_->coarse_dim}, ShellCodec::kInt8), model_->centroids, lists());
  if (model_->coarse_dim < schema.dim)
    means_ = MakeTable(WithoutRemainder(layout), model_->means, lists());
  if (schema.metric == Metric::kDot) return;
  // Sliced centroids are renormalised where the metric is (COSINE), and have their own norms (L2).
  aux_.resize(schema.nesting.size());
  for (size_t i = 0; i < schema.nesting.size(); ++i) {
    const uint32_t dim = schema.nesting[i];
    const bool sliced = dim <= model_->coarse_dim;
    const std::vector<float>& rows = sliced ? model_->centroids : model_->means;
    const size_t stride = sliced ? model_->coarse_dim : schema.dim;
    aux_[i].assign(padded_lists(), 0.0f);
    for (uint32_t l = 0; l < lists(); ++l) {
      const float* row = rows.data() + l * stride;
      aux_[i][l] = AuxOf(schema.metric, ActiveKernels().dot_f64(row, row, dim));
    }
  }
}

void CoarseTable::Score(const Kernels& kernels, const float* query, uint32_t dim, QueryCode* code,
                        float* sums, float* keys) const {
  const Table& table = dim <= model_->coarse_dim ? centroids_ : means_;
  const ShellLayout& layout = table.layout;
  code->Encode(layout, query, /*integral=*/false, dim);
  const size_t padded = padded_lists();
  for (size_t s = 0; s < layout.shells() && layout.begin(s) < dim; ++s) {
    const uint32_t used = std::min(dim, layout.end(s)) - layout.begin(s);
    const QueryCode::ScanCodes codes = code->Prefix(layout, s, used);
    // The first shell writes the keys, each further one is added.
    float* out = s == 0 ? keys : sums;
    const size_t lines = (layout.width(s) + 3) / 4;
    kernels.scan_i8(reinterpret_cast<const int8_t*>(table.shells[s].data()), lines * 64,
                    padded / kBlockRows, codes.codes, codes.places, codes.groups, code->scale(s),
                    table.scales[s].data(), out);
    if (s > 0) {
      for (size_t l = 0; l < padded; ++l) keys[l] += sums[l];
    }
  }
  if (schema_.metric != Metric::kDot) {
    const float* aux = aux_[static_cast<size_t>(NestingIndex(schema_, dim))].data();
    if (schema_.metric == Metric::kCosine) {
      for (size_t l = 0; l < padded; ++l) keys[l] *= aux[l];
    } else {
      for (size_t l = 0; l < padded; ++l) keys[l] -= aux[l];
    }
  }
  for (const uint32_t l : no_centroid_) keys[l] = -std::numeric_limits<float>::infinity();
}

size_t CoarseTable::bytes() const {
  size_t bytes = 0;
  for (const Table* table : {&centroids_, &means_}) {
    for (const PageBuffer& shell : table->shells) bytes += shell.bytes();
    for (const std::vector<float>& scales : table->scales) bytes += scales.size() * sizeof(float);
  }
  for (const std::vector<float>& aux : aux_) bytes += aux.size() * sizeof(float);
  return bytes + (model_->centroids.size() + model_->means.size()) * sizeof(float);
}

size_t CoarseTable::BytesAt(uint32_t dim) const {
  return size_t{lists()} * (dim + sizeof(float) * (schema_.metric == Metric::kDot ? 1 : 2));
}

}  // namespace nestor
