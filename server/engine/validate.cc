#include "server/engine/validate.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/storage/records.h"

namespace nestor {
namespace {

// Vectors are stored as they are sent, little-endian, and read as they lie.
static_assert(std::endian::native == std::endian::little);

absl::string_view TypeName(AttributeType type) {
  switch (type) {
    case AttributeType::kString:
      return "string";
    case AttributeType::kInt64:
      return "int64";
    case AttributeType::kDouble:
      return "double";
    case AttributeType::kBool:
      return "bool";
    case AttributeType::kStringList:
      return "string_list";
    case AttributeType::kTimestamp:
      return "timestamp";
  }
  return "unknown";
}

bool ByName(const AttributeField& a, const AttributeField& b) { return a.name < b.name; }

const AttributeField* FindField(const std::vector<AttributeField>& fields, absl::string_view name) {
  const auto it = std::lower_bound(
      fields.begin(), fields.end(), name,
      [](const AttributeField& field, absl::string_view wanted) { return field.name < wanted; });
  return it != fields.end() && it->name == name ? &*it : nullptr;
}

absl::Status ValidateField(const AttributeField& field) {
  if (absl::Status status = ValidateName("attribute", field.name); !status.ok()) return status;
  if (field.type < AttributeType::kString || field.type > AttributeType::kTimestamp) {
    return absl::InvalidArgumentError(absl::StrCat("attribute \"", field.name, "\" has no type"));
  }
  return absl::OkStatus();
}

// The schema must be that of the FDEs, which FdeSchema makes of some prefixes.
absl::Status ValidateMulti(const CollectionSpec& spec) {
  const FdeSpec& fde = spec.multi->fde;
  if (absl::Status status = ValidateMultiSpec(*spec.multi); !status.ok()) return status;
  if (absl::Status status = ValidateSchema(spec.schema, kMaxFdeDims); !status.ok()) return status;
  std::vector<uint32_t> prefixes;
  for (const uint32_t dims : spec.schema.nesting) {
    prefixes.push_back(dims / fde.group_dims() * fde.group_repetitions());
  }
  const absl::StatusOr<VectorSchema> expected = FdeSchema(fde, prefixes);
  if (!expected.ok()) return expected.status();
  if (*expected == spec.schema) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the schema is not that of FDEs of ", fde.repetitions, " repetitions"));
}

absl::Status WrongDim(size_t values, uint32_t dim) {
  return absl::InvalidArgumentError(
      absl::StrCat("vector has ", values, " values, the collection's dim is ", dim));
}

}  // namespace

absl::Status ValidateName(absl::string_view what, absl::string_view name) {
  const bool characters = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
  });
  if (!name.empty() && name.size() <= kMaxNameBytes && characters && name.front() != '.') {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      what, " name \"", absl::CHexEscape(name.substr(0, kMaxNameBytes)), "\" (", name.size(),
      " bytes) is not 1..", kMaxNameBytes, " of [A-Za-z0-9_.-] that do not start with a dot"));
}

absl::Status NormalizeFields(std::vector<AttributeField>* fields) {
  if (fields->size() > kMaxAttributeFields) {
    return absl::InvalidArgumentError(
        absl::StrCat(fields->size(), " attributes, limit ", kMaxAttributeFields));
  }
  for (const AttributeField& field : *fields) {
    if (absl::Status status = ValidateField(field); !status.ok()) return status;
  }
  std::sort(fields->begin(), fields->end(), ByName);
  for (size_t i = 1; i < fields->size(); ++i) {
    if ((*fields)[i].name == (*fields)[i - 1].name) {
      return absl::InvalidArgumentError(
          absl::StrCat("attribute \"", (*fields)[i].name, "\" is declared twice"));
    }
  }
  return absl::OkStatus();
}

absl::Status AddFields(const std::vector<AttributeField>& added,
                       std::vector<AttributeField>* fields) {
  std::vector<AttributeField> joined = *fields;
  for (const AttributeField& field : added) {
    const AttributeField* known = FindField(*fields, field.name);
    if (known == nullptr) {
      joined.push_back(field);
    } else if (known->type != field.type) {
      return absl::InvalidArgumentError(absl::StrCat("attribute \"", field.name, "\" is ",
                                                     TypeName(known->type), " and cannot become ",
                                                     TypeName(field.type)));
    }
  }
  if (absl::Status status = NormalizeFields(&joined); !status.ok()) return status;
  *fields = std::move(joined);
  return absl::OkStatus();
}

