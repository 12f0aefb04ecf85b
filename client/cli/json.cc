#include "client/cli/json.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/names.h"
#include "client/cli/plan_message.h"
#include "client/cli/text.h"
#include "client/files/timestamp.h"
#include "index/half.h"

namespace nestor {
namespace {

// The double whose shortest text is that of the float: 0.1 rather than 0.10000000149011612.
double Shortest(float value) {
  double shortest = 0;
  return absl::SimpleAtod(FormatFloat(value), &shortest) ? shortest : double{value};
}

Json ToJson(const v1::AttributeValue& value) {
  switch (value.value_case()) {
    case v1::AttributeValue::kStringValue:
      return value.string_value();
    case v1::AttributeValue::kInt64Value:
      return value.int64_value();
    case v1::AttributeValue::kDoubleValue:
      return value.double_value();
    case v1::AttributeValue::kBoolValue:
      return value.bool_value();
    case v1::AttributeValue::kStringListValue:
      return std::vector<std::string>(value.string_list_value().values().begin(),
                                      value.string_list_value().values().end());
    case v1::AttributeValue::kTimestampMicros:
      return FormatTimestamp(value.timestamp_micros());
    case v1::AttributeValue::VALUE_NOT_SET:
      break;
  }
  return nullptr;
}

Json ToJson(std::span<const float> values) {
  Json array = Json::array();
  for (const float value : values) array.push_back(Shortest(value));
  return array;
}

absl::Status AddVector(const v1::Vector& vector, Json* json) {
  const absl::StatusOr<std::vector<float>> values = VectorValues(vector);
  if (!values.ok()) return values.status();
  if (!vector.has_multi()) {
    (*json)["vector"] = ToJson(*values);
    return absl::OkStatus();
  }
  Json tokens = Json::array();
  for (const std::span<const float> token : TokensOf(vector, *values)) {
    tokens.push_back(ToJson(token));
  }
  (*json)["tokens"] = std::move(tokens);
  return absl::OkStatus();
}

Json ToJson(const v1::TokenMatches& matches) {
  Json array = Json::array();
  for (int i = 0; i < std::min(matches.tokens_size(), matches.scores_size()); ++i) {
    Json one;
    one["token"] = matches.tokens(i);
    one["score"] = Shortest(matches.scores(i));
    array.push_back(std::move(one));
  }
  return array;
}

template <typename Word>
void Widen(const std::string& data, float (*widen)(Word), std::vector<float>* values) {
  values->resize(data.size() / sizeof(Word));
  for (size_t i = 0; i < values->size(); ++i) {
    Word word;
    std::memcpy(&word, data.data() + i * sizeof(Word), sizeof(Word));
    (*values)[i] = widen(word);
  }
}

}  // namespace

std::string ToLine(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json ToJson(const v1::PointId& id) {
  if (id.id_case() == v1::PointId::kStr) return id.str();
  return id.num();
}

Json ToJson(const google::protobuf::Map<std::string, v1::AttributeValue>& attributes) {
  std::map<std::string, Json> sorted;
  for (const auto& [name, value] : attributes) sorted[name] = ToJson(value);
  return Json(sorted);
}

absl::StatusOr<Json> ToJson(const v1::Point& point) {
  Json json;
  json["id"] = ToJson(point.id());
  json["seq"] = point.seq();
  if (!point.attributes().empty()) json["attributes"] = ToJson(point.attributes());
  if (point.has_vector()) {
    if (absl::Status status = AddVector(point.vector(), &json); !status.ok()) return status;
  }
  return json;
}

absl::StatusOr<Json> ToJson(const v1::SearchResponse& response) {
  Json json;
  json["hits"] = Json::array();
  for (const v1::Hit& hit : response.hits()) {
    Json one;
    one["id"] = ToJson(hit.id());
    one["score"] = Shortest(hit.score());
    one["seq"] = hit.seq();
    if (!hit.attributes().empty()) one["attributes"] = ToJson(hit.attributes());
    if (hit.has_vector()) {
      if (absl::Status status = AddVector(hit.vector(), &one); !status.ok()) return status;
    }
    if (hit.has_matches()) one["matches"] = ToJson(hit.matches());
    json["hits"].push_back(std::move(one));
  }
  json["score_dim"] = response.score_dim();
  json["unbuilt"] = response.unbuilt();
  json["plan"] = response.has_plan_used() ? Json(ToText(response.plan_used())) : Json(nullptr);
  json["stages"] = Json::array();
  for (const v1::Stage& stage : response.stages()) {
    Json one;
    one["name"] = stage.name();
    one["in"] = stage.in();
    one["out"] = stage.out();
    one["bytes"] = stage.bytes();
    one["multiply_adds"] = stage.multiply_adds();
    one["micros"] = stage.micros();
    one["store_reads"] = stage.store_reads();
    json["stages"].push_back(std::move(one));
  }
  json["seq"] = response.seq();
  return json;
}

absl::StatusOr<std::vector<float>> VectorValues(const v1::Vector& vector) {
  std::vector<float> values;
  if (vector.has_floats()) {
    values.assign(vector.floats().values().begin(), vector.floats().values().end());
    return values;
  }
  const v1::Packed& packed = vector.has_multi() ? vector.multi().tokens() : vector.packed();
  const std::string& data = packed.data();
  size_t size = 0;
  switch (packed.dtype()) {
    case v1::DTYPE_F32:
      size = 4;
      Widen<float>(
          data, [](float value) { return value; }, &values);
      break;
    case v1::DTYPE_F16:
      size = 2;
      Widen<uint16_t>(data, HalfToFloat, &values);
      break;
    case v1::DTYPE_BF16:
      size = 2;
      Widen<uint16_t>(data, Bf16ToFloat, &values);
      break;
    case v1::DTYPE_INT8:
      size = 1;
      Widen<int8_t>(
          data, [](int8_t value) { return static_cast<float>(value); }, &values);
      break;
    default:
      break;
  }
  if (size == 0 || data.size() % size != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("read vector: ", data.size(), " bytes of dtype ", ToName(packed.dtype())));
  }
  if (vector.has_multi() &&
      (vector.multi().count() == 0 || values.size() % vector.multi().count() != 0)) {
    return absl::InvalidArgumentError(absl::StrCat("read tokens: ", vector.multi().count(),
                                                   " tokens of ", values.size(), " values"));
  }
  return values;
}

std::vector<std::span<const float>> TokensOf(const v1::Vector& vector,
                                             std::span<const float> values) {
  std::vector<std::span<const float>> tokens;
  const size_t dim = values.size() / vector.multi().count();
  for (uint32_t i = 0; i < vector.multi().count(); ++i) {
    tokens.push_back(values.subspan(i * dim, dim));
  }
  return tokens;
}

}  // namespace nestor
