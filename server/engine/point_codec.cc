#include "server/engine/point_codec.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "index/multi/tokens.h"
#include "index/shells.h"
#include "server/engine/validate.h"

namespace nestor {

PointCodec::PointCodec(const CollectionSpec& spec, std::shared_ptr<const FdeModel> fde)
    : schema_(spec.schema),
      multi_(spec.multi),
      fde_(std::move(fde)),
      vector_bytes_(schema_.dim * DtypeBytes(schema_.dtype)) {}

absl::StatusOr<EncodedPoint> PointCodec::EncodeTokens(const TokenSet& tokens, Space* space) const {
  space->indexed.resize(vector_bytes_);
  auto* const fde = reinterpret_cast<float*>(space->indexed.data());
  absl::Status status = fde_->Encode(tokens.values(), {.side = FdeSide::kDocument}, fde);
  if (!status.ok()) return status;
  status = ValidateVector(schema_, fde, "fde");
  if (!status.ok()) return status;
  return EncodedPoint{.indexed = space->indexed,
                      .tokens = TokenBlock::Make(multi_->tokens, tokens.values())};
}

absl::StatusOr<EncodedPoint> PointCodec::Encode(const VectorInput& input, Space* space) const {
  if (multi_.has_value()) {
    const auto* packed = std::get_if<PackedTokens>(&input);
    if (packed == nullptr) {
      return absl::InvalidArgumentError("a vector, for a collection of tokens (kind MULTI)");
    }
    absl::StatusOr<TokenSet> tokens =
        TokenSet::FromWire(multi_->tokens, packed->dtype, packed->bytes);
    // Also what overflows the dtype is the caller's.
    if (!tokens.ok()) return absl::InvalidArgumentError(tokens.status().message());
    absl::StatusOr<EncodedPoint> point = EncodeTokens(*tokens, space);
    if (!point.ok()) return point;
    space->stored = tokens->stored();
    point->stored = space->stored;
    return point;
  }
  std::vector<float> floats(schema_.dim);
  const auto* packed = std::get_if<PackedVector>(&input);
  if (packed == nullptr || packed->dtype != schema_.dtype) space->stored.resize(vector_bytes_);
  const absl::StatusOr<absl::string_view> vector = EncodeCheckedVector(
      schema_, input, floats.data(), reinterpret_cast<std::byte*>(space->stored.data()));
  if (!vector.ok()) return vector.status();
  return EncodedPoint{.stored = *vector, .indexed = *vector};
}

absl::StatusOr<EncodedPoint> PointCodec::Decode(absl::string_view stored, Space* space) const {
  if (multi_.has_value()) {
    const absl::StatusOr<TokenSet> tokens = TokenSet::FromStored(multi_->tokens, stored);
    if (!tokens.ok()) return tokens.status();
    absl::StatusOr<EncodedPoint> point = EncodeTokens(*tokens, space);
    if (!point.ok()) return absl::FailedPreconditionError(point.status().message());
    point->stored = stored;
    return point;
  }
  if (stored.size() == vector_bytes_) return EncodedPoint{.stored = stored, .indexed = stored};
  return absl::DataLossError(
      absl::StrCat("the vector has ", stored.size(), " bytes, expected ", vector_bytes_));
}

absl::StatusOr<TokenSet> PointCodec::ReadTokens(std::span<const float> tokens) const {
  TokenSchema schema = multi_->tokens;
  schema.token.dtype = Dtype::kF32;
  const absl::string_view bytes(reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes());
  return TokenSet::FromWire(schema, Dtype::kF32, bytes);
}

absl::StatusOr<PreparedTokens> PointCodec::Prepare(const TokenQuery& query) const {
  const absl::StatusOr<TokenSet> tokens = ReadTokens(query.tokens);
  if (!tokens.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("query: ", tokens.status().message()));
  }
  if (!query.weights.empty()) {
    if (absl::Status s = ValidateTokenWeights(query.weights, tokens->size()); !s.ok()) return s;
  }
  return PrepareSet(*tokens, query);
}

absl::StatusOr<PreparedTokens> PointCodec::PrepareStored(absl::string_view stored) const {
  const absl::StatusOr<TokenSet> tokens = TokenSet::FromStored(multi_->tokens, stored);
  if (!tokens.ok()) return tokens.status();
  return PrepareSet(*tokens, {});
}

absl::StatusOr<PreparedTokens> PointCodec::PrepareSet(const TokenSet& tokens,
                                                      const TokenQuery& query) const {
  PreparedTokens prepared;
  prepared.tokens = tokens.values();
  prepared.weights.assign(query.weights.begin(), query.weights.end());
  prepared.mean = query.mean;
  prepared.fde.resize(schema_.dim);
  absl::Status status = fde_->Encode(
      prepared.tokens, {.side = FdeSide::kQuery, .weights = prepared.weights}, prepared.fde.data());
  if (status.ok()) status = ValidateVector(schema_, prepared.fde.data(), "fde of the query");
  if (!status.ok()) return status;
  return prepared;
}

}  // namespace nestor