absl::Status NormalizeCollectionSpec(CollectionSpec* spec) {
  if (spec->multi.has_value()) spec->index.exact_vectors = ExactVectors::kStore;
  return NormalizeFields(&spec->attributes);
}

absl::Status ValidateIndexSpec(const IndexSpec& index, const CollectionSpec& spec) {
  if (absl::Status status = ValidateSpec(index, spec.schema); !status.ok()) return status;
  if (index.list_attribute.empty()) return absl::OkStatus();
  const std::string name = absl::CHexEscape(index.list_attribute.substr(0, kMaxNameBytes));
  const AttributeField* field = FindField(spec.attributes, index.list_attribute);
  if (field == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("list_attribute \"", name,
                                                   "\" is none of the collection's ",
                                                   spec.attributes.size(), " attributes"));
  }
  if (field->type != AttributeType::kInt64) {
    return absl::InvalidArgumentError(absl::StrCat("list_attribute \"", name, "\" is ",
                                                   TypeName(field->type), ", it must be int64"));
  }
  return absl::OkStatus();
}

absl::Status KeepCentroids(const IndexSpec& built, IndexSpec* spec) {
  if (spec->centroids != CentroidOrigin::kImported) return absl::OkStatus();
  if (built.centroids == CentroidOrigin::kImported) {
    if (spec->lists == 0) spec->lists = built.lists;
    if (spec->coarse_dim == 0) spec->coarse_dim = built.coarse_dim;
  }
  return CheckKeptCentroids(built, *spec);
}

absl::Status CheckKeptCentroids(const IndexSpec& built, const IndexSpec& spec) {
  if (built.centroids != CentroidOrigin::kImported) {
    return absl::FailedPreconditionError(
        "the index spec keeps imported centroids, and the present index has none; give them to a "
        "build, or a spec without them");
  }
  if (spec.lists == built.lists && spec.coarse_dim == built.coarse_dim) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the index spec keeps imported centroids, but has ", spec.lists, " lists and coarse_dim ",
      spec.coarse_dim, "; there are ", built.lists, " of ", built.coarse_dim, " dims"));
}

absl::Status CheckListValue(const IndexSpec& index, int64_t value) {
  if (value >= 0 && value < int64_t{index.lists}) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the list_attribute \"", index.list_attribute,
                                                 "\" is ", value, ", the lists are 0..",
                                                 int64_t{index.lists} - 1));
}

absl::Status CheckListAttribute(const IndexSpec& index, const Attributes& attributes) {
  if (index.list_attribute.empty()) return absl::OkStatus();
  for (const Attribute& attribute : attributes) {
    if (attribute.name != index.list_attribute) continue;
    return CheckListValue(index, std::get<int64_t>(attribute.value));
  }
  return absl::OkStatus();
}

absl::Status CheckNamedLists(const IndexSpec& built, std::span<const uint32_t> lists) {
  if (!built.own_lists()) {
    return absl::FailedPreconditionError(
        "lists are named, but the index was built neither with a list_attribute nor of imported "
        "centroids: its lists are the server's, and each build numbers them anew");
  }
  if (lists.empty() || lists.size() > kMaxProbes) {
    return absl::InvalidArgumentError(
        absl::StrCat(lists.size(), " lists are named, limit 1..", kMaxProbes));
  }
  for (size_t i = 0; i < lists.size(); ++i) {
    if (lists[i] < built.lists) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "list ", lists[i], " at position ", i, " of those named is not in 0..", built.lists - 1));
  }
  return absl::OkStatus();
}

absl::Status ValidateCollectionSpec(const CollectionSpec& spec) {
  if (absl::Status status = ValidateName("collection", spec.name); !status.ok()) return status;
  if (spec.multi.has_value()) {
    if (absl::Status status = ValidateMulti(spec); !status.ok()) return status;
  } else if (absl::Status status = ValidateSchema(spec.schema); !status.ok()) {
    return status;
  }
  if (absl::Status status = ValidateIndexSpec(spec.index, spec); !status.ok()) return status;
  if (spec.id_kind != IdKind::kNum && spec.id_kind != IdKind::kStr) {
    return absl::InvalidArgumentError("id kind is neither num nor str");
  }
  if (spec.durability != Durability::kSync && spec.durability != Durability::kAsync) {
    return absl::InvalidArgumentError("durability is neither sync nor async");
  }
  if (spec.memory_limit_bytes > kMaxCollectionMemory) {
    return absl::InvalidArgumentError(absl::StrCat(
        "memory_limit_bytes is ", spec.memory_limit_bytes, ", limit ", kMaxCollectionMemory));
  }
  return absl::OkStatus();
}

