#include "client/files/jsonl.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "client/files/printable.h"
#include "client/files/timestamp.h"

namespace nestor {
namespace {

using Json = nlohmann::json;

// What stands there, short enough for an error message.
std::string Found(const Json& value) {
  if (value.is_structured()) return absl::StrCat("an ", value.type_name());
  return Printable(value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace));
}

absl::Status Expected(absl::string_view what, absl::string_view expected, const Json& found) {
  return absl::InvalidArgumentError(
      absl::StrCat(what, ": expected ", expected, ", found ", Found(found)));
}

absl::StatusOr<Json> ParseObject(const std::string& line) {
  if (line.empty())
    return absl::InvalidArgumentError("expected a JSON object, found an empty line");
  try {
    Json object = Json::parse(line);
    if (object.is_object()) return object;
    return absl::InvalidArgumentError(
        absl::StrCat("expected a JSON object, found ", Found(object)));
  } catch (const Json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    absl::string_view what = error.what();
    if (const size_t at = what.find("] "); at != absl::string_view::npos)
      what.remove_prefix(at + 2);
    return absl::InvalidArgumentError(absl::StrCat("not JSON: ", Printable(what, 256)));
  }
}

std::optional<int64_t> AsInt64(const Json& value) {
  if (value.is_number_unsigned()) {
    const uint64_t number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  return std::nullopt;
}

absl::StatusOr<JsonlValue> ParseValue(const std::string& name, JsonlType type, const Json& value) {
  const std::string what = absl::StrCat("attribute ", name);
  switch (type) {
    case JsonlType::kString:
      if (value.is_string()) return value.get<std::string>();
      return Expected(what, "a string", value);
    case JsonlType::kInt64:
      if (const std::optional<int64_t> number = AsInt64(value)) return *number;
      return Expected(what, "an integer of 64 bits", value);
    case JsonlType::kDouble:
      if (value.is_number()) return value.get<double>();
      return Expected(what, "a number", value);
    case JsonlType::kBool:
      if (value.is_boolean()) return value.get<bool>();
      return Expected(what, "true or false", value);
    case JsonlType::kStringList: {
      if (!value.is_array()) return Expected(what, "a list of strings", value);
      std::vector<std::string> list;
      list.reserve(value.size());
      for (const Json& item : value) {
        if (!item.is_string()) {
          return Expected(absl::StrCat(what, ", item ", list.size()), "a string", item);
        }
        list.push_back(item.get<std::string>());
      }
      return list;
    }
    case JsonlType::kTimestamp: {
      if (!value.is_string()) return Expected(what, "an RFC 3339 time as a string", value);
      const absl::StatusOr<int64_t> micros = ParseTimestamp(value.get<std::string>());
      if (micros.ok()) return JsonlTimestamp{*micros};
      return absl::InvalidArgumentError(absl::StrCat(what, ": ", micros.status().message()));
    }
  }
  return absl::InternalError("unreachable attribute type");
}

absl::Status ParseAttributes(const JsonlSchema& schema, const Json& object, JsonlAttributes* out) {
  out->clear();
  for (const auto& [name, value] : object.items()) {
    const auto type = schema.find(name);
    if (type == schema.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("attribute '", Printable(name), "' is not in the schema"));
    }
    if (value.is_null()) continue;
    absl::StatusOr<JsonlValue> parsed = ParseValue(name, type->second, value);
    if (!parsed.ok()) return parsed.status();
    out->emplace(name, *std::move(parsed));
  }
  return absl::OkStatus();
}

absl::Status ParseId(const Json& value, std::optional<PointId>* out) {
  if (value.is_number_unsigned()) {
    *out = value.get<uint64_t>();
    return absl::OkStatus();
  }
  if (!value.is_string()) {
    return Expected("id", "an integer of 0..18446744073709551615 or a string", value);
  }
  std::string text = value.get<std::string>();
  if (text.empty() || text.size() > kMaxStringIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "id: expected a string of 1..", kMaxStringIdBytes, " bytes, found ", text.size()));
  }
  *out = std::move(text);
  return absl::OkStatus();
}

absl::Status ParseVector(const Json& value, std::vector<float>* out) {
  out->clear();
  if (!value.is_array() || value.empty()) {
    return Expected("vector", "a list of at least one number", value);
  }
  out->reserve(value.size());
  for (const Json& item : value) {
    const float number = item.is_number() ? static_cast<float>(item.get<double>()) : NAN;
    if (!std::isfinite(number)) {
      return Expected(absl::StrCat("vector, value ", out->size()),
                      "a number within a float's range", item);
    }
    out->push_back(number);
  }
  return absl::OkStatus();
}

absl::Status ParsePoint(const JsonlSchema& schema, const std::string& line, JsonlPoint* point) {
  *point = JsonlPoint();
  const absl::StatusOr<Json> object = ParseObject(line);
  if (!object.ok()) return object.status();
  for (const auto& [key, value] : object->items()) {
    absl::Status status;
    if (key == "id") {
      status = ParseId(value, &point->id);
    } else if (key == "vector") {
      status = ParseVector(value, &point->vector);
    } else if (key == "attributes") {
      status = value.is_object() ? ParseAttributes(schema, value, &point->attributes)
                                 : Expected("attributes", "an object", value);
    } else {
      status = absl::InvalidArgumentError(
          absl::StrCat("unknown key '", Printable(key), "'; known are id, vector, attributes"));
    }
    if (!status.ok()) return status;
  }
  if (point->vector.empty()) return absl::InvalidArgumentError("vector is missing");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<JsonlPointReader> JsonlPointReader::Open(const std::string& path,
                                                        JsonlSchema schema) {
  absl::StatusOr<LineReader> lines = LineReader::Open(path);
  if (!lines.ok()) return lines.status();
  return JsonlPointReader(*std::move(lines), std::move(schema));
}

absl::StatusOr<bool> JsonlPointReader::Next(JsonlPoint* point) {
  const absl::StatusOr<bool> more = lines_.Next(&line_);
  if (!more.ok() || !*more) return more;
  const absl::Status status = ParsePoint(schema_, line_, point);
  if (!status.ok()) return lines_.Error(status.message());
  return true;
}

absl::StatusOr<JsonlAttributesReader> JsonlAttributesReader::Open(const std::string& path,
                                                                  JsonlSchema schema) {
  absl::StatusOr<LineReader> lines = LineReader::Open(path);
  if (!lines.ok()) return lines.status();
  return JsonlAttributesReader(*std::move(lines), std::move(schema));
}

absl::StatusOr<bool> JsonlAttributesReader::Next(JsonlAttributes* attributes) {
  const absl::StatusOr<bool> more = lines_.Next(&line_);
  if (!more.ok() || !*more) return more;
  const absl::StatusOr<Json> object = ParseObject(line_);
  if (!object.ok()) return lines_.Error(object.status().message());
  const absl::Status status = ParseAttributes(schema_, *object, attributes);
  if (!status.ok()) return lines_.Error(status.message());
  return true;
}

}  // namespace nestor
