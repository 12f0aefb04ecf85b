#include "server/rpc/convert_query.h"

#include <variant>

#include "absl/strings/str_cat.h"
#include "index/multi/tokens.h"
#include "server/rpc/convert_point.h"
#include "server/rpc/convert_schema.h"
#include "server/rpc/limits.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

absl::StatusOr<bool> IsMean(v1::TokenScore score) {
  switch (score) {
    case v1::TOKEN_SCORE_UNSPECIFIED:
    case v1::TOKEN_SCORE_SUM:
      return false;
    case v1::TOKEN_SCORE_MEAN:
      return true;
    default:
      return UnknownEnum(score);
  }
}

// The name of a field that is set though it is of queries that are token matrices; or null.
const char* TokenField(const v1::SearchRequest& request) {
  if (request.token_weights_size() > 0) return "token_weights";
  if (request.token_score() != v1::TOKEN_SCORE_UNSPECIFIED) return "token_score";
  return nullptr;
}

absl::StatusOr<TokenQuery> ToTokenQuery(const v1::SearchRequest& request, const PointSchema& schema,
                                        std::vector<float>* buffer) {
  const auto values = ToQuery(request.vector(), schema, buffer);
  if (!values.ok()) return AtField("vector", values.status());
  TokenQuery query;
  query.tokens = *values;
  query.weights = {request.token_weights().data(),
                   static_cast<size_t>(request.token_weights_size())};
  if (!query.weights.empty()) {
    const absl::Status valid =
        ValidateTokenWeights(query.weights, values->size() / schema.item().dim);
    if (!valid.ok()) return FieldError("token_weights", valid.message());
  }
  const auto mean = IsMean(request.token_score());
  if (!mean.ok()) return AtField("token_score", mean.status());
  query.mean = *mean;
  return query;
}

absl::Status SetQuery(const v1::SearchRequest& request, const PointSchema& schema,
                      std::vector<float>* buffer, SearchRequest* out) {
  const char* token_field = TokenField(request);
  if (token_field != nullptr && !schema.multi()) {
    return FieldError(token_field, "is of MULTI collections; this one is SINGLE");
  }
  switch (request.query_case()) {
    case v1::SearchRequest::kVector: {
      if (schema.multi()) {
        const auto query = ToTokenQuery(request, schema, buffer);
        if (!query.ok()) return query.status();
        out->query = *query;
        return absl::OkStatus();
      }
      const auto query = ToQuery(request.vector(), schema, buffer);
      if (!query.ok()) return AtField("vector", query.status());
      out->query = *query;
      return absl::OkStatus();
    }
    case v1::SearchRequest::kId: {
      if (token_field != nullptr) {
        return FieldError(token_field, "goes with vector, not with id");
      }
      auto id = ToPointId(request.id());
      if (!id.ok()) return AtField("id", id.status());
      out->query = *std::move(id);
      return absl::OkStatus();
    }
    case v1::SearchRequest::QUERY_NOT_SET:
      break;
  }
  return FieldError("query", "vector or id must be set");
}

absl::StatusOr<PackedShape> ToTokenShape(Dtype dtype, size_t bytes, const TokenSchema& schema,
                                         std::span<const uint32_t> counts) {
  PackedShape shape{dtype, schema.token.dim, static_cast<uint32_t>(counts.size()), {}};
  shape.ends.reserve(counts.size());
  uint64_t tokens = 0;
  for (const uint32_t count : counts) shape.ends.push_back(tokens += count);
  if (bytes == shape.all_bytes()) return shape;
  return FieldError(
      "data", absl::StrCat("has ", bytes, " bytes, the ", tokens, " tokens of counts, of dim ",
                           shape.dim, " of ", Name(dtype), ", take ", shape.all_bytes()));
}

}  // namespace

absl::StatusOr<std::span<const float>> ToQuery(const v1::Vector& vector, const PointSchema& schema,
                                               std::vector<float>* buffer) {
  const absl::StatusOr<VectorInput> input = ToVectorInput(vector, schema);
  if (!input.ok()) return input.status();
  if (const auto* floats = std::get_if<std::span<const float>>(&*input)) return *floats;
  if (const auto* tokens = std::get_if<PackedTokens>(&*input)) {
    return DecodeQuery(tokens->dtype, tokens->bytes.data(),
                       tokens->bytes.size() / DtypeBytes(tokens->dtype), buffer);
  }
  const auto& packed = std::get<PackedVector>(*input);
  return DecodeQuery(packed.dtype, packed.bytes.data(), schema.indexed.dim, buffer);
}

