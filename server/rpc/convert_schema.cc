#include "server/rpc/convert_schema.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/rpc/convert_multi.h"
#include "server/rpc/point_schema.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

absl::StatusOr<Durability> ToDurability(v1::Durability durability) {
  switch (durability) {
    case v1::DURABILITY_UNSPECIFIED:
    case v1::DURABILITY_SYNC:
      return Durability::kSync;
    case v1::DURABILITY_ASYNC:
      return Durability::kAsync;
    default:
      return UnknownEnum(durability);
  }
}

absl::StatusOr<IdKind> ToIdKind(v1::IdKind kind) {
  switch (kind) {
    case v1::ID_KIND_UNSPECIFIED:
    case v1::ID_KIND_NUM:
      return IdKind::kNum;
    case v1::ID_KIND_STR:
      return IdKind::kStr;
    default:
      return UnknownEnum(kind);
  }
}

absl::StatusOr<bool> IsMulti(v1::VectorKind kind) {
  switch (kind) {
    case v1::VECTOR_KIND_UNSPECIFIED:
    case v1::VECTOR_KIND_SINGLE:
      return false;
    case v1::VECTOR_KIND_MULTI:
      return true;
    default:
      return UnknownEnum(kind);
  }
}

// Makes the collection MULTI; its schema is that of the tokens until then.
absl::Status SetMulti(const v1::Muvera& muvera, CollectionSpec* spec) {
  absl::StatusOr<MultiSchema> multi = ToMultiSchema(muvera, spec->schema);
  if (!multi.ok()) return multi.status();
  spec->multi = std::move(multi->spec);
  spec->schema = std::move(multi->fde);
  spec->index.exact_vectors = ExactVectors::kStore;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AttributeField>> ToAttributeFields(const v1::CollectionSpec& spec) {
  std::vector<AttributeField> fields;
  for (const auto& [name, type] : spec.attributes()) {
    const auto known = ToAttributeType(static_cast<v1::AttributeType>(type));
    if (!known.ok()) return AtField(absl::StrCat("attributes[\"", name, "\"]"), known.status());
    fields.push_back({name, *known});
  }
  std::sort(fields.begin(), fields.end(),
            [](const AttributeField& a, const AttributeField& b) { return a.name < b.name; });
  return fields;
}

absl::Status MayNotChange(absl::string_view field, absl::string_view present,
                          absl::string_view wanted) {
  return FieldError(field, absl::StrCat("cannot change from ", present, " to ", wanted));
}

}  // namespace

absl::Status UnknownEnum(int number) {
  if (number == 0) return FieldError("", "must be set");
  return FieldError("", absl::StrCat("value ", number, " is not supported by this version"));
}

absl::StatusOr<Dtype> ToDtype(v1::Dtype dtype) {
  switch (dtype) {
    case v1::DTYPE_F32:
      return Dtype::kF32;
    case v1::DTYPE_F16:
      return Dtype::kF16;
    case v1::DTYPE_BF16:
      return Dtype::kBf16;
    case v1::DTYPE_INT8:
      return Dtype::kI8;
    default:
      return UnknownEnum(dtype);
  }
}

absl::StatusOr<Metric> ToMetric(v1::Metric metric) {
  switch (metric) {
    case v1::METRIC_COSINE:
      return Metric::kCosine;
    case v1::METRIC_DOT:
      return Metric::kDot;
    case v1::METRIC_L2:
      return Metric::kL2;
    default:
      return UnknownEnum(metric);
  }
}

absl::StatusOr<AttributeType> ToAttributeType(v1::AttributeType type) {
  if (type < v1::ATTRIBUTE_TYPE_STRING || type > v1::ATTRIBUTE_TYPE_TIMESTAMP) {
    return UnknownEnum(type);
  }
  // The two enums are numbered alike.
  return static_cast<AttributeType>(type);
}

v1::Dtype FromDtype(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return v1::DTYPE_F32;
    case Dtype::kF16:
      return v1::DTYPE_F16;
    case Dtype::kBf16:
      return v1::DTYPE_BF16;
    case Dtype::kI8:
      return v1::DTYPE_INT8;
  }
  return v1::DTYPE_UNSPECIFIED;
}

