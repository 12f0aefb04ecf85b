#include "index/codes/quantizer.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "index/shells.h"

namespace nestor {
namespace {

// Vectors that are rotated together: a block of the rotation is read once for all of them.
constexpr size_t kBatch = 32;

size_t RoundUpBlock(size_t n) { return (n + kBlockRows - 1) / kBlockRows * kBlockRows; }

float* Floats(const PageBuffer& pages) { return reinterpret_cast<float*>(pages.data()); }

// Whether the rotation keeps lengths, tried with fixed vectors: the products of rotated vectors are
// those of the vectors only then.
absl::Status CheckLengths(const std::vector<float>& rotation, size_t dim) {
  constexpr double kTolerance = 1e-3;
  constexpr int kTrials = 4;
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> v(dim);
  for (int trial = 0; trial < kTrials; ++trial) {
    double before = 0, after = 0;
    for (double& value : v) {
      value = normal(random);
      before += value * value;
    }
    for (size_t i = 0; i < dim; ++i) {
      double sum = 0;
      for (size_t j = 0; j < dim; ++j) sum += v[j] * static_cast<double>(rotation[i * dim + j]);
      after += sum * sum;
    }
    const double change = std::sqrt(after / before);
    if (!(std::fabs(change - 1) <= kTolerance)) {
      return absl::InvalidArgumentError(absl::StrCat("code: its rotation makes a vector ", change,
                                                     " times as long, the limit is 1 +- ",
                                                     kTolerance));
    }
  }
  return absl::OkStatus();
}

}  // namespace

OpqQuantizer::OpqQuantizer(const OpqSpec& spec)
    : spec_(spec),
      rotation_(RoundUpBlock(spec.dim) * spec.dim * sizeof(float), /*huge=*/true),
      centroids_(size_t{spec.centroids()} * (spec.dim + spec.subquantizers()) * sizeof(float),
                 /*huge=*/true),
      piece_floats_(size_t{spec.centroids()} * (spec.sub_dim() + 1)) {}

absl::StatusOr<std::shared_ptr<const OpqQuantizer>> OpqQuantizer::Make(
    const OpqSpec& spec, const std::vector<float>& rotation, const std::vector<float>& centroids) {
  if (const absl::Status valid = ValidateOpq(spec); !valid.ok()) return valid;
  const size_t dim = spec.dim;
  const auto check = [](const char* what, const std::vector<float>& values, size_t expected) {
    if (values.size() != expected) {
      return absl::InvalidArgumentError(absl::StrCat("code: its ", what, " has ", values.size(),
                                                     " numbers, expected ", expected));
    }
    // A square that is not finite could not be compared.
    const auto bad =
        std::find_if(values.begin(), values.end(), [](float v) { return !(std::fabs(v) < 1e15f); });
    if (bad != values.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("code: its ", what, " holds ", *bad, ", the limit is 1e15"));
    }
    return absl::OkStatus();
  };
  if (const absl::Status valid = check("rotation", rotation, dim * dim); !valid.ok()) return valid;
  if (const absl::Status valid = check("codebook", centroids, dim * spec.centroids());
      !valid.ok()) {
    return valid;
  }
  if (const absl::Status valid = CheckLengths(rotation, dim); !valid.ok()) return valid;
  std::shared_ptr<OpqQuantizer> quantizer(new OpqQuantizer(spec));
  quantizer->Fill(rotation, centroids);
  return quantizer;
}

void OpqQuantizer::Fill(const std::vector<float>& rotation, const std::vector<float>& centroids) {
  const size_t dim = spec_.dim;
  float* blocks = Floats(rotation_);
  for (size_t i = 0; i < dim; ++i) {
    float* lane = blocks + i / kBlockRows * dim * kBlockRows + i % kBlockRows;
    for (size_t j = 0; j < dim; ++j) lane[j * kBlockRows] = rotation[i * dim + j];
  }
  const size_t sub_dim = spec_.sub_dim();
  const float* c = centroids.data();
  for (size_t s = 0; s < spec_.subquantizers(); ++s) {
    for (size_t k = 0; k < spec_.centroids(); ++k, c += sub_dim) {
      float* lane = Floats(centroids_) + LaneOf(s, k);
      for (size_t j = 0; j < sub_dim; ++j) lane[j * kBlockRows] = c[j];
      lane[sub_dim * kBlockRows] = static_cast<float>(-kernels_.dot_f64(c, c, sub_dim) / 2);
    }
  }
}

size_t OpqQuantizer::LaneOf(size_t s, size_t k) const {
  return s * piece_floats_ + k / kBlockRows * (spec_.sub_dim() + 1) * kBlockRows + k % kBlockRows;
}

std::vector<float> OpqQuantizer::rotation() const {
  const size_t dim = spec_.dim;
  std::vector<float> rotation(dim * dim);
  const float* blocks = Floats(rotation_);
  for (size_t i = 0; i < dim; ++i) {
    const float* lane = blocks + i / kBlockRows * dim * kBlockRows + i % kBlockRows;
    for (size_t j = 0; j < dim; ++j) rotation[i * dim + j] = lane[j * kBlockRows];
  }
  return rotation;
}

std::vector<float> OpqQuantizer::centroids() const {
  const size_t sub_dim = spec_.sub_dim();
  std::vector<float> centroids;
  centroids.reserve(size_t{spec_.dim} * spec_.centroids());
  for (size_t s = 0; s < spec_.subquantizers(); ++s) {
    for (size_t k = 0; k < spec_.centroids(); ++k) {
      const float* lane = Floats(centroids_) + LaneOf(s, k);
      for (size_t j = 0; j < sub_dim; ++j) centroids.push_back(lane[j * kBlockRows]);
    }
  }
  return centroids;
}

