#include "index/multi/maxsim.h"

#include <cmath>
#include <numeric>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "index/multi/tokens.h"
#include "index/schema.h"
#include "index/shells.h"

namespace nestor {
namespace {

// Query tokens without an allocation.
constexpr size_t kFew = 64;

size_t WholeBlocks(size_t columns) {
  return (columns + kBlockColumns - 1) / kBlockColumns * kBlockColumns;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const MaxSimQuery>> MaxSimQuery::Make(std::span<const float> tokens,
                                                                     uint32_t dim, uint32_t prefix,
                                                                     const MaxSimOptions& options) {
  const VectorSchema schema = {.dim = dim, .nesting = {dim}, .metric = Metric::kDot};
  if (const absl::Status valid = ValidateTokens(schema, tokens); !valid.ok()) return valid;
  if (prefix < 1 || prefix > dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("maxsim: a prefix of tokens must have 1..", dim, " dims, not ", prefix));
  }
  if (!options.weights.empty()) {
    const absl::Status valid = ValidateTokenWeights(options.weights, tokens.size() / dim);
    if (!valid.ok()) return valid;
  }
  return std::unique_ptr<const MaxSimQuery>(new MaxSimQuery(tokens, dim, prefix, options));
}

MaxSimQuery::MaxSimQuery(std::span<const float> tokens, uint32_t dim, uint32_t prefix,
                         const MaxSimOptions& options)
    : dim_(dim), prefix_(prefix), layout_(dim), prefix_layout_(prefix) {
  const size_t n = tokens.size() / dim;
  const double share = options.mean ? 1 / static_cast<double>(n) : 1;
  const size_t lines = (size_t{prefix} + 1) / 2;  // of a block of columns
  const size_t code_bytes = prefix_layout_.groups() * 4;
  weights_.resize(n);
  columns_.resize(WholeBlocks(n) / kBlockColumns * lines);
  codes_.resize(n * code_bytes);
  code_sums_.resize(n);
  scales_.resize(n);
  for (size_t q = 0; q < n; ++q) {
    const float* token = tokens.data() + q * dim;
    weights_[q] = options.weights.empty() ? share : share * options.weights[q];
    for (uint32_t d = 0; d < prefix; ++d) {
      Line& line = columns_[q / kBlockColumns * lines + d / 2];
      line.values[q % kBlockColumns * 2 + d % 2] = token[d];
    }
    int8_t* code = codes_.data() + q * code_bytes;
    if (options.exact_int8) {
      CopyInt8(token, prefix, code);
      scales_[q] = 1;
    } else {
      scales_[q] = QuantizeInt8(token, prefix, code);
    }
    code_sums_[q] = std::accumulate(code, code + code_bytes, int32_t{0});
    double error = 0, length = 0;  // squared
    for (uint32_t d = 0; d < prefix; ++d) {
      const double coded = double{scales_[q]} * code[d];
      error += (token[d] - coded) * (token[d] - coded);
      length += coded * coded;
    }
    error_lengths_ += std::abs(weights_[q]) * std::sqrt(error);
    code_lengths_ += std::abs(weights_[q]) * std::sqrt(length);
  }
}

double MaxSimQuery::Score(const float* document, size_t n, std::span<TokenMatch> matches) const {
  absl::InlinedVector<float, kFew> largest(WholeBlocks(size()));
  absl::InlinedVector<uint32_t, kFew> tokens(matches.empty() ? 0 : largest.size());
  kernels_.maxsim_f32(document, n, dim_, prefix_, columns_[0].values, size(), largest.data(),
                      matches.empty() ? nullptr : tokens.data());
  double score = 0;
  for (size_t q = 0; q < size(); ++q) score += weights_[q] * static_cast<double>(largest[q]);
  for (size_t q = 0; q < matches.size(); ++q) matches[q] = {tokens[q], largest[q]};
  return score;
}

double MaxSimQuery::ScoreCodes(const TokenCodes& document, std::span<TokenMatch> matches) const {
  absl::InlinedVector<float, kFew> largest(size());
  absl::InlinedVector<uint32_t, kFew> tokens(matches.size());
  kernels_.maxsim_i8(codes_.data(), code_sums_.data(), size(), prefix_layout_.groups(),
                     document.blocks, layout_.block_bytes(), document.n, document.scales,
                     largest.data(), matches.empty() ? nullptr : tokens.data());
  double score = 0;
  for (size_t q = 0; q < size(); ++q) {
    largest[q] *= scales_[q];
    score += weights_[q] * static_cast<double>(largest[q]);
  }
  for (size_t q = 0; q < matches.size(); ++q) matches[q] = {tokens[q], largest[q]};
  return score;
}

}  // namespace nestor