v1::Metric FromMetric(Metric metric) {
  switch (metric) {
    case Metric::kCosine:
      return v1::METRIC_COSINE;
    case Metric::kDot:
      return v1::METRIC_DOT;
    case Metric::kL2:
      return v1::METRIC_L2;
  }
  return v1::METRIC_UNSPECIFIED;
}

v1::AttributeType FromAttributeType(AttributeType type) {
  return static_cast<v1::AttributeType>(type);
}

OpqSpec ToCodeSpec(const v1::CodeSpec& code) { return {code.dim(), code.bytes(), code.bits()}; }

void FromCodeSpec(const OpqSpec& code, v1::CodeSpec* out) {
  out->set_dim(code.dim);
  out->set_bytes(code.bytes);
  out->set_bits(code.bits);
}

absl::StatusOr<IndexSpec> ToIndexSpec(const v1::IndexSpec& spec, const IndexSpec& defaults) {
  IndexSpec out;
  out.coarse_dim = spec.coarse_dim();
  out.lists = spec.lists();
  out.shells.assign(spec.shells().begin(), spec.shells().end());
  switch (spec.shell_codec()) {
    case v1::SHELL_CODEC_UNSPECIFIED:
      out.codec = defaults.codec;
      break;
    case v1::SHELL_CODEC_INT8:
      out.codec = ShellCodec::kInt8;
      break;
    case v1::SHELL_CODEC_F16:
      out.codec = ShellCodec::kF16;
      break;
    case v1::SHELL_CODEC_F32:
      out.codec = ShellCodec::kF32;
      break;
    default:
      return AtField("shell_codec", UnknownEnum(spec.shell_codec()));
  }
  switch (spec.exact_vectors()) {
    case v1::EXACT_VECTORS_UNSPECIFIED:
      out.exact_vectors = defaults.exact_vectors;
      break;
    case v1::EXACT_VECTORS_MEMORY:
      out.exact_vectors = ExactVectors::kMemory;
      break;
    case v1::EXACT_VECTORS_STORE:
      out.exact_vectors = ExactVectors::kStore;
      break;
    default:
      return AtField("exact_vectors", UnknownEnum(spec.exact_vectors()));
  }
  if (spec.has_graph()) {
    const v1::GraphSpec& graph = spec.graph();
    out.graph = {graph.dim(), graph.degree(), graph.ef_construction()};
  }
  out.no_lists = spec.no_lists();
  out.memory_dim = spec.memory_dim();
  for (const v1::CodeSpec& code : spec.codes()) out.codes.push_back(ToCodeSpec(code));
  out.list_attribute = spec.list_attribute();
  switch (spec.centroids()) {
    case v1::CENTROID_ORIGIN_UNSPECIFIED:
    case v1::CENTROID_ORIGIN_TRAINED:
      break;
    case v1::CENTROID_ORIGIN_IMPORTED:
      out.centroids = CentroidOrigin::kImported;
      break;
    default:
      return AtField("centroids", UnknownEnum(spec.centroids()));
  }
  return out;
}

absl::Status CheckMultiIndex(const v1::IndexSpec& spec) {
  if (spec.exact_vectors() != v1::EXACT_VECTORS_MEMORY) return absl::OkStatus();
  return FieldError("exact_vectors",
                    "MEMORY is for SINGLE collections: tokens as stored are read from the store");
}

void FromIndexSpec(const IndexSpec& spec, v1::IndexSpec* out) {
  out->set_coarse_dim(spec.coarse_dim);
  out->set_lists(spec.lists);
  out->mutable_shells()->Assign(spec.shells.begin(), spec.shells.end());
  // The enums are numbered alike.
  out->set_shell_codec(static_cast<v1::ShellCodec>(spec.codec));
  out->set_exact_vectors(static_cast<v1::ExactVectors>(spec.exact_vectors));
  if (spec.graph.has_value()) {
    out->mutable_graph()->set_dim(spec.graph->dim);
    out->mutable_graph()->set_degree(spec.graph->degree);
    out->mutable_graph()->set_ef_construction(spec.graph->ef_construction);
  }
  out->set_no_lists(spec.no_lists);
  out->set_memory_dim(spec.memory_dim);
  for (const OpqSpec& code : spec.codes) FromCodeSpec(code, out->add_codes());
  out->set_list_attribute(spec.list_attribute);
  // The enums are numbered alike.
  out->set_centroids(static_cast<v1::CentroidOrigin>(spec.centroids));
}

