#include "index/multi/tokens.h"

#include <cstddef>

#include "absl/strings/str_cat.h"

namespace nestor {

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

}  // namespace nestor
