#include "client/cli/columns.h"

#include <utility>
#include <variant>
#include <vector>

namespace nestor {
namespace {

// Appends a value; the variant's type is the attribute's.
struct Append {
  v1::AttributeColumn* column;

  size_t operator()(const std::string& value) const {
    column->mutable_strings()->add_values(value);
    return value.size();
  }
  size_t operator()(int64_t value) const {
    column->mutable_int64s()->add_values(value);
    return 10;
  }
  size_t operator()(double value) const {
    column->mutable_doubles()->add_values(value);
    return 8;
  }
  size_t operator()(bool value) const {
    column->mutable_bools()->add_values(value);
    return 1;
  }
  size_t operator()(const std::vector<std::string>& value) const {
    v1::StringList* list = column->mutable_string_lists()->add_values();
    size_t bytes = 0;
    for (const std::string& one : value) {
      list->add_values(one);
      bytes += one.size() + 2;
    }
    return bytes;
  }
  size_t operator()(JsonlTimestamp value) const {
    column->mutable_timestamps()->add_micros(value.micros);
    return 10;
  }
};

// The value that stands in the place of a null.
JsonlValue Placeholder(JsonlType type) {
  switch (type) {
    case JsonlType::kString:
      return std::string();
    case JsonlType::kInt64:
      return int64_t{0};
    case JsonlType::kDouble:
      return 0.0;
    case JsonlType::kBool:
      return false;
    case JsonlType::kStringList:
      return std::vector<std::string>();
    case JsonlType::kTimestamp:
      return JsonlTimestamp{};
  }
  return std::string();
}

}  // namespace

JsonlSchema ToJsonlSchema(const v1::CollectionSpec& spec) {
  JsonlSchema schema;
  for (const auto& [name, type] : spec.attributes()) {
    switch (type) {
      case v1::ATTRIBUTE_TYPE_STRING:
        schema[name] = JsonlType::kString;
        break;
      case v1::ATTRIBUTE_TYPE_INT64:
        schema[name] = JsonlType::kInt64;
        break;
      case v1::ATTRIBUTE_TYPE_DOUBLE:
        schema[name] = JsonlType::kDouble;
        break;
      case v1::ATTRIBUTE_TYPE_BOOL:
        schema[name] = JsonlType::kBool;
        break;
      case v1::ATTRIBUTE_TYPE_STRING_LIST:
        schema[name] = JsonlType::kStringList;
        break;
      case v1::ATTRIBUTE_TYPE_TIMESTAMP:
        schema[name] = JsonlType::kTimestamp;
        break;
      default:  // of a newer server: its values cannot be read, so the name stays unknown
        break;
    }
  }
  return schema;
}

void Columns::Add(const JsonlAttributes& attributes) {
  for (const auto& [name, value] : attributes) {
    Column& column = columns_[name];
    const JsonlValue placeholder = Placeholder(schema_.at(name));
    for (; column.rows < rows_; ++column.rows) {
      std::visit(Append{&column.message}, placeholder);
    }
    bytes_ += std::visit(Append{&column.message}, value) + 2;
    std::string* validity = column.message.mutable_validity();
    validity->resize(rows_ / 8 + 1, '\0');
    (*validity)[rows_ / 8] = static_cast<char>((*validity)[rows_ / 8] | (1 << (rows_ % 8)));
    ++column.rows;
    ++column.valid;
  }
  ++rows_;
}

void Columns::MoveTo(v1::StreamUpsertRequest* batch) {
  for (auto& [name, column] : columns_) {
    const JsonlValue placeholder = Placeholder(schema_.at(name));
    for (; column.rows < rows_; ++column.rows) {
      std::visit(Append{&column.message}, placeholder);
    }
    if (column.valid == rows_) {
      column.message.clear_validity();
    } else {
      column.message.mutable_validity()->resize((rows_ + 7) / 8, '\0');
    }
    column.message.set_name(name);
    *batch->add_columns() = std::move(column.message);
  }
  columns_.clear();
  rows_ = 0;
  bytes_ = 0;
}

}  // namespace nestor
