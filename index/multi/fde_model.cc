#include "index/multi/fde_model.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

// Products of such values with tokens of finite squares stay finite.
constexpr float kLargest = 1e15f;

// A stream of random numbers of its own for each repetition and each sketch, so that what is drawn
// for one does not depend on how many others there are.
std::mt19937_64 Stream(uint64_t seed, uint32_t stream) {
  std::seed_seq words{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), stream};
  return std::mt19937_64(words);
}
constexpr uint32_t kFirstSketch = 1u << 31;

// `n` columns, [n][dim], as blocks of 8.
void Interleave(const float* columns, size_t n, size_t dim, float* blocks) {
  const size_t block_floats = (dim + 1) / 2 * 2 * kBlockColumns;
  for (size_t c = 0; c < n; ++c) {
    float* lane = blocks + c / kBlockColumns * block_floats + c % kBlockColumns * 2;
    for (size_t d = 0; d < dim; ++d) {
      lane[d / 2 * 2 * kBlockColumns + d % 2] = columns[c * dim + d];
    }
  }
}

size_t InterleavedBytes(const FdeSpec& spec, size_t columns) {
  const size_t blocks = (columns + kBlockColumns - 1) / kBlockColumns;
  return blocks * kBlockColumns * ((spec.dim + 1) / 2 * 2) * sizeof(float);
}

absl::Status CheckFloats(const char* what, const std::vector<float>& values, size_t expected) {
  if (values.size() != expected) {
    return absl::InvalidArgumentError(
        absl::StrCat("fde: its ", what, " have ", values.size(), " values, expected ", expected));
  }
  const auto bad = std::find_if(values.begin(), values.end(),
                                [](float v) { return !(std::fabs(v) <= kLargest); });
  if (bad != values.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("fde: its ", what, " hold ", *bad, ", the limit is +-", kLargest));
  }
  return absl::OkStatus();
}

}  // namespace

FdeMatrixSizes::FdeMatrixSizes(const FdeSpec& spec)
    : hyperplanes(size_t{spec.repetitions} * spec.k_sim * spec.dim),
      projections(spec.projection == FdeProjection::kIdentity
                      ? 0
                      : size_t{spec.repetitions} * spec.d_proj * spec.dim),
      sketch(spec.sketch_repetitions == 0 ? 0 : size_t{spec.repetitions} * spec.repetition_dims()) {
}

FdeMatrices DrawFdeMatrices(const FdeSpec& spec) {
  const FdeMatrixSizes sizes(spec);
  FdeMatrices m;
  m.hyperplanes.reserve(sizes.hyperplanes);
  m.projections.reserve(sizes.projections);
  m.sketch.reserve(sizes.sketch);
  const float entry = 1 / std::sqrt(static_cast<float>(spec.d_proj));
  for (uint32_t r = 0; r < spec.repetitions; ++r) {
    std::mt19937_64 random = Stream(spec.seed, r);
    std::normal_distribution<float> normal;
    for (uint32_t i = 0; i < spec.k_sim * spec.dim; ++i) m.hyperplanes.push_back(normal(random));
    if (spec.projection == FdeProjection::kDense) {
      for (uint32_t i = 0; i < spec.d_proj * spec.dim; ++i) {
        m.projections.push_back((random() & 1) != 0 ? entry : -entry);
      }
    } else if (spec.projection == FdeProjection::kCountSketch) {
      const size_t first = m.projections.size();
      m.projections.resize(first + size_t{spec.d_proj} * spec.dim);
      std::uniform_int_distribution<uint32_t> output(0, spec.d_proj - 1);
      for (uint32_t d = 0; d < spec.dim; ++d) {
        const size_t to = output(random);
        m.projections[first + to * spec.dim + d] = (random() & 1) != 0 ? 1.0f : -1.0f;
      }
    }
  }
  const size_t group = size_t{spec.sketch_repetitions} * spec.repetition_dims();
  for (uint32_t g = 0; m.sketch.size() < sizes.sketch; ++g) {
    std::mt19937_64 random = Stream(spec.seed, kFirstSketch + g);
    std::uniform_int_distribution<uint32_t> output(0, spec.sketch_dim - 1);
    for (size_t c = 0; c < group; ++c) {
      const uint32_t to = output(random);
      m.sketch.push_back(2 * to + static_cast<uint32_t>(random() & 1));
    }
  }
  return m;
}

absl::StatusOr<std::shared_ptr<const FdeModel>> FdeModel::Draw(const FdeSpec& spec) {
  if (const absl::Status valid = ValidateFde(spec); !valid.ok()) return valid;
  return Make(spec, DrawFdeMatrices(spec));
}

absl::StatusOr<std::shared_ptr<const FdeModel>> FdeModel::Make(const FdeSpec& spec,
                                                               FdeMatrices matrices) {
  if (const absl::Status valid = ValidateFde(spec); !valid.ok()) return valid;
  const FdeMatrixSizes sizes(spec);
  for (const absl::Status& valid :
       {CheckFloats("hyperplanes", matrices.hyperplanes, sizes.hyperplanes),
        CheckFloats("projections", matrices.projections, sizes.projections)}) {
    if (!valid.ok()) return valid;
  }
  if (matrices.sketch.size() != sizes.sketch) {
    return absl::InvalidArgumentError(absl::StrCat("fde: its sketch has ", matrices.sketch.size(),
                                                   " values, expected ", sizes.sketch));
  }
  for (const uint32_t entry : matrices.sketch) {
    if (entry / 2 >= spec.sketch_dim) {
      return absl::InvalidArgumentError(absl::StrCat("fde: its sketch names dim ", entry / 2,
                                                     ", it has ", spec.sketch_dim, " dims"));
    }
  }
  return std::shared_ptr<const FdeModel>(new FdeModel(spec, std::move(matrices)));
}

FdeModel::FdeModel(const FdeSpec& spec, FdeMatrices matrices)
    : spec_(spec),
      token_schema_{.dim = spec.dim, .nesting = {spec.dim}, .metric = Metric::kDot},
      matrices_(std::move(matrices)),
      projection_bytes_(
          spec.projection == FdeProjection::kIdentity ? 0 : InterleavedBytes(spec, spec.d_proj)),
      hyperplanes_(InterleavedBytes(spec, size_t{spec.repetitions} * spec.k_sim), /*huge=*/false),
      projections_(spec.repetitions * projection_bytes_, /*huge=*/false) {
  const size_t dim = spec.dim;
  Interleave(matrices_.hyperplanes.data(), size_t{spec.repetitions} * spec.k_sim, dim,
             reinterpret_cast<float*>(hyperplanes_.data()));
  if (matrices_.projections.empty()) return;
  for (size_t r = 0; r < spec.repetitions; ++r) {
    Interleave(matrices_.projections.data() + r * spec.d_proj * dim, spec.d_proj, dim,
               reinterpret_cast<float*>(projections_.data() + r * projection_bytes_));
  }
}

size_t FdeModel::memory_bytes() const {
  return (matrices_.hyperplanes.size() + matrices_.projections.size()) * sizeof(float) +
         matrices_.sketch.size() * sizeof(uint32_t) + hyperplanes_.bytes() + projections_.bytes();
}

}  // namespace nestor
