#include "index/multi/tokens.h"

#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

// Times a token whose square is finite it stays finite.
constexpr float kLargestWeight = 1e15f;

}  // namespace

absl::Status ValidateTokens(const VectorSchema& schema, std::span<const float> tokens) {
  if (tokens.empty()) return absl::InvalidArgumentError("no tokens; at least 1 is needed");
  if (tokens.size() % schema.dim != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        tokens.size(), " values of tokens are not a multiple of their dim ", schema.dim));
  }
  for (size_t i = 0; i < tokens.size() / schema.dim; ++i) {
    const float* token = tokens.data() + i * schema.dim;
    if (ValidateVector(schema, token, "").ok()) continue;
    // Again, for the message.
    return ValidateVector(schema, token, absl::StrCat("token ", i));
  }
  return absl::OkStatus();
}

absl::Status ValidateTokenWeights(std::span<const float> weights, size_t tokens) {
  if (weights.size() != tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("there are ", weights.size(), " weights for ", tokens, " tokens"));
  }
  for (size_t i = 0; i < tokens; ++i) {
    if (!(std::fabs(weights[i]) <= kLargestWeight)) {
      return absl::InvalidArgumentError(absl::StrCat("the weight of token ", i, " is ", weights[i],
                                                     ", the limit is +-", kLargestWeight));
    }
  }
  return absl::OkStatus();
}

}  // namespace nestor
