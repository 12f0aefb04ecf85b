#include "server/engine/list_attribute.h"

#include <algorithm>
#include <variant>

#include "absl/strings/str_cat.h"
#include "index/build.h"
#include "server/engine/validate.h"
#include "server/storage/records.h"

namespace nestor {

absl::StatusOr<std::optional<int64_t>> ListAttribute(absl::string_view attributes,
                                                     absl::string_view name) {
  const absl::StatusOr<Attributes> parsed = ParseAttributes(attributes);
  if (!parsed.ok()) return parsed.status();
  const auto found = std::find_if(parsed->begin(), parsed->end(),
                                  [&](const Attribute& one) { return one.name == name; });
  if (found == parsed->end()) return std::nullopt;
  const int64_t* value = std::get_if<int64_t>(&found->value);
  if (value == nullptr) {
    return absl::DataLossError(absl::StrCat("the attribute \"", name, "\" is no int64"));
  }
  return *value;
}

absl::Status ReadListAttributes(const StoredPoints& points, std::span<const uint64_t> rows,
                                const IndexSpec& spec, uint32_t* out) {
  return points.Read(rows, nullptr, [&](size_t i, const PointView& point) {
    const absl::StatusOr<std::optional<int64_t>> value =
        ListAttribute(point.attributes, spec.list_attribute);
    if (!value.ok()) return value.status();
    out[i] = BuildSource::kNearest;
    if (!value->has_value()) return absl::OkStatus();
    if (absl::Status s = CheckListValue(spec, **value); !s.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat("point with id ", FormatId(point.id), ": ", s.message()));
    }
    out[i] = static_cast<uint32_t>(**value);
    return absl::OkStatus();
  });
}

}  // namespace nestor
