#include "index/model.h"

#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "index/kernels/kernels.h"

namespace nestor {
namespace {

// Little-endian: u32 lists, u32 coarse_dim, u32 dim, the reach (5 x u32 probes, 5 x u32 keep), then
// centroids and means as f32; from format 7 on, where there are lists without a centroid, a bit a
// list that says which, in whole bytes.
constexpr size_t kSizesBytes = 12;
constexpr size_t kReachBytes = sizeof(Reach);
constexpr size_t kHeaderBytes = kSizesBytes + kReachBytes;
static_assert(kReachBytes == 2 * Reach::kLevels * sizeof(uint32_t));

}  // namespace

std::shared_ptr<const Model> Model::Untrained() { return std::make_shared<const Model>(); }

absl::Status TakeCentroids(const VectorSchema& schema, uint32_t dim,
                           std::vector<float>* centroids) {
  // What is left of unit length by rounding to floats.
  constexpr double kUnit = 1e-5;
  const VectorSchema prefix{.dim = dim, .nesting = {dim}, .metric = schema.metric};
  for (size_t i = 0; i * dim < centroids->size(); ++i) {
    float* c = centroids->data() + i * dim;
    if (absl::Status s = ValidateVector(prefix, c, absl::StrCat("centroid ", i)); !s.ok()) return s;
    if (schema.metric != Metric::kCosine) continue;
    const double square = ActiveKernels().dot_f64(c, c, dim);
    if (std::abs(square - 1) <= kUnit) continue;
    for (uint32_t d = 0; d < dim; ++d) c[d] = static_cast<float>(c[d] / std::sqrt(square));
  }
  return absl::OkStatus();
}

std::string SerializeModel(const Model& model) {
  const uint32_t dim =
      model.trained() ? static_cast<uint32_t>(model.means.size() / model.lists) : 0;
  const uint32_t header[] = {model.lists, model.coarse_dim, dim};
  std::string bytes(reinterpret_cast<const char*>(header), kSizesBytes);
  bytes.append(reinterpret_cast<const char*>(&model.reach), kReachBytes);
  for (const std::vector<float>* part : {&model.centroids, &model.means}) {
    bytes.append(reinterpret_cast<const char*>(part->data()), part->size() * sizeof(float));
  }
  if (model.no_centroid.empty()) return bytes;
  std::string bits((model.lists + 7) / 8, '\0');
  for (uint32_t l = 0; l < model.lists; ++l) {
    if (model.no_centroid[l]) bits[l / 8] |= static_cast<char>(1 << l % 8);
  }
  return bytes + bits;
}

absl::StatusOr<std::shared_ptr<const Model>> ParseModel(absl::string_view bytes,
                                                        const VectorSchema& schema) {
  uint32_t header[3];
  if (bytes.size() < kHeaderBytes) {
    return absl::DataLossError(
        absl::StrCat("model of ", bytes.size(), " bytes is shorter than its header"));
  }
  std::memcpy(header, bytes.data(), kSizesBytes);
  const auto [lists, coarse_dim, dim] = std::tuple(header[0], header[1], header[2]);
  if (lists < 1 || lists > kMaxLists || (coarse_dim == 0 && lists != 1) ||
      (coarse_dim != 0 && (NestingIndex(schema, coarse_dim) < 0 || dim != schema.dim))) {
    return absl::DataLossError(absl::StrCat("model names ", lists, " lists, coarse dim ",
                                            coarse_dim, " and dim ", dim,
                                            " in a collection of dim ", schema.dim));
  }
  auto model = std::make_shared<Model>();
  model->lists = lists;
  model->coarse_dim = coarse_dim;
  std::memcpy(&model->reach, bytes.data() + kSizesBytes, kReachBytes);
  if (coarse_dim != 0) {
    model->centroids.resize(size_t{lists} * coarse_dim);
    model->means.resize(size_t{lists} * dim);
  }
  const size_t expected =
      kHeaderBytes + (model->centroids.size() + model->means.size()) * sizeof(float);
  const size_t bits = coarse_dim != 0 && bytes.size() > expected ? (lists + 7) / 8 : 0;
  if (bytes.size() != expected + bits) {
    return absl::DataLossError(
        absl::StrCat("model has ", bytes.size(), " bytes, expected ", expected + bits));
  }
  const char* p = bytes.data() + kHeaderBytes;
  for (std::vector<float>* part : {&model->centroids, &model->means}) {
    if (part->empty()) continue;  // an untrained model; memcpy takes no null
    std::memcpy(part->data(), p, part->size() * sizeof(float));
    p += part->size() * sizeof(float);
    for (float v : *part) {
      if (!std::isfinite(v)) return absl::DataLossError("model holds a number that is not finite");
    }
  }
  if (bits != 0) model->no_centroid.resize(lists);
  for (uint32_t l = 0; l < bits * 8; ++l) {
    const bool set = (static_cast<uint8_t>(p[l / 8]) >> l % 8 & 1) != 0;
    if (l < lists) {
      model->no_centroid[l] = set;
    } else if (set) {
      return absl::DataLossError(
          absl::StrCat("model says of list ", l, " of ", lists, " that it has no centroid"));
    }
  }
  return model;
}

}  // namespace nestor
