#include "server/rpc/convert_multi.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "server/rpc/convert_schema.h"
#include "server/rpc/limits.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

absl::Status ToProjection(v1::FdeProjection projection, FdeProjection* out) {
  switch (projection) {
    case v1::FDE_PROJECTION_UNSPECIFIED:
      return absl::OkStatus();
    case v1::FDE_PROJECTION_IDENTITY:
    case v1::FDE_PROJECTION_DENSE:
    case v1::FDE_PROJECTION_COUNT_SKETCH:
      // The enums are numbered alike.
      *out = static_cast<FdeProjection>(projection);
      return absl::OkStatus();
    default:
      return UnknownEnum(projection);
  }
}

// As text, for comparison and for messages.
std::string FieldText(const v1::Muvera& muvera, const google::protobuf::FieldDescriptor& field) {
  const auto text = [&](int index) {
    std::string one;
    google::protobuf::TextFormat::PrintFieldValueToString(muvera, &field, index, &one);
    return one;
  };
  if (!field.is_repeated()) return text(-1);
  std::vector<std::string> all;
  const int size = muvera.GetReflection()->FieldSize(muvera, &field);
  for (int i = 0; i < size; ++i) all.push_back(text(i));
  return absl::StrJoin(all, ",");
}

absl::Status CheckPointBytes(const TokenSchema& schema) {
  const uint64_t bytes =
      uint64_t{schema.max_tokens} * schema.token.dim * DtypeBytes(schema.token.dtype);
  if (bytes <= kMaxPointBytes) return absl::OkStatus();
  return FieldError("muvera.max_tokens",
                    absl::StrCat(schema.max_tokens, " tokens of dim ", schema.token.dim, " of ",
                                 Name(schema.token.dtype), " take ", bytes,
                                 " bytes, the limit of a point is ", kMaxPointBytes));
}

}  // namespace

absl::StatusOr<size_t> CountTokens(Dtype dtype, size_t bytes, const TokenSchema& schema) {
  if (dtype == Dtype::kI8 && schema.token.dtype != Dtype::kI8) {
    return FieldError("dtype",
                      absl::StrCat("INT8 values go into INT8 collections only; this one has dtype ",
                                   Name(schema.token.dtype)));
  }
  const size_t each = schema.token.dim * DtypeBytes(dtype);
  if (bytes % each != 0) {
    return FieldError("data", absl::StrCat("has ", bytes, " bytes, not a multiple of the ", each,
                                           " that a token of dim ", schema.token.dim, " of ",
                                           Name(dtype), " takes"));
  }
  const size_t count = bytes / each;
  if (count < 1 || count > schema.max_tokens) {
    return FieldError("data", absl::StrCat("holds ", count, " tokens, not in 1..max_tokens, ",
                                           schema.max_tokens));
  }
  return count;
}

absl::StatusOr<PackedTokens> ToPackedTokens(const v1::MultiVector& multi,
                                            const TokenSchema& schema) {
  const auto dtype = ToDtype(multi.tokens().dtype());
  if (!dtype.ok()) return AtField("tokens.dtype", dtype.status());
  const std::string& data = multi.tokens().data();
  const absl::StatusOr<size_t> count = CountTokens(*dtype, data.size(), schema);
  if (!count.ok()) return AtField("tokens", count.status());
  if (multi.count() != 0 && multi.count() != *count) {
    return FieldError("count", absl::StrCat("is ", multi.count(), ", the ", data.size(),
                                            " bytes of tokens hold ", *count));
  }
  return PackedTokens{*dtype, data};
}

void FromStoredTokens(const VectorSchema& token, std::string&& bytes, v1::MultiVector* out) {
  out->set_count(static_cast<uint32_t>(bytes.size() / (token.dim * DtypeBytes(token.dtype))));
  out->mutable_tokens()->set_dtype(FromDtype(token.dtype));
  out->mutable_tokens()->set_data(std::move(bytes));
}

