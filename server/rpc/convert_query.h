// What is searched for: query vectors and token matrices, one or a batch of them, -> domain. Free
// functions, any thread. Spans borrow from the message or the buffer. INVALID_ARGUMENT names the
// field from the converted message on (see FieldError).
#ifndef NESTOR_SERVER_RPC_CONVERT_QUERY_H_
#define NESTOR_SERVER_RPC_CONVERT_QUERY_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nestor/v1/search.pb.h"
#include "server/engine/types.h"
#include "server/rpc/point_schema.h"

namespace nestor {

// A query of D floats, or of those of all its tokens: those of the message where they can be used
// in place, else decoded into `buffer`.
absl::StatusOr<std::span<const float>> ToQuery(const v1::Vector& vector, const PointSchema& schema,
                                               std::vector<float>* buffer);
// `n` values of a query as floats: in place where they are aligned floats, else in `buffer`.
std::span<const float> DecodeQuery(Dtype dtype, const char* data, size_t n,
                                   std::vector<float>* buffer);

// Sets query and matches.
absl::Status ToSearchQuery(const v1::SearchRequest& request, const PointSchema& schema,
                           std::vector<float>* buffer, SearchRequest* out);
// Tokens of such a query at most; 0 where the collection is not MULTI.
uint64_t MaxQueryTokens(const SearchRequest& search, const PointSchema& schema);

// What the packed rows of a batch are: queries, or points to store.
struct PackedShape {
  Dtype dtype = Dtype::kF32;
  uint32_t dim = 0;  // of a vector, or of a token
  uint32_t count = 0;
  std::vector<uint64_t> ends;  // of the rows, in tokens; empty: of one vector each

  size_t item_bytes() const { return dim * DtypeBytes(dtype); }
  // Of row i.
  size_t offset(uint32_t i) const {
    return (ends.empty() ? i : i == 0 ? 0 : ends[i - 1]) * item_bytes();
  }
  size_t bytes(uint32_t i) const { return offset(i + 1) - offset(i); }
  size_t values(uint32_t i) const { return bytes(i) / DtypeBytes(dtype); }
  size_t all_bytes() const { return offset(count); }
};
// Of a v1::Packed with `bytes` bytes of data.
absl::StatusOr<PackedShape> ToPackedShape(v1::Dtype dtype, size_t bytes, const PointSchema& schema,
                                          std::span<const uint32_t> counts = {});
// Whether there are counts of tokens: where the collection is MULTI, and only there, `rows` of
// them.
absl::Status CheckCounts(std::span<const uint32_t> counts, const PointSchema& schema,
                         uint32_t rows);
// The same of a batch of queries, each of 1..max_tokens: 1..kMaxBatch of them.
absl::Status CheckQueryCounts(std::span<const uint32_t> counts, const PointSchema& schema);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CONVERT_QUERY_H_
