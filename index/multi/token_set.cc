#include "index/multi/token_set.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "index/kernels/kernels.h"
#include "index/multi/tokens.h"
#include "index/shells.h"

namespace nestor {
namespace {

const std::byte* Bytes(absl::string_view text) {
  return reinterpret_cast<const std::byte*>(text.data());
}

absl::StatusOr<size_t> CountTokens(const TokenSchema& schema, Dtype dtype,
                                   absl::string_view bytes) {
  const size_t token_bytes = schema.token.dim * DtypeBytes(dtype);
  if (bytes.empty()) return absl::InvalidArgumentError("no tokens; at least 1 is needed");
  if (bytes.size() % token_bytes != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(bytes.size(), " bytes of tokens are not a multiple of ", token_bytes,
                     ", the bytes of ", schema.token.dim, " ", Name(dtype), " values"));
  }
  const size_t n = bytes.size() / token_bytes;
  if (n > schema.max_tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat(n, " tokens are more than max_tokens, ", schema.max_tokens));
  }
  return n;
}

}  // namespace

absl::Status ValidateTokenSchema(const TokenSchema& schema) {
  if (const absl::Status valid = ValidateSchema(schema.token); !valid.ok()) return valid;
  if (schema.token.dim > kMaxTokenDim) {
    return absl::InvalidArgumentError(
        absl::StrCat("the tokens' dim must be 1..", kMaxTokenDim, ", not ", schema.token.dim));
  }
  if (schema.token.metric == Metric::kL2) {
    return absl::InvalidArgumentError(
        "token matrices are compared by inner products: the metric must be cosine or dot, not l2");
  }
  if (schema.max_tokens < 1 || schema.max_tokens > kMaxTokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tokens must be 1..", kMaxTokens, ", not ", schema.max_tokens));
  }
  return absl::OkStatus();
}

TokenSet::TokenSet(const TokenSchema& schema, std::string stored, std::vector<float> values)
    : dim_(schema.token.dim), stored_(std::move(stored)), values_(std::move(values)) {
  if (schema.token.metric != Metric::kCosine) return;
  const Kernels& kernels = ActiveKernels();
  for (size_t i = 0; i < values_.size(); i += dim_) {
    float* token = values_.data() + i;
    const float factor = AuxOf(Metric::kCosine, kernels.dot_f64(token, token, dim_));
    for (uint32_t d = 0; d < dim_; ++d) token[d] *= factor;
  }
}

absl::StatusOr<TokenSet> TokenSet::FromWire(const TokenSchema& schema, Dtype wire,
                                            absl::string_view bytes) {
  const Dtype dtype = schema.token.dtype;
  if (wire == Dtype::kI8 && dtype != Dtype::kI8) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokens in i8 are for a schema of i8, not of ", Name(dtype)));
  }
  const absl::StatusOr<size_t> n = CountTokens(schema, wire, bytes);
  if (!n.ok()) return n.status();
  const size_t dim = schema.token.dim;
  std::string sent(bytes);  // aligned, which `bytes` may not be
  std::vector<float> values(*n * dim);
  DecodeVector(wire, Bytes(sent), values.size(), values.data());
  // Before they are rounded, as what is not finite has no place in int8.
  if (const absl::Status valid = ValidateTokens(schema.token, values); !valid.ok()) return valid;
  if (wire == dtype) return TokenSet(schema, std::move(sent), std::move(values));
  std::string stored(values.size() * DtypeBytes(dtype), '\0');
  for (size_t i = 0; i < *n; ++i) {
    const absl::Status fits =
        EncodeVector(dtype, values.data() + i * dim, dim,
                     reinterpret_cast<std::byte*>(stored.data()) + i * dim * DtypeBytes(dtype));
    if (!fits.ok()) {
      return absl::Status(fits.code(), absl::StrCat("token ", i, ": ", fits.message()));
    }
  }
  DecodeVector(dtype, Bytes(stored), values.size(), values.data());
  // Again: a token may be rounded to zeros, which has no direction.
  if (const absl::Status valid = ValidateTokens(schema.token, values); !valid.ok()) return valid;
  return TokenSet(schema, std::move(stored), std::move(values));
}

absl::StatusOr<TokenSet> TokenSet::FromStored(const TokenSchema& schema, absl::string_view bytes) {
  absl::StatusOr<TokenSet> set = FromWire(schema, schema.token.dtype, bytes);
  if (!set.ok()) {
    return absl::DataLossError(absl::StrCat("stored tokens: ", set.status().message()));
  }
  return set;
}

}  // namespace nestor