absl::StatusOr<CollectionSpec> ToCollectionSpec(const v1::CollectionSpec& spec) {
  CollectionSpec out;
  out.name = spec.name();
  out.schema.dim = spec.dim();
  out.schema.nesting.assign(spec.nesting().begin(), spec.nesting().end());
  if (out.schema.nesting.empty()) out.schema.nesting = {spec.dim()};
  const auto metric = ToMetric(spec.metric());
  if (!metric.ok()) return AtField("metric", metric.status());
  out.schema.metric = *metric;
  if (spec.dtype() != v1::DTYPE_UNSPECIFIED) {
    const auto dtype = ToDtype(spec.dtype());
    if (!dtype.ok()) return AtField("dtype", dtype.status());
    out.schema.dtype = *dtype;
  }
  const auto durability = ToDurability(spec.durability());
  if (!durability.ok()) return AtField("durability", durability.status());
  out.durability = *durability;
  const auto kind = ToIdKind(spec.id_kind());
  if (!kind.ok()) return AtField("id_kind", kind.status());
  out.id_kind = *kind;
  const auto index = ToIndexSpec(spec.index(), IndexSpec());
  if (!index.ok()) return AtField("index", index.status());
  out.index = *index;
  auto attributes = ToAttributeFields(spec);
  if (!attributes.ok()) return attributes.status();
  out.attributes = *std::move(attributes);
  out.memory_limit_bytes = spec.memory_limit_bytes();
  const auto multi = IsMulti(spec.kind());
  if (!multi.ok()) return AtField("kind", multi.status());
  if (*multi) {
    const absl::Status can_be = CheckMultiIndex(spec.index());
    if (!can_be.ok()) return AtField("index", can_be);
    const absl::Status set = SetMulti(spec.muvera(), &out);
    if (!set.ok()) return set;
  } else if (spec.has_muvera()) {
    return FieldError("muvera", "is of MULTI collections; the kind is SINGLE");
  }
  return out;
}

void FromCollectionSpec(const CollectionSpec& spec, v1::CollectionSpec* out) {
  out->set_name(spec.name);
  const VectorSchema& item = PointSchema(spec).item();
  out->set_dim(item.dim);
  out->mutable_nesting()->Assign(item.nesting.begin(), item.nesting.end());
  out->set_metric(FromMetric(item.metric));
  out->set_dtype(FromDtype(item.dtype));
  out->set_kind(spec.multi.has_value() ? v1::VECTOR_KIND_MULTI : v1::VECTOR_KIND_SINGLE);
  if (spec.multi.has_value()) FromMultiSchema(*spec.multi, spec.schema, out->mutable_muvera());
  // These two are numbered alike.
  out->set_durability(static_cast<v1::Durability>(spec.durability));
  out->set_id_kind(static_cast<v1::IdKind>(spec.id_kind));
  for (const AttributeField& attribute : spec.attributes) {
    (*out->mutable_attributes())[attribute.name] = FromAttributeType(attribute.type);
  }
  FromIndexSpec(spec.index, out->mutable_index());
  out->set_memory_limit_bytes(spec.memory_limit_bytes);
}

void FromCollectionInfo(const CollectionInfo& info, v1::Collection* out) {
  FromCollectionSpec(info.spec, out->mutable_spec());
  out->set_uid(info.uid);
  out->set_state(v1::Collection::STATE_READY);
  out->set_rows(info.points);
  out->set_seq(info.seq);
  out->set_created_micros(info.created_micros);
}

