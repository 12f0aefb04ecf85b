#include "server/rpc/convert_columns.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/engine/validate.h"
#include "server/rpc/convert_point.h"
#include "server/rpc/convert_query.h"
#include "server/rpc/convert_schema.h"
#include "server/rpc/limits.h"
#include "server/rpc/status.h"
#include "server/rpc/unknown_fields.h"

namespace nestor {
namespace {

absl::StatusOr<uint32_t> CountRows(const v1::IdColumn& ids, IdKind kind) {
  if (ids.nums_size() > 0 && ids.strs_size() > 0) {
    return FieldError("", "nums and strs are both filled, one of them must be");
  }
  const bool numbers = kind == IdKind::kNum;
  if (numbers ? ids.strs_size() > 0 : ids.nums_size() > 0) {
    return FieldError(numbers ? "strs" : "nums",
                      absl::StrCat("the collection's ids are of kind ", numbers ? "NUM" : "STR"));
  }
  const int rows = numbers ? ids.nums_size() : ids.strs_size();
  if (rows < 1 || rows > static_cast<int>(kMaxBatch)) {
    return FieldError("", absl::StrCat("the batch has ", rows, " rows, not in 1..", kMaxBatch));
  }
  return static_cast<uint32_t>(rows);
}

int CountValues(const v1::AttributeColumn& column) {
  switch (column.values_case()) {
    case v1::AttributeColumn::kStrings:
      return column.strings().values_size();
    case v1::AttributeColumn::kInt64S:
      return column.int64s().values_size();
    case v1::AttributeColumn::kDoubles:
      return column.doubles().values_size();
    case v1::AttributeColumn::kBools:
      return column.bools().values_size();
    case v1::AttributeColumn::kStringLists:
      return column.string_lists().values_size();
    case v1::AttributeColumn::kTimestamps:
      return column.timestamps().micros_size();
    case v1::AttributeColumn::VALUES_NOT_SET:
      break;
  }
  return 0;
}

std::optional<AttributeType> TypeOfColumn(const v1::AttributeColumn& column) {
  switch (column.values_case()) {
    case v1::AttributeColumn::kStrings:
      return AttributeType::kString;
    case v1::AttributeColumn::kInt64S:
      return AttributeType::kInt64;
    case v1::AttributeColumn::kDoubles:
      return AttributeType::kDouble;
    case v1::AttributeColumn::kBools:
      return AttributeType::kBool;
    case v1::AttributeColumn::kStringLists:
      return AttributeType::kStringList;
    case v1::AttributeColumn::kTimestamps:
      return AttributeType::kTimestamp;
    case v1::AttributeColumn::VALUES_NOT_SET:
      break;
  }
  return std::nullopt;
}

std::string TypeName(AttributeType type) {
  return std::string(
      absl::StripPrefix(v1::AttributeType_Name(FromAttributeType(type)), "ATTRIBUTE_TYPE_"));
}

absl::Status CheckColumn(const v1::AttributeColumn& column, const CollectionSpec& spec,
                         uint32_t rows) {
  const auto declared =
      std::find_if(spec.attributes.begin(), spec.attributes.end(),
                   [&](const AttributeField& have) { return have.name == column.name(); });
  if (declared == spec.attributes.end()) {
    return FieldError("name",
                      absl::StrCat("the collection declares no attribute \"", column.name(), "\""));
  }
  const std::optional<AttributeType> type = TypeOfColumn(column);
  if (!type.has_value()) return FieldError("", "no values are set");
  if (*type != declared->type) {
    return FieldError("", absl::StrCat("values of type ", TypeName(*type), " for attribute \"",
                                       column.name(), "\" of type ", TypeName(declared->type)));
  }
  const int values = CountValues(column);
  if (static_cast<uint32_t>(values) != rows) {
    return FieldError("", absl::StrCat("has ", values, " values, the batch has ", rows, " rows"));
  }
  const size_t bitmap = (rows + 7) / 8;
  if (!column.validity().empty() && column.validity().size() != bitmap) {
    return FieldError("validity", absl::StrCat("has ", column.validity().size(), " bytes, ", rows,
                                               " rows take ", bitmap));
  }
  return absl::OkStatus();
}

bool HasValue(const v1::AttributeColumn& column, uint32_t row) {
  return column.validity().empty() ||
         (static_cast<uint8_t>(column.validity()[row / 8]) >> (row % 8) & 1);
}

absl::StatusOr<AttributeValue> ValueAt(const v1::AttributeColumn& column, int row) {
  absl::Status checked;
  switch (column.values_case()) {
    case v1::AttributeColumn::kStrings:
      checked = CheckString(column.strings().values(row));
      if (!checked.ok()) return checked;
      return AttributeValue(column.strings().values(row));
    case v1::AttributeColumn::kInt64S:
      return AttributeValue(int64_t{column.int64s().values(row)});
    case v1::AttributeColumn::kDoubles:
      checked = CheckDouble(column.doubles().values(row));
      if (!checked.ok()) return checked;
      return AttributeValue(column.doubles().values(row));
    case v1::AttributeColumn::kBools:
      return AttributeValue(column.bools().values(row));
    case v1::AttributeColumn::kStringLists: {
      const v1::StringList& list = column.string_lists().values(row);
      checked = CheckStringList(list);
      if (!checked.ok()) return checked;
      return AttributeValue(std::vector<std::string>(list.values().begin(), list.values().end()));
    }
    case v1::AttributeColumn::kTimestamps:
      return AttributeValue(Timestamp{column.timestamps().micros(row)});
    case v1::AttributeColumn::VALUES_NOT_SET:
      break;
  }
  return absl::InternalError("a column without values passed its check");
}

absl::StatusOr<PointInput> PointAt(const v1::StreamUpsertRequest& request,
                                   const PackedShape& vectors, uint32_t row, bool numbers) {
  PointInput point;
  if (numbers) {
    point.id = request.ids().nums(static_cast<int>(row));
  } else {
    const std::string& id = request.ids().strs(static_cast<int>(row));
    if (id.empty() || id.size() > kMaxStringIdBytes) {
      return FieldError(
          absl::StrCat("ids.strs[", row, "]"),
          absl::StrCat("a string id of ", id.size(), " bytes is not in 1..", kMaxStringIdBytes));
    }
    point.id = id;
  }
  const absl::string_view bytes =
      absl::string_view(request.vectors().data()).substr(vectors.offset(row), vectors.bytes(row));
  if (vectors.ends.empty()) {
    point.vector = PackedVector{vectors.dtype, bytes};
  } else {
    point.vector = PackedTokens{vectors.dtype, bytes};
  }
  for (const v1::AttributeColumn& column : request.columns()) {
    if (!HasValue(column, row)) continue;
    absl::StatusOr<AttributeValue> value = ValueAt(column, static_cast<int>(row));
    if (!value.ok()) {
      return AtField(absl::StrCat("attribute \"", column.name(), "\" of row ", row),
                     value.status());
    }
    point.attributes.push_back({column.name(), *std::move(value)});
  }
  return point;
}

// Judges a row's vector or tokens as the engine does.
class VectorCheck {
 public:
  explicit VectorCheck(const CollectionSpec& spec) : spec_(spec) {
    if (spec.multi.has_value()) return;
    floats_.resize(spec.schema.dim);
    stored_.resize(spec.schema.dim * DtypeBytes(spec.schema.dtype));
  }
  absl::Status Check(const VectorInput& input) {
    if (spec_.multi.has_value()) {
      const auto& tokens = std::get<PackedTokens>(input);
      return TokenSet::FromWire(spec_.multi->tokens, tokens.dtype, tokens.bytes).status();
    }
    return EncodeCheckedVector(spec_.schema, input, floats_.data(), stored_.data()).status();
  }