absl::StatusOr<MultiSchema> ToMultiSchema(const v1::Muvera& muvera, const VectorSchema& token) {
  MultiSchema out;
  TokenSchema& tokens = out.spec.tokens;
  tokens.token = token;
  if (muvera.max_tokens() != 0) tokens.max_tokens = muvera.max_tokens();
  absl::Status valid = ValidateTokenSchema(tokens);
  if (!valid.ok()) return FieldError("", valid.message());
  valid = CheckPointBytes(tokens);
  if (!valid.ok()) return valid;

  FdeSpec& fde = out.spec.fde;
  fde.dim = token.dim;
  if (muvera.repetitions() != 0) fde.repetitions = muvera.repetitions();
  if (muvera.has_k_sim()) fde.k_sim = muvera.k_sim();
  valid = ToProjection(muvera.projection(), &fde.projection);
  if (!valid.ok()) return AtField("muvera.projection", valid);
  if (muvera.d_proj() != 0) {
    fde.d_proj = muvera.d_proj();
  } else {
    fde.d_proj =
        fde.projection == FdeProjection::kIdentity ? token.dim : std::min(fde.d_proj, token.dim);
  }
  fde.fill_empty = muvera.fill_empty();
  fde.sketch_repetitions = muvera.sketch_repetitions();
  fde.sketch_dim = muvera.sketch_dim();
  if (muvera.has_seed()) fde.seed = muvera.seed();
  valid = ValidateMultiSpec(out.spec);
  if (!valid.ok()) return FieldError("muvera", absl::StripPrefix(valid.message(), "fde: "));

  const std::vector<uint32_t> prefixes(muvera.prefixes().begin(), muvera.prefixes().end());
  absl::StatusOr<VectorSchema> schema = FdeSchema(fde, prefixes);
  if (!schema.ok()) {
    return FieldError("muvera.prefixes", absl::StripPrefix(schema.status().message(), "fde: "));
  }
  out.fde = *std::move(schema);
  if (muvera.fde_dim() != 0 && muvera.fde_dim() != out.fde.dim) {
    return FieldError("muvera.fde_dim",
                      absl::StrCat(muvera.fde_dim(), " is not what these parameters make, ",
                                   out.fde.dim, "; the server sets it"));
  }
  if (muvera.fde_nesting_size() > 0 &&
      !std::equal(muvera.fde_nesting().begin(), muvera.fde_nesting().end(), out.fde.nesting.begin(),
                  out.fde.nesting.end())) {
    return FieldError("muvera.fde_nesting",
                      absl::StrCat(absl::StrJoin(muvera.fde_nesting(), ","),
                                   " is not what these parameters make, ",
                                   absl::StrJoin(out.fde.nesting, ","), "; the server sets it"));
  }
  return out;
}

void FromMultiSchema(const MultiSpec& spec, const VectorSchema& fde, v1::Muvera* out) {
  out->set_repetitions(spec.fde.repetitions);
  out->set_k_sim(spec.fde.k_sim);
  out->set_projection(static_cast<v1::FdeProjection>(spec.fde.projection));
  out->set_d_proj(spec.fde.d_proj);
  out->set_fill_empty(spec.fde.fill_empty);
  out->set_sketch_repetitions(spec.fde.sketch_repetitions);
  out->set_sketch_dim(spec.fde.sketch_dim);
  out->set_seed(spec.fde.seed);
  for (const uint32_t dim : fde.nesting) {
    out->add_prefixes(dim / spec.fde.group_dims() * spec.fde.group_repetitions());
  }
  out->set_max_tokens(spec.tokens.max_tokens);
  out->set_fde_dim(fde.dim);
  out->mutable_fde_nesting()->Assign(fde.nesting.begin(), fde.nesting.end());
}

absl::StatusOr<Reencoding> ToReencoding(const v1::Muvera& muvera, const CollectionSpec& present) {
  if (!present.multi.has_value()) {
    return FieldError("muvera", absl::StrCat("is of MULTI collections; \"", present.name,
                                             "\" is SINGLE and has no encodings"));
  }
  const TokenSchema& tokens = present.multi->tokens;
  if (muvera.max_tokens() != 0 && muvera.max_tokens() != tokens.max_tokens) {
    return FieldError("muvera.max_tokens",
                      absl::StrCat("cannot change from ", tokens.max_tokens, " to ",
                                   muvera.max_tokens(), ": it is no parameter of encodings"));
  }
  v1::Muvera wanted = muvera;
  wanted.set_max_tokens(tokens.max_tokens);
  absl::StatusOr<MultiSchema> multi = ToMultiSchema(wanted, tokens.token);
  if (!multi.ok()) return multi.status();
  return Reencoding{.fde = multi->spec.fde, .schema = std::move(multi->fde), .index = {}};
}

absl::Status CheckRepeats(const v1::Muvera& wanted, const MultiSpec& spec,
                          const VectorSchema& fde) {
  v1::Muvera present;
  FromMultiSchema(spec, fde, &present);
  std::vector<const google::protobuf::FieldDescriptor*> set;
  wanted.GetReflection()->ListFields(wanted, &set);
  for (const google::protobuf::FieldDescriptor* field : set) {
    const std::string is = FieldText(present, *field);
    const std::string asked = FieldText(wanted, *field);
    if (is == asked) continue;
    const bool of_encodings = field->number() != v1::Muvera::kMaxTokensFieldNumber;
    return FieldError(
        field->name(),
        absl::StrCat("cannot change from ", is, " to ", asked,
                     of_encodings ? ", but by a build (BuildIndexRequest.muvera)" : ""));
  }
  return absl::OkStatus();
}

}  // namespace nestor
