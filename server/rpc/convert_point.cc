#include "server/rpc/convert_point.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/convert_multi.h"
#include "server/rpc/convert_schema.h"
#include "server/rpc/status.h"
#include "server/rpc/unknown_fields.h"

namespace nestor {

absl::StatusOr<PointId> ToPointId(const v1::PointId& id) {
  switch (id.id_case()) {
    case v1::PointId::kNum:
      return PointId(id.num());
    case v1::PointId::kStr:
      if (id.str().empty() || id.str().size() > kMaxStringIdBytes) {
        return FieldError("", absl::StrCat("a string id of ", id.str().size(),
                                           " bytes is not in 1..", kMaxStringIdBytes));
      }
      return PointId(id.str());
    case v1::PointId::ID_NOT_SET:
      break;
  }
  return FieldError("", "num or str must be set");
}

void FromPointId(const PointId& id, v1::PointId* out) {
  if (const auto* num = std::get_if<uint64_t>(&id)) {
    out->set_num(*num);
  } else {
    out->set_str(std::get<std::string>(id));
  }
}

absl::StatusOr<VectorInput> ToVectorInput(const v1::Vector& vector, const PointSchema& points) {
  if (points.multi()) {
    if (!vector.has_multi()) {
      return FieldError("", "multi must be set: the collection is MULTI, of token matrices");
    }
    const absl::StatusOr<PackedTokens> tokens = ToPackedTokens(vector.multi(), *points.tokens);
    if (!tokens.ok()) return AtField("multi", tokens.status());
    return VectorInput(*tokens);
  }
  const VectorSchema& schema = points.indexed;
  switch (vector.data_case()) {
    case v1::Vector::kFloats: {
      const auto& values = vector.floats().values();
      if (static_cast<uint32_t>(values.size()) != schema.dim) {
        return FieldError("", absl::StrCat("has ", values.size(),
                                           " values, the collection's dim is ", schema.dim));
      }
      return VectorInput(std::span<const float>(values.data(), values.size()));
    }
    case v1::Vector::kPacked: {
      const auto dtype = ToDtype(vector.packed().dtype());
      if (!dtype.ok()) return AtField("packed.dtype", dtype.status());
      if (*dtype == Dtype::kI8 && schema.dtype != Dtype::kI8) {
        return FieldError(
            "packed.dtype",
            absl::StrCat("INT8 values go into INT8 collections only; this one has dtype ",
                         Name(schema.dtype)));
      }
      const std::string& data = vector.packed().data();
      const size_t wanted = schema.dim * DtypeBytes(*dtype);
      if (data.size() != wanted) {
        return FieldError("packed.data",
                          absl::StrCat("has ", data.size(), " bytes, dim ", schema.dim, " of ",
                                       Name(*dtype), " takes ", wanted));
      }
      return VectorInput(PackedVector{*dtype, data});
    }
    case v1::Vector::kMulti:
      return FieldError(
          "multi", "floats or packed must be set instead: the collection is SINGLE, of vectors");
    case v1::Vector::DATA_NOT_SET:
      break;
  }
  return FieldError("", "floats or packed must be set");
}

void FromStoredVector(const PointSchema& schema, std::string&& bytes, v1::Vector* out) {
  if (schema.multi()) {
    return FromStoredTokens(schema.item(), std::move(bytes), out->mutable_multi());
  }
  v1::Packed* packed = out->mutable_packed();
  packed->set_dtype(FromDtype(schema.item().dtype));
  packed->set_data(std::move(bytes));
}

absl::Status CheckString(absl::string_view value) {
  if (value.size() <= kMaxAttributeValueBytes) return absl::OkStatus();
  return FieldError(
      "", absl::StrCat("has ", value.size(), " bytes, the limit is ", kMaxAttributeValueBytes));
}

absl::Status CheckDouble(double value) {
  if (std::isfinite(value)) return absl::OkStatus();
  return FieldError("", absl::StrCat(value, " is not a finite number"));
}

absl::Status CheckStringList(const v1::StringList& list) {
  if (static_cast<size_t>(list.values_size()) > kMaxListValues) {
    return FieldError(
        "", absl::StrCat("has ", list.values_size(), " strings, the limit is ", kMaxListValues));
  }
  size_t bytes = 0;
  for (const std::string& value : list.values()) bytes += value.size();
  if (bytes <= kMaxAttributeValueBytes) return absl::OkStatus();
  return FieldError(
      "", absl::StrCat("has ", bytes, " bytes of strings, the limit is ", kMaxAttributeValueBytes));
}

absl::StatusOr<AttributeValue> ToAttributeValue(const v1::AttributeValue& value) {
  if (!IsKnown(value)) return FieldError("", "has a field that this version does not support");
  absl::Status checked;
  switch (value.value_case()) {
    case v1::AttributeValue::kStringValue:
      checked = CheckString(value.string_value());
      if (!checked.ok()) return checked;
      return AttributeValue(value.string_value());
    case v1::AttributeValue::kInt64Value:
      return AttributeValue(value.int64_value());
    case v1::AttributeValue::kDoubleValue:
      checked = CheckDouble(value.double_value());
      if (!checked.ok()) return checked;
      return AttributeValue(value.double_value());
    case v1::AttributeValue::kBoolValue:
      return AttributeValue(value.bool_value());
    case v1::AttributeValue::kStringListValue: {
      const v1::StringList& list = value.string_list_value();
      if (!IsKnown(list)) return FieldError("", "has a field that this version does not support");
      checked = CheckStringList(list);
      if (!checked.ok()) return checked;
      return AttributeValue(std::vector<std::string>(list.values().begin(), list.values().end()));
    }
    case v1::AttributeValue::kTimestampMicros:
      return AttributeValue(Timestamp{value.timestamp_micros()});
    case v1::AttributeValue::VALUE_NOT_SET:
      break;
  }
  return FieldError("", "a value must be set; leave a null attribute out");
}

void FromAttributeValue(AttributeValue&& value, v1::AttributeValue* out) {
  switch (TypeOf(value)) {
    case AttributeType::kString:
      out->set_string_value(std::move(std::get<std::string>(value)));
      return;
    case AttributeType::kInt64:
      out->set_int64_value(std::get<int64_t>(value));
      return;
    case AttributeType::kDouble:
      out->set_double_value(std::get<double>(value));
      return;
    case AttributeType::kBool:
      out->set_bool_value(std::get<bool>(value));
      return;
    case AttributeType::kStringList:
      out->mutable_string_list_value();
      for (std::string& text : std::get<std::vector<std::string>>(value)) {
        out->mutable_string_list_value()->add_values(std::move(text));
      }
      return;
    case AttributeType::kTimestamp:
      out->set_timestamp_micros(std::get<Timestamp>(value).micros);
      return;
  }
}

absl::StatusOr<PointInput> ToPointInput(const v1::Point& point, const PointSchema& schema) {
  PointInput input;
  auto id = ToPointId(point.id());
  if (!id.ok()) return AtField("id", id.status());
  input.id = *std::move(id);
  const auto vector = ToVectorInput(point.vector(), schema);
  if (!vector.ok()) return AtField("vector", vector.status());
  input.vector = *vector;
  input.attributes.reserve(point.attributes_size());
  for (const auto& [name, value] : point.attributes()) {
    auto converted = ToAttributeValue(value);
    if (!converted.ok()) {
      return AtField(absl::StrCat("attributes[\"", name, "\"]"), converted.status());
    }
    input.attributes.push_back({name, *std::move(converted)});
  }
  if (point.seq() != 0) {
    return FieldError("seq", absl::StrCat(point.seq(), " is not 0: the server sets it"));
  }
  return input;
}

absl::StatusOr<AttributeChoice> AttributeChoice::Make(const v1::Output& output,
                                                      const std::vector<AttributeField>& declared) {
  AttributeChoice choice;
  if (output.attributes_size() == 1 && output.attributes(0) == "*") {
    choice.all_ = true;
    return choice;
  }
  for (int i = 0; i < output.attributes_size(); ++i) {
    const std::string& name = output.attributes(i);
    const bool known = std::any_of(declared.begin(), declared.end(),
                                   [&](const AttributeField& have) { return have.name == name; });
    if (!known) {
      return FieldError(absl::StrCat("attributes[", i, "]"),
                        absl::StrCat("the collection declares no attribute \"", name, "\""));
    }
    choice.names_.push_back(name);
  }
  return choice;
}

bool AttributeChoice::Wants(absl::string_view name) const {
  return all_ || std::find(names_.begin(), names_.end(), name) != names_.end();
}

void FromPoint(Point&& point, const PointSchema& schema, const PointOutput& output,
               const AttributeChoice& choice, v1::Point* out) {
  FromPointId(point.id, out->mutable_id());
  if (output.vector) FromStoredVector(schema, std::move(point.vector), out->mutable_vector());
  for (Attribute& attribute : point.attributes) {
    if (!choice.Wants(attribute.name)) continue;
    FromAttributeValue(std::move(attribute.value), &(*out->mutable_attributes())[attribute.name]);
  }
  out->set_seq(point.seq);
}

}  // namespace nestor