void OpqQuantizer::Rotate(const float* vectors, size_t n, float* rotated) const {
  const size_t dim = spec_.dim;
  const size_t block_floats = dim * kBlockRows;
  float sums[kBlockRows];
  for (size_t first = 0; first < dim; first += kBlockRows) {
    const float* block = Floats(rotation_) + first / kBlockRows * block_floats;
    const size_t outputs = std::min(kBlockRows, dim - first);
    for (size_t i = 0; i < n; ++i) {
      kernels_.scan_f32(block, block_floats * sizeof(float), 1, vectors + i * dim, dim, sums);
      std::copy_n(sums, outputs, rotated + i * dim + first);
    }
  }
}

void OpqQuantizer::Products(const float* rotated, bool less_norms, float* products) const {
  const size_t sub_dim = spec_.sub_dim();
  const size_t blocks = spec_.centroids() / kBlockRows;
  absl::InlinedVector<float, 65> piece(sub_dim + 1, 1.0f);
  for (size_t s = 0; s < spec_.subquantizers(); ++s) {
    std::copy_n(rotated + s * sub_dim, sub_dim, piece.begin());
    kernels_.scan_f32(Floats(centroids_) + s * piece_floats_,
                      (sub_dim + 1) * kBlockRows * sizeof(float), blocks, piece.data(),
                      sub_dim + (less_norms ? 1 : 0), products + s * spec_.centroids());
  }
}

void OpqQuantizer::Encode(const float* vectors, size_t n, uint8_t* codes) const {
  const size_t dim = spec_.dim;
  const size_t centroids = spec_.centroids();
  std::vector<float> rotated(std::min(n, kBatch) * dim);
  std::vector<float> scores(centroids * spec_.subquantizers());
  for (size_t first = 0; first < n; first += kBatch) {
    const size_t batch = std::min(kBatch, n - first);
    Rotate(vectors + first * dim, batch, rotated.data());
    for (size_t i = 0; i < batch; ++i) {
      Products(rotated.data() + i * dim, /*less_norms=*/true, scores.data());
      uint8_t* code = codes + (first + i) * spec_.bytes;
      std::fill_n(code, spec_.bytes, uint8_t{0});
      for (size_t s = 0; s < spec_.subquantizers(); ++s) {
        const float* piece = scores.data() + s * centroids;
        float lowest, highest;
        kernels_.min_max(piece, centroids, &lowest, &highest);
        // The first of equal ones.
        const auto nearest =
            static_cast<uint8_t>(std::find(piece, piece + centroids, highest) - piece);
        code[s * spec_.bits / 8] |= static_cast<uint8_t>(nearest << s * spec_.bits % 8);
      }
    }
  }
}

uint32_t OpqQuantizer::CentroidOf(const uint8_t* code, size_t s) const {
  return code[s * spec_.bits / 8] >> s * spec_.bits % 8 & (spec_.centroids() - 1);
}

void OpqQuantizer::Decode(const uint8_t* code, float* vector) const {
  const size_t dim = spec_.dim;
  const size_t sub_dim = spec_.sub_dim();
  // Rotated back by the transposed matrix: the sum of its rows, each times a coordinate.
  std::vector<double> sums(dim);
  for (size_t i = 0; i < dim; ++i) {
    const size_t s = i / sub_dim;
    const double value =
        Floats(centroids_)[LaneOf(s, CentroidOf(code, s)) + i % sub_dim * kBlockRows];
    const float* lane = Floats(rotation_) + i / kBlockRows * dim * kBlockRows + i % kBlockRows;
    for (size_t j = 0; j < dim; ++j) sums[j] += value * lane[j * kBlockRows];
  }
  std::transform(sums.begin(), sums.end(), vector, [](double v) { return static_cast<float>(v); });
}

float OpqQuantizer::HalfSquare(const uint8_t* code, const float* rotated_mean) const {
  const size_t sub_dim = spec_.sub_dim();
  double square = 0;
  for (size_t s = 0; s < spec_.subquantizers(); ++s) {
    const float* lane = Floats(centroids_) + LaneOf(s, CentroidOf(code, s));
    for (size_t j = 0; j < sub_dim; ++j) {
      double value = lane[j * kBlockRows];
      if (rotated_mean != nullptr) value += rotated_mean[s * sub_dim + j];
      square += value * value;
    }
  }
  return static_cast<float>(square / 2);
}

double OpqQuantizer::RelativeError(const float* vectors, size_t n) const {
  const size_t dim = spec_.dim;
  std::vector<uint8_t> code(spec_.bytes);
  std::vector<float> decoded(dim);
  double error = 0, square = 0;
  for (size_t i = 0; i < n; ++i) {
    const float* x = vectors + i * dim;
    Encode(x, 1, code.data());
    Decode(code.data(), decoded.data());
    error += kernels_.l2_f64(x, decoded.data(), dim);
    square += kernels_.dot_f64(x, x, dim);
  }
  return square > 0 ? error / square : 0;
}

void PrepareRow(Metric metric, const float* x, uint32_t dim, const float* mean, float* out) {
  float factor = 1;
  if (metric == Metric::kCosine) factor = AuxOf(metric, ActiveKernels().dot_f64(x, x, dim));
  for (uint32_t i = 0; i < dim; ++i) out[i] = x[i] * factor - (mean == nullptr ? 0 : mean[i]);
}

}  // namespace nestor
