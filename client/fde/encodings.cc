#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/fde/experiments.h"
#include "client/fde/ranking.h"

namespace nestor {
namespace {

constexpr uint32_t kPrefixes[] = {1280, 2560, 5120, 10240};

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
  std::vector<uint32_t> prefixes;  // whole repetitions
  for (const uint32_t prefix : kPrefixes) {
    prefixes.push_back(std::max<uint32_t>(1, prefix / spec.repetition_dims()) *
                       spec.repetition_dims());
  }
  const auto ranks = RankByFdes(data, spec, prefixes);
  if (!ranks.ok()) return ranks.status();
  for (size_t p = 0; p < prefixes.size(); ++p) {
    PrintRow(absl::StrCat("k_sim ", shape.k_sim, ", d_proj ", spec.d_proj, ", ", prefixes[p],
                          " dims", shape.fill ? ", filled" : "")
                 .c_str(),
             (*ranks)[p]);
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