std::span<const float> DecodeQuery(Dtype dtype, const char* data, size_t n,
                                   std::vector<float>* buffer) {
  if (dtype == Dtype::kF32 && reinterpret_cast<uintptr_t>(data) % alignof(float) == 0) {
    return {reinterpret_cast<const float*>(data), n};
  }
  buffer->resize(n);
  DecodeVector(dtype, reinterpret_cast<const std::byte*>(data), n, buffer->data());
  return *buffer;
}

absl::Status ToSearchQuery(const v1::SearchRequest& request, const PointSchema& schema,
                           std::vector<float>* buffer, SearchRequest* out) {
  const absl::Status set = SetQuery(request, schema, buffer, out);
  if (!set.ok()) return set;
  out->matches = request.matches();
  if (!request.matches()) return absl::OkStatus();
  if (!schema.multi()) {
    return FieldError("matches", "is of MULTI collections; this one is SINGLE");
  }
  if (request.has_plan() && request.plan().maxsim_size() == 0 && !request.plan().rescore()) {
    return FieldError("matches",
                      "the plan has neither maxsim stages nor rescore: no token matches");
  }
  return absl::OkStatus();
}

uint64_t MaxQueryTokens(const SearchRequest& search, const PointSchema& schema) {
  if (!schema.multi()) return 0;
  const auto* query = std::get_if<TokenQuery>(&search.query);
  return query == nullptr ? schema.tokens->max_tokens : query->tokens.size() / schema.item().dim;
}

absl::StatusOr<PackedShape> ToPackedShape(v1::Dtype dtype, size_t bytes, const PointSchema& schema,
                                          std::span<const uint32_t> counts) {
  const auto known = ToDtype(dtype);
  if (!known.ok()) return AtField("dtype", known.status());
  const VectorSchema& item = schema.item();
  if (*known == Dtype::kI8 && item.dtype != Dtype::kI8) {
    return FieldError("dtype",
                      absl::StrCat("INT8 values go with INT8 collections only; this one has dtype ",
                                   Name(item.dtype)));
  }
  if (schema.multi()) return ToTokenShape(*known, bytes, *schema.tokens, counts);
  PackedShape shape{*known, item.dim, 0, {}};
  const size_t each = shape.item_bytes();
  if (bytes % each != 0) {
    return FieldError(
        "data", absl::StrCat("has ", bytes, " bytes, not a multiple of the ", each,
                             " that a vector of dim ", item.dim, " of ", Name(*known), " takes"));
  }
  const size_t count = bytes / each;
  if (count < 1 || count > kMaxBatch) {
    return FieldError("data", absl::StrCat("holds ", count, " vectors, not in 1..", kMaxBatch));
  }
  shape.count = static_cast<uint32_t>(count);
  return shape;
}

absl::Status CheckCounts(std::span<const uint32_t> counts, const PointSchema& schema,
                         uint32_t rows) {
  if (!schema.multi()) {
    if (counts.empty()) return absl::OkStatus();
    return FieldError("counts", "are of MULTI collections; this one is SINGLE");
  }
  if (counts.size() == rows) return absl::OkStatus();
  return FieldError("counts", absl::StrCat("has ", counts.size(), " entries, the batch has ", rows,
                                           " rows; one each: the collection is MULTI"));
}

absl::Status CheckQueryCounts(std::span<const uint32_t> counts, const PointSchema& schema) {
  if (!schema.multi()) return CheckCounts(counts, schema, 0);
  if (counts.empty() || counts.size() > kMaxBatch) {
    return FieldError("counts",
                      absl::StrCat("has ", counts.size(), " entries, one per query, not in 1..",
                                   kMaxBatch, "; the collection is MULTI"));
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] >= 1 && counts[i] <= schema.tokens->max_tokens) continue;
    return FieldError(
        absl::StrCat("counts[", i, "]"),
        absl::StrCat(counts[i], " is not in 1..max_tokens, ", schema.tokens->max_tokens));
  }
  return absl::OkStatus();
}

}  // namespace nestor