absl::StatusOr<CollectionUpdate> ToCollectionUpdate(const v1::CollectionSpec& wanted,
                                                    const CollectionSpec& present) {
  const VectorSchema& schema = PointSchema(present).item();
  const auto multi = IsMulti(wanted.kind());
  if (!multi.ok()) return AtField("kind", multi.status());
  if (wanted.kind() != v1::VECTOR_KIND_UNSPECIFIED && *multi != present.multi.has_value()) {
    return MayNotChange("kind", *multi ? "SINGLE" : "MULTI", *multi ? "MULTI" : "SINGLE");
  }
  if (wanted.has_muvera()) {
    if (!present.multi.has_value()) {
      return FieldError("muvera", "is of MULTI collections; the kind is SINGLE");
    }
    const absl::Status repeats = CheckRepeats(wanted.muvera(), *present.multi, present.schema);
    if (!repeats.ok()) return AtField("muvera", repeats);
  }
  if (wanted.dim() != 0 && wanted.dim() != schema.dim) {
    return MayNotChange("dim", absl::StrCat(schema.dim), absl::StrCat(wanted.dim()));
  }
  if (wanted.nesting_size() > 0 && !std::equal(wanted.nesting().begin(), wanted.nesting().end(),
                                               schema.nesting.begin(), schema.nesting.end())) {
    return MayNotChange("nesting", absl::StrJoin(schema.nesting, ","),
                        absl::StrJoin(wanted.nesting(), ","));
  }
  if (wanted.metric() != v1::METRIC_UNSPECIFIED) {
    const auto metric = ToMetric(wanted.metric());
    if (!metric.ok()) return AtField("metric", metric.status());
    if (*metric != schema.metric) {
      return MayNotChange("metric", Name(schema.metric), Name(*metric));
    }
  }
  if (wanted.dtype() != v1::DTYPE_UNSPECIFIED) {
    const auto dtype = ToDtype(wanted.dtype());
    if (!dtype.ok()) return AtField("dtype", dtype.status());
    if (*dtype != schema.dtype) {
      return MayNotChange("dtype", Name(schema.dtype), Name(*dtype));
    }
  }
  if (wanted.id_kind() != v1::ID_KIND_UNSPECIFIED) {
    const auto kind = ToIdKind(wanted.id_kind());
    if (!kind.ok()) return AtField("id_kind", kind.status());
    if (*kind != present.id_kind) {
      const bool numbers = present.id_kind == IdKind::kNum;
      return MayNotChange("id_kind", numbers ? "NUM" : "STR", numbers ? "STR" : "NUM");
    }
  }

  CollectionUpdate update;
  if (wanted.durability() != v1::DURABILITY_UNSPECIFIED) {
    const auto durability = ToDurability(wanted.durability());
    if (!durability.ok()) return AtField("durability", durability.status());
    update.durability = *durability;
  }
  if (wanted.has_index()) {
    if (present.multi.has_value()) {
      const absl::Status can_be = CheckMultiIndex(wanted.index());
      if (!can_be.ok()) return AtField("index", can_be);
    }
    IndexSpec defaults;
    defaults.exact_vectors = present.index.exact_vectors;
    const auto index = ToIndexSpec(wanted.index(), defaults);
    if (!index.ok()) return AtField("index", index.status());
    update.index = *index;
  }
  if (wanted.has_memory_limit_bytes()) update.memory_limit_bytes = wanted.memory_limit_bytes();
  const auto attributes = ToAttributeFields(wanted);
  if (!attributes.ok()) return attributes.status();
  for (const AttributeField& attribute : *attributes) {
    const auto known =
        std::find_if(present.attributes.begin(), present.attributes.end(),
                     [&](const AttributeField& have) { return have.name == attribute.name; });
    if (known == present.attributes.end()) {
      update.add_attributes.push_back(attribute);
    } else if (known->type != attribute.type) {
      return MayNotChange(absl::StrCat("attributes[\"", attribute.name, "\"]"),
                          v1::AttributeType_Name(FromAttributeType(known->type)),
                          v1::AttributeType_Name(FromAttributeType(attribute.type)));
    }
  }
  return update;
}

}  // namespace nestor
