// nestor.v1 plans and search messages <-> domain; queries: convert_query.h. Free functions, any
// thread. INVALID_ARGUMENT names the field from the converted message on (see FieldError).
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
#include "server/rpc/point_schema.h"

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
absl::StatusOr<SearchHow> ToSearchHow(const Request& request, const PointSchema& schema,
                                      const IndexSpec& built);
// The lists that a query names, if any, of the index that was built. Else INVALID_ARGUMENT, or
// FAILED_PRECONDITION where their numbers are the server's.
absl::Status CheckLists(const v1::SearchRequest& request, const IndexSpec& built);
// The same of a batch of so many queries: where the lists of each end; empty where none are named.
absl::StatusOr<std::vector<uint64_t>> ToListEnds(const v1::BatchSearchRequest& request,
                                                 const IndexSpec& built, uint32_t queries);
// 1..kMaxLimit.
absl::Status CheckLimit(uint32_t limit);

// INVALID_ARGUMENT with both numbers where `points` of a reply, `bytes_each` at most, could exceed
// the message limit.
absl::Status CheckReplyBytes(uint64_t points, uint64_t bytes_each);
// The same once it turns out that the first `points` of `all` take `bytes`.
absl::Status ReplyTooLong(uint64_t points, uint64_t all, uint64_t bytes);
// And where the engine finds that out (OutOfRange); other statuses stay as they are.
absl::Status AtOutput(const absl::Status& status);
// What one point takes in a reply at most, attributes aside; and token matrices, which differ: the
// engine bounds them (PointOutput.max_token_bytes).
uint64_t MaxPointBytes(const PointSchema& schema, const PointOutput& output);
// What the matches of one hit take beside that.
uint64_t MaxMatchBytes(uint64_t query_tokens);
// What a reply carries of each point.
PointOutput ToPointOutput(const v1::Output& output, const AttributeChoice& choice);
// What one hit takes at most in the columns of a batch's reply.
uint64_t MaxColumnHitBytes(IdKind kind);

// Empties `reply`'s strings into the message. INVALID_ARGUMENT where the message gets longer than
// the limit.
absl::Status FromSearchReply(SearchReply* reply, const PointSchema& schema,
                             const PointOutput& output, const AttributeChoice& choice,
                             v1::SearchResponse* out);
void FromStage(const StageCost& cost, v1::Stage* out);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CONVERT_SEARCH_H_
