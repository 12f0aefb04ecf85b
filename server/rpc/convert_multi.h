// nestor.v1's token matrices and MUVERA parameters <-> domain. Free functions, any thread. Domain
// values that are string_views borrow from the message. INVALID_ARGUMENT names the field from the
// converted message on (see FieldError).
#ifndef NESTOR_SERVER_RPC_CONVERT_MULTI_H_
#define NESTOR_SERVER_RPC_CONVERT_MULTI_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/multi/multi_spec.h"
#include "index/multi/token_set.h"
#include "nestor/v1/collection.pb.h"
#include "nestor/v1/types.pb.h"
#include "server/engine/types.h"

namespace nestor {

// Has the shape checked: whole tokens, 1..max_tokens of them, as many as the message says, INT8
// into INT8 only.
absl::StatusOr<PackedTokens> ToPackedTokens(const v1::MultiVector& multi,
                                            const TokenSchema& schema);
// The number of tokens in `bytes` of a matrix.
absl::StatusOr<size_t> CountTokens(Dtype dtype, size_t bytes, const TokenSchema& schema);
// `bytes` as stored.
void FromStoredTokens(const VectorSchema& token, std::string&& bytes, v1::MultiVector* out);

// What is indexed of a MULTI collection beside what its points are.
struct MultiSchema {
  MultiSpec spec;
  VectorSchema fde;
};
// Valid, with every default filled in. `token`: of a collection's dim, nesting, metric and dtype.
// Fields are those of a message with `muvera` in it.
absl::StatusOr<MultiSchema> ToMultiSchema(const v1::Muvera& muvera, const VectorSchema& token);
void FromMultiSchema(const MultiSpec& spec, const VectorSchema& fde, v1::Muvera* out);
// A build that is to encode the points of a collection anew, MULTI or refused; without an index
// spec.
absl::StatusOr<Reencoding> ToReencoding(const v1::Muvera& muvera, const CollectionSpec& present);
// Whether the fields that are set in `wanted` are those of `present`.
absl::Status CheckRepeats(const v1::Muvera& wanted, const MultiSpec& spec, const VectorSchema& fde);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CONVERT_MULTI_H_
