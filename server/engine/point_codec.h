// What is made of a point: what the store keeps of it and what the index takes. Of a vector both
// are the same; of a token matrix the index takes the FDE, and the tokens' int8 codes are kept
// beside it. What the store keeps is the collection's for good, the FDE a generation's: each
// generation has its codec, and those between which nothing is encoded anew share one. Immutable;
// any thread.
#ifndef NESTOR_SERVER_ENGINE_POINT_CODEC_H_
#define NESTOR_SERVER_ENGINE_POINT_CODEC_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/multi/fde_model.h"
#include "index/multi/token_block.h"
#include "index/multi/token_search.h"
#include "server/engine/types.h"
#include "server/storage/collection_spec.h"

namespace nestor {

// Borrows from what it was made of and from its space.
struct EncodedPoint {
  absl::string_view stored;
  absl::string_view indexed;                 // dim values of the schema's dtype
  std::shared_ptr<const TokenBlock> tokens;  // of MULTI
};

class PointCodec {
 public:
  struct Space {
    std::string stored;
    std::string indexed;
  };

  // `fde`: of a MULTI collection's encodings, else null.
  PointCodec(const CollectionSpec& spec, std::shared_ptr<const FdeModel> fde);

  const VectorSchema& schema() const { return schema_; }  // of what the index takes
  const MultiSpec* multi() const { return multi_.has_value() ? &*multi_ : nullptr; }
  const std::shared_ptr<const FdeModel>& fde() const { return fde_; }
  size_t vector_bytes() const { return vector_bytes_; }  // of what the index takes

  // InvalidArgument: not a valid vector, or token matrix, of the collection.
  absl::StatusOr<EncodedPoint> Encode(const VectorInput& input, Space* space) const;
  // Of what the store has. DataLoss; FailedPrecondition: tokens whose FDE overflows, as that of
  // other encodings than they were written with may.
  absl::StatusOr<EncodedPoint> Decode(absl::string_view stored, Space* space) const;

  // Of MULTI: floats as they are sent, not rounded. InvalidArgument.
  absl::StatusOr<TokenSet> ReadTokens(std::span<const float> tokens) const;
  // Of MULTI. InvalidArgument: tokens that cannot be a point's, weights that are not one number
  // each.
  absl::StatusOr<PreparedTokens> Prepare(const TokenQuery& query) const;
  // The same of a point's tokens.
  absl::StatusOr<PreparedTokens> PrepareStored(absl::string_view stored) const;

 private:
  absl::StatusOr<EncodedPoint> EncodeTokens(const TokenSet& tokens, Space* space) const;
  absl::StatusOr<PreparedTokens> PrepareSet(const TokenSet& tokens, const TokenQuery& query) const;

  const VectorSchema schema_;
  const std::optional<MultiSpec> multi_;
  const std::shared_ptr<const FdeModel> fde_;
  const size_t vector_bytes_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_POINT_CODEC_H_