 private:
  const CollectionSpec& spec_;
  std::vector<float> floats_;
  std::vector<std::byte> stored_;
};

}  // namespace

absl::StatusOr<ColumnBatch> ToColumnBatch(const v1::StreamUpsertRequest& request,
                                          const CollectionSpec& spec) {
  const absl::Status known = RefuseUnknownFields(request);
  if (!known.ok()) return known;
  const absl::StatusOr<uint32_t> rows = CountRows(request.ids(), spec.id_kind);
  if (!rows.ok()) return AtField("ids", rows.status());
  const std::span<const uint32_t> counts(request.counts().data(),
                                         static_cast<size_t>(request.counts_size()));
  const absl::Status counted = CheckCounts(counts, spec, *rows);
  if (!counted.ok()) return counted;
  const absl::StatusOr<PackedShape> vectors = ToPackedShape(
      request.vectors().dtype(), request.vectors().data().size(), PointSchema(spec), counts);
  if (!vectors.ok()) return AtField("vectors", vectors.status());
  if (vectors->count != *rows) {
    return FieldError(
        "vectors.data",
        absl::StrCat("has ", request.vectors().data().size(), " bytes, ", *rows, " rows of dim ",
                     spec.schema.dim, " take ", *rows * vectors->item_bytes()));
  }
  absl::flat_hash_set<absl::string_view> names;
  for (int i = 0; i < request.columns_size(); ++i) {
    const v1::AttributeColumn& column = request.columns(i);
    absl::Status checked = CheckColumn(column, spec, *rows);
    if (checked.ok() && !names.insert(column.name()).second) {
      checked =
          FieldError("name", absl::StrCat("a second column of attribute \"", column.name(), "\""));
    }
    if (!checked.ok()) return AtField(absl::StrCat("columns[", i, "]"), checked);
  }

  ColumnBatch batch;
  batch.points.reserve(*rows);
  batch.rows.reserve(*rows);
  for (uint32_t row = 0; row < *rows; ++row) {
    absl::StatusOr<PointInput> point =
        PointAt(request, *vectors, row, spec.id_kind == IdKind::kNum);
    if (point.ok()) {
      batch.points.push_back(*std::move(point));
      batch.rows.push_back(row);
    } else {
      batch.errors.push_back({row, point.status()});
    }
  }
  return batch;
}

void SortOutBadRows(const CollectionSpec& spec, ColumnBatch* batch) {
  VectorCheck check(spec);
  size_t good = 0;
  for (size_t i = 0; i < batch->points.size(); ++i) {
    PointInput& point = batch->points[i];
    absl::Status status = check.Check(point.vector);
    if (status.ok()) status = EncodeCheckedAttributes(spec.attributes, point.attributes).status();
    if (status.ok()) status = CheckListAttribute(spec.index, point.attributes);
    if (!status.ok()) {
      const uint32_t row = batch->rows[i];
      batch->errors.push_back({row, AtField(absl::StrCat("row ", row), status)});
      continue;
    }
    if (good != i) {
      batch->points[good] = std::move(point);
      batch->rows[good] = batch->rows[i];
    }
    ++good;
  }
  batch->points.resize(good);
  batch->rows.resize(good);
  std::sort(batch->errors.begin(), batch->errors.end(),
            [](const RowError& a, const RowError& b) { return a.row < b.row; });
}

}  // namespace nestor
