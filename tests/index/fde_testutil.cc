#include "tests/index/fde_testutil.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace nestor {
namespace {

constexpr size_t kTopics = 24;
constexpr size_t kTopicsOfMatrix = 4;

void MakeUnit(std::span<float> v) {
  const double norm = std::sqrt(Dot(v, v));
  for (float& x : v) x = static_cast<float>(x / norm);
}

}  // namespace

TokenMaker::TokenMaker(uint32_t dim, uint64_t seed)
    : dim_(dim), random_(seed), topics_(kTopics * dim) {
  std::normal_distribution<float> normal;
  for (float& x : topics_) x = normal(random_);
  for (size_t t = 0; t < kTopics; ++t) MakeUnit(std::span(topics_).subspan(t * dim, dim));
}

std::vector<float> TokenMaker::Make(size_t n) {
  std::normal_distribution<float> normal(0, 0.7f / std::sqrt(static_cast<float>(dim_)));
  size_t topics[kTopicsOfMatrix];
  for (size_t& topic : topics) topic = random_() % kTopics;
  std::vector<float> tokens(n * dim_);
  for (size_t i = 0; i < n; ++i) {
    const float* topic = topics_.data() + topics[random_() % kTopicsOfMatrix] * dim_;
    for (uint32_t d = 0; d < dim_; ++d) tokens[i * dim_ + d] = topic[d] + normal(random_);
    MakeUnit(std::span(tokens).subspan(i * dim_, dim_));
  }
  return tokens;
}

double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

double Chamfer(std::span<const float> query, std::span<const float> document, uint32_t dim) {
  double sum = 0;
  for (size_t q = 0; q < query.size(); q += dim) {
    double largest = -std::numeric_limits<double>::infinity();
    for (size_t d = 0; d < document.size(); d += dim) {
      largest = std::max(largest, Dot(query.subspan(q, dim), document.subspan(d, dim)));
    }
    sum += largest;
  }
  return sum;
}

std::shared_ptr<const FdeModel> DrawOrDie(const FdeSpec& spec) {
  auto model = FdeModel::Draw(spec);
  EXPECT_TRUE(model.ok()) << model.status();
  return *model;
}

namespace {

std::vector<float> Encode(const FdeModel& model, std::span<const float> tokens,
                          const FdeOptions& options) {
  const FdeSpec& spec = model.spec();
  const uint32_t prefix = options.repetitions == 0 ? spec.repetitions : options.repetitions;
  std::vector<float> fde(spec.dims_of(prefix), std::numeric_limits<float>::quiet_NaN());
  const absl::Status status = model.Encode(tokens, options, fde.data());
  EXPECT_TRUE(status.ok()) << status;
  return fde;
}

}  // namespace

std::vector<float> QueryFde(const FdeModel& model, std::span<const float> tokens,
                            FdeOptions options) {
  options.side = FdeSide::kQuery;
  return Encode(model, tokens, options);
}

std::vector<float> DocumentFde(const FdeModel& model, std::span<const float> tokens,
                               FdeOptions options) {
  options.side = FdeSide::kDocument;
  return Encode(model, tokens, options);
}

}  // namespace nestor
