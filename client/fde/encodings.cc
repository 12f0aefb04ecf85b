#include <cblas.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "client/fde/experiments.h"
#include "index/multi/fde_model.h"

namespace nestor {
namespace {

constexpr uint32_t kPrefixes[] = {1280, 2560, 5120, 10240};
constexpr size_t kBatch = 256;  // documents that are encoded and scored together

struct Shape {
  uint32_t k_sim;
  uint32_t d_proj;  // 0: the tokens' dim, without a projection
  bool fill;
};
constexpr Shape kShapes[] = {{1, 0, false},  {2, 0, false},  {3, 0, false}, {1, 8, false},
                             {2, 8, false},  {2, 8, true},   {3, 8, false}, {3, 8, true},
                             {4, 8, false},  {4, 8, true},   {5, 8, false}, {5, 8, true},
                             {2, 16, false}, {5, 16, false}, {5, 16, true}};

absl::Status TryShape(const TokenData& data, const Shape& shape) {
  FdeSpec spec = {.dim = data.documents.dim,
                  .k_sim = shape.k_sim,
                  .d_proj = shape.d_proj,
                  .fill_empty = shape.fill};
  if (shape.d_proj == 0) {
    spec.projection = FdeProjection::kIdentity;
    spec.d_proj = spec.dim;
  }
  spec.repetitions = std::end(kPrefixes)[-1] / spec.repetition_dims();
  const auto model = FdeModel::Draw(spec);
  if (!model.ok()) return model.status();
  const size_t dims = spec.dims(), queries = data.queries.size(), n = data.documents.size();
  std::vector<float> query_fdes(queries * dims), fdes(kBatch * dims);
  for (size_t q = 0; q < queries; ++q) {
    const absl::Status encoded =
        (*model)->Encode(data.queries[q], {.side = FdeSide::kQuery}, &query_fdes[q * dims]);
    if (!encoded.ok()) return encoded;
  }
  // Of each prefix in whole repetitions: queries x documents. Each adds its own dims to the scores
  // of the one before.
  std::vector<uint32_t> prefixes;
  for (const uint32_t prefix : kPrefixes) {
    prefixes.push_back(std::max<uint32_t>(1, prefix / spec.repetition_dims()) *
                       spec.repetition_dims());
  }
  std::vector<std::vector<float>> scores(prefixes.size(), std::vector<float>(queries * n));
  for (size_t first = 0; first < n; first += kBatch) {
    const size_t batch = std::min(kBatch, n - first);
    for (size_t i = 0; i < batch; ++i) {
      const absl::Status encoded = (*model)->Encode(data.documents[first + i],
                                                    {.side = FdeSide::kDocument}, &fdes[i * dims]);
      if (!encoded.ok()) return encoded;
    }
    uint32_t begin = 0;
    for (size_t p = 0; p < prefixes.size(); ++p) {
      if (p > 0) {
        for (size_t q = 0; q < queries; ++q) {
          std::copy_n(&scores[p - 1][q * n + first], batch, &scores[p][q * n + first]);
        }
      }
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<blasint>(queries),
                  static_cast<blasint>(batch), static_cast<blasint>(prefixes[p] - begin), 1,
                  query_fdes.data() + begin, static_cast<blasint>(dims), fdes.data() + begin,
                  static_cast<blasint>(dims), 1, &scores[p][first], static_cast<blasint>(n));
      begin = prefixes[p];
    }
  }
  for (size_t p = 0; p < prefixes.size(); ++p) {
    NeighbourRanks ranks;
    for (size_t q = 0; q < queries; ++q) {
      ranks.Add(std::span(scores[p]).subspan(q * n, n), data.NeighboursOf(q));
    }
    PrintRow(absl::StrCat("k_sim ", shape.k_sim, ", d_proj ", spec.d_proj, ", ", prefixes[p],
                          " dims", shape.fill ? ", filled" : "")
                 .c_str(),
             ranks);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status TryEncodings(const TokenData& data) {
  for (const Shape& shape : kShapes) {
    if (const absl::Status tried = TryShape(data, shape); !tried.ok()) return tried;
  }
  return absl::OkStatus();
}

}  // namespace nestor
