// The token matrix of a multi-vector point or query, as it comes over the wire: packed values, row
// by row. Stored as sent, in the schema's dtype; scored as floats, under COSINE of unit length.
#ifndef NESTOR_INDEX_MULTI_TOKEN_SET_H_
#define NESTOR_INDEX_MULTI_TOKEN_SET_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/multi/fde_spec.h"
#include "index/schema.h"

namespace nestor {

inline constexpr uint32_t kMaxTokens = 16384;  // of a matrix

struct TokenSchema {
  VectorSchema token;  // COSINE or DOT; at most kMaxTokenDim dims
  uint32_t max_tokens = 4096;

  bool operator==(const TokenSchema&) const = default;
};

// InvalidArgument with the value and the limit.
absl::Status ValidateTokenSchema(const TokenSchema& schema);

class TokenSet {
 public:
  // `bytes`: packed little-endian values of dtype `wire`. They are rounded to the schema's dtype
  // (int8 only to int8, and to int8 only what is an integer in -128..127). The schema must be
  // valid. InvalidArgument: no tokens, more than max_tokens, bytes that are no multiple of a
  // token's, a value that is not finite or a token that ValidateVector refuses (with the token and
  // the position). OutOfRange: a value that overflows the schema's dtype.
  static absl::StatusOr<TokenSet> FromWire(const TokenSchema& schema, Dtype wire,
                                           absl::string_view bytes);
  // From what stored() gave. DataLoss where that can not be.
  static absl::StatusOr<TokenSet> FromStored(const TokenSchema& schema, absl::string_view bytes);

  size_t size() const { return values_.size() / dim_; }  // tokens
  uint32_t dim() const { return dim_; }
  // In the schema's dtype.
  const std::string& stored() const { return stored_; }
  // size() x dim() floats, the stored values; under COSINE each token divided by its length.
  const std::vector<float>& values() const { return values_; }

 private:
  TokenSet(const TokenSchema& schema, std::string stored, std::vector<float> values);

  uint32_t dim_;
  std::string stored_;
  std::vector<float> values_;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_MULTI_TOKEN_SET_H_
