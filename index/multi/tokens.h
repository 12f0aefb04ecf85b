// A token matrix: n tokens of schema.dim floats, row by row. The schema is that of one token; its
// metric is that of a pair of tokens.
#ifndef NESTOR_INDEX_MULTI_TOKENS_H_
#define NESTOR_INDEX_MULTI_TOKENS_H_

#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "index/schema.h"

namespace nestor {

// InvalidArgument: no tokens, a number of values that is not a multiple of dim, a token that
// ValidateVector refuses (the message names the token and the position).
absl::Status ValidateTokens(const VectorSchema& schema, std::span<const float> tokens);

// InvalidArgument: not one weight per token, a weight that is not finite or over +-1e15.
absl::Status ValidateTokenWeights(std::span<const float> weights, size_t tokens);

}  // namespace nestor

#endif  // NESTOR_INDEX_MULTI_TOKENS_H_
