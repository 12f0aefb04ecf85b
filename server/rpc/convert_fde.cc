#include "server/rpc/convert_fde.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "index/multi/token_codes.h"
#include "index/multi/tokens.h"
#include "server/rpc/convert_multi.h"
#include "server/rpc/convert_query.h"
#include "server/rpc/convert_schema.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

constexpr uint32_t kTypicalTokens = 100;

// Of the score of FDEs over repetitions and query tokens, against that of MaxSim over query tokens:
// averaged over all pairs of 100 queries and 500 documents (ColBERTv2 on LoTTE, identity, fill, 20
// repetitions). multi.proto says how little it says about other tokens.
struct Bias {
  uint32_t k_sim;
  double bias;
};
constexpr Bias kMeasuredBias[] = {{0, -0.210}, {3, -0.192},  {5, -0.182},
                                  {8, -0.173}, {10, -0.169}, {14, -0.162}};

double MeasuredBias(uint32_t k_sim) {
  const Bias* to = std::begin(kMeasuredBias) + 1;
  while (to->k_sim < k_sim && std::next(to) != std::end(kMeasuredBias)) ++to;
  const Bias& from = *std::prev(to);
  const double share = static_cast<double>(k_sim - from.k_sim) / (to->k_sim - from.k_sim);
  return from.bias + share * (to->bias - from.bias);
}

// A repetition's score is sum_b <S q_b, S p_b> / d_proj over its blocks b, with one random S of
// signs: s' M s for each row s, M the sum of q_b p_b'. Its variance is at most 2 |M|^2 (Frobenius);
// |M| <= sum |q_b| |p_b| <= the number of query tokens, where all tokens have length 1. A count
// sketch's is the same. Repetitions are independent.
double ProjectionDeviation(const FdeSpec& spec) {
  if (spec.projection == FdeProjection::kIdentity) return 0;
  return std::sqrt(2.0 / (static_cast<double>(spec.repetitions) * spec.d_proj));
}

uint64_t MatrixBytes(const FdeSpec& spec) {
  const FdeMatrixSizes sizes(spec);
  return (sizes.hyperplanes + sizes.projections + sizes.sketch) * sizeof(float);
}

}  // namespace

absl::StatusOr<FdeRequest> ToFdeRequest(const v1::EncodeFDERequest& request,
                                        const CollectionSpec& spec, std::vector<float>* buffer) {
  if (!spec.multi.has_value()) {
    return FieldError("collection", absl::StrCat("\"", spec.name, "\" is SINGLE: it has no FDEs"));
  }
  const FdeSpec& fde = spec.multi->fde;
  FdeRequest out;
  const absl::StatusOr<PackedTokens> tokens = ToPackedTokens(request.tokens(), spec.multi->tokens);
  if (!tokens.ok()) return AtField("tokens", tokens.status());
  out.tokens = DecodeQuery(tokens->dtype, tokens->bytes.data(),
                           tokens->bytes.size() / DtypeBytes(tokens->dtype), buffer);
  switch (request.side()) {
    case v1::FDE_SIDE_QUERY:
      out.options.side = FdeSide::kQuery;
      break;
    case v1::FDE_SIDE_DOCUMENT:
      out.options.side = FdeSide::kDocument;
      break;
    default:
      return AtField("side", UnknownEnum(request.side()));
  }
  out.options.weights = {request.token_weights().data(),
                         static_cast<size_t>(request.token_weights_size())};
  if (!out.options.weights.empty()) {
    if (out.options.side == FdeSide::kDocument) {
      return FieldError("token_weights", "are of queries; the side is DOCUMENT");
    }
    const absl::Status valid =
        ValidateTokenWeights(out.options.weights, out.tokens.size() / fde.dim);
    if (!valid.ok()) return FieldError("token_weights", valid.message());
  }
  if (request.has_fill_empty()) {
    if (request.fill_empty() && out.options.side == FdeSide::kQuery) {
      return FieldError("fill_empty", "true is for documents: a query's token would count twice");
    }
    if (out.options.side == FdeSide::kDocument) out.options.fill_empty = request.fill_empty();
  }
  if (request.repetitions() > fde.repetitions ||
      request.repetitions() % fde.group_repetitions() != 0) {
    return FieldError("repetitions",
                      absl::StrCat(request.repetitions(), " is not in 1..", fde.repetitions,
                                   ", in whole groups of ", fde.group_repetitions()));
  }
  out.options.repetitions = request.repetitions();
  return out;
}

void FromFde(std::span<const float> fde, const VectorSchema& schema, v1::EncodeFDEResponse* out) {
  out->mutable_fde()->set_dtype(v1::DTYPE_F32);
  out->mutable_fde()->set_data(
      std::string(reinterpret_cast<const char*>(fde.data()), fde.size_bytes()));
  for (const uint32_t dim : schema.nesting) {
    if (dim <= fde.size()) out->add_nesting(dim);
  }
}

absl::Status EstimateFde(const v1::EstimateFDERequest& request, v1::EstimateFDEResponse* out) {
  // The metric does not matter here, but that it can be one of tokens.
  VectorSchema token{.dim = request.dim(), .nesting = {request.dim()}, .metric = Metric::kDot};
  if (request.dtype() != v1::DTYPE_UNSPECIFIED) {
    const auto dtype = ToDtype(request.dtype());
    if (!dtype.ok()) return AtField("dtype", dtype.status());
    token.dtype = *dtype;
  }
  const absl::StatusOr<MultiSchema> schema = ToMultiSchema(request.muvera(), token);
  if (!schema.ok()) return schema.status();
  const MultiSpec& spec = schema->spec;
  const uint32_t tokens =
      request.tokens() != 0 ? request.tokens() : std::min(kTypicalTokens, spec.tokens.max_tokens);
  if (tokens > spec.tokens.max_tokens) {
    return FieldError("tokens",
                      absl::StrCat(tokens, " is not in 1..max_tokens, ", spec.tokens.max_tokens));
  }
  FromMultiSchema(spec, schema->fde, out->mutable_muvera());
  const uint64_t dims = schema->fde.dim;
  v1::FdeBytes* bytes = out->mutable_bytes();
  bytes->set_int8(dims + sizeof(float));
  bytes->set_f16(2 * dims);
  bytes->set_f32(4 * dims);
  bytes->set_token_codes(TokenCodeLayout(token.dim).bytes(tokens) + tokens * sizeof(float));
  bytes->set_tokens(uint64_t{tokens} * token.dim * DtypeBytes(token.dtype));
  out->set_matrix_bytes(MatrixBytes(spec.fde));
  out->set_projection_deviation(ProjectionDeviation(spec.fde));
  out->set_measured_bias(MeasuredBias(spec.fde.k_sim));
  return absl::OkStatus();
}

}  // namespace nestor