std::string FormatId(const PointId& id) {
  if (const uint64_t* num = std::get_if<uint64_t>(&id)) return absl::StrCat(*num);
  const std::string& str = std::get<std::string>(id);
  return absl::StrCat("\"", absl::CHexEscape(absl::string_view(str).substr(0, kMaxStringIdBytes)),
                      "\"");
}

absl::Status ValidateId(IdKind kind, const PointId& id) {
  const bool is_num = std::holds_alternative<uint64_t>(id);
  if (is_num != (kind == IdKind::kNum)) {
    return absl::InvalidArgumentError(
        absl::StrCat("id ", FormatId(id), " is a ", is_num ? "number" : "string",
                     ", the collection's ids are ", is_num ? "strings" : "numbers"));
  }
  if (is_num) return absl::OkStatus();
  const size_t size = std::get<std::string>(id).size();
  if (size == 0 || size > kMaxStringIdBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("id of ", size, " bytes, limit 1..", kMaxStringIdBytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> EncodeCheckedAttributes(const std::vector<AttributeField>& fields,
                                                    Attributes attributes) {
  std::sort(attributes.begin(), attributes.end(),
            [](const Attribute& a, const Attribute& b) { return a.name < b.name; });
  for (size_t i = 0; i < attributes.size(); ++i) {
    const Attribute& attribute = attributes[i];
    const AttributeField* field = FindField(fields, attribute.name);
    if (field == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown attribute \"", absl::CHexEscape(attribute.name),
                       "\"; the collection declares ", fields.size()));
    }
    if (field->type != TypeOf(attribute.value)) {
      return absl::InvalidArgumentError(absl::StrCat("attribute \"", attribute.name, "\" is ",
                                                     TypeName(TypeOf(attribute.value)),
                                                     ", declared as ", TypeName(field->type)));
    }
    if (i > 0 && attributes[i - 1].name == attribute.name) {
      return absl::InvalidArgumentError(
          absl::StrCat("attribute \"", attribute.name, "\" is given twice"));
    }
    const double* number = std::get_if<double>(&attribute.value);
    if (number != nullptr && !std::isfinite(*number)) {
      return absl::InvalidArgumentError(
          absl::StrCat("attribute \"", attribute.name, "\" is ", *number, ", not a finite number"));
    }
  }
  std::string encoded = EncodeAttributes(attributes);
  if (encoded.size() > kMaxAttributeBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("attributes take ", encoded.size(), " bytes, limit ", kMaxAttributeBytes));
  }
  return encoded;
}

absl::StatusOr<absl::string_view> EncodeCheckedVector(const VectorSchema& schema,
                                                      const VectorInput& input, float* floats,
                                                      std::byte* out) {
  const float* values = floats;
  if (const auto* given = std::get_if<std::span<const float>>(&input)) {
    if (given->size() != schema.dim) return WrongDim(given->size(), schema.dim);
    values = given->data();
  } else if (std::holds_alternative<PackedTokens>(input)) {
    return absl::InvalidArgumentError("tokens, for a collection of vectors (kind SINGLE)");
  } else {
    const PackedVector& packed = std::get<PackedVector>(input);
    const size_t value_bytes = DtypeBytes(packed.dtype);
    if (packed.bytes.size() != schema.dim * value_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("vector has ", packed.bytes.size(), " bytes, dim ", schema.dim, " of ",
                       Name(packed.dtype), " takes ", schema.dim * value_bytes));
    }
    if (packed.dtype == Dtype::kI8 && schema.dtype != Dtype::kI8) {
      return absl::InvalidArgumentError(
          absl::StrCat("vector of i8 for a collection of ", Name(schema.dtype)));
    }
    DecodeVector(packed.dtype, reinterpret_cast<const std::byte*>(packed.bytes.data()), schema.dim,
                 floats);
  }
  if (absl::Status status = ValidateVector(schema, values, "vector"); !status.ok()) return status;
  if (const auto* packed = std::get_if<PackedVector>(&input);
      packed != nullptr && packed->dtype == schema.dtype) {
    return packed->bytes;
  }
  if (absl::Status status = EncodeVector(schema.dtype, values, schema.dim, out); !status.ok()) {
    return absl::InvalidArgumentError(status.message());
  }
  // Rounding may push a norm over or under a limit that the floats kept.
  DecodeVector(schema.dtype, out, schema.dim, floats);
  if (absl::Status status = ValidateVector(schema, floats, "vector"); !status.ok()) return status;
  return absl::string_view(reinterpret_cast<const char*>(out),
                           schema.dim * DtypeBytes(schema.dtype));
}

}  // namespace nestor
