// nestor.v1 plans and search messages <-> domain. Free functions, any thread. Spans borrow from the
// message. INVALID_ARGUMENT names the field from the converted message on (see FieldError).
#ifndef NESTOR_SERVER_RPC_CONVERT_SEARCH_H_
#define NESTOR_SERVER_RPC_CONVERT_SEARCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nestor/v1/search.pb.h"
#include "server/engine/types.h"
#include "server/rpc/convert_point.h"

namespace nestor {

// Shape only: ValidatePlan knows the schema.
absl::StatusOr<Plan> ToPlan(const v1::Plan& plan);
void FromPlan(const Plan& plan, v1::Plan* out);
// Gives a FailedPrecondition of a search its reason: the plan names what is not built.
absl::Status NotBuilt(absl::Status status);
// For the log: the plan's text, or "exact=DIM".
std::string FormatHow(const SearchHow& how);

// How to search, valid for the schema, the limit and what is built (FailedPrecondition: a plan for
// lists or a graph that are not). `Request` is v1::SearchRequest or v1::BatchSearchRequest.
template <typename Request>
absl::StatusOr<SearchHow> ToSearchHow(const Request& request, const VectorSchema& schema,
                                      const IndexSpec& built);
// 1..kMaxLimit.
absl::Status CheckLimit(uint32_t limit);

// A query vector of D floats: those of the message where they can be used in place, else decoded
// into `buffer`.
absl::StatusOr<std::span<const float>> ToQuery(const v1::Vector& vector, const VectorSchema& schema,
                                               std::vector<float>* buffer);
// D values of a query as floats: in place where they are aligned floats, else in `buffer`.
std::span<const float> DecodeQuery(Dtype dtype, const char* data, uint32_t dim,
                                   std::vector<float>* buffer);

// What n x D packed values of a batch are: queries, or vectors to store.
struct PackedShape {
  Dtype dtype = Dtype::kF32;
  uint32_t dim = 0;
  uint32_t count = 0;

  size_t row_bytes() const { return dim * DtypeBytes(dtype); }
};
// Of a v1::Packed with `bytes` bytes of data.
absl::StatusOr<PackedShape> ToPackedShape(v1::Dtype dtype, size_t bytes,
                                          const VectorSchema& schema);

// INVALID_ARGUMENT with both numbers where `points` of a reply, `bytes_each` at most, could exceed
// the message limit.
absl::Status CheckReplyBytes(uint64_t points, uint64_t bytes_each);
// The same once it turns out that the first `points` of `all` take `bytes`.
absl::Status ReplyTooLong(uint64_t points, uint64_t all, uint64_t bytes);
// What one point takes in a reply at most, attributes aside.
uint64_t MaxPointBytes(const VectorSchema& schema, const PointOutput& output);
// What one hit takes at most in the columns of a batch's reply.
uint64_t MaxColumnHitBytes(IdKind kind);

// Empties `reply`'s strings into the message. INVALID_ARGUMENT where the message gets longer than
// the limit.
absl::Status FromSearchReply(SearchReply* reply, Dtype dtype, const PointOutput& output,
                             const AttributeChoice& choice, v1::SearchResponse* out);
void FromStage(const StageCost& cost, v1::Stage* out);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CONVERT_SEARCH_H_
