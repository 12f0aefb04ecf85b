#include "server/engine/stored_points.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/storage/keys.h"

namespace nestor {

absl::Status StoredPoints::Fetch(std::span<const uint64_t> rows, std::byte* out) const {
  const size_t bytes = codec_->vector_bytes();
  PointCodec::Space space;
  return Read(rows, nullptr, [&](size_t i, const PointView& view) {
    const absl::StatusOr<EncodedPoint> point = codec_->Decode(view.vector, &space);
    if (!point.ok()) {
      return absl::Status(point.status().code(),
                          absl::StrCat("row ", rows[i], ": ", point.status().message()));
    }
    std::memcpy(out + i * bytes, point->indexed.data(), bytes);
    return absl::OkStatus();
  });
}

absl::Status StoredPoints::ReadTokens(
    std::span<const uint64_t> rows,
    absl::FunctionRef<void(size_t, std::span<const float>)> visit) const {
  return Read(rows, nullptr, [&](size_t i, const PointView& point) {
    const absl::StatusOr<TokenSet> tokens =
        TokenSet::FromStored(codec_->multi()->tokens, point.vector);
    if (tokens.ok()) visit(i, tokens->values());
    return tokens.status();
  });
}

absl::Status StoredPoints::Read(
    std::span<const uint64_t> rows, const StoreSnapshot* snapshot,
    absl::FunctionRef<absl::Status(size_t, const PointView&)> visit) const {
  // MultiGet wants its keys in order: neighbours share blocks.
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (!std::is_sorted(rows.begin(), rows.end())) {
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rows[a] < rows[b]; });
  }
  std::vector<std::string> keys;
  keys.reserve(rows.size());
  for (size_t i : order) keys.push_back(PointKey(uid_, rows[i]));
  return store_->MultiGet(
      Family::kPoints, keys, snapshot, [&](size_t i, const absl::string_view* value) {
        const uint64_t row = rows[order[i]];
        if (value == nullptr) {
          return absl::DataLossError(absl::StrCat("row ", row, " is missing in the store"));
        }
        absl::StatusOr<PointView> point = ParsePoint(*value);
        if (!point.ok()) {
          return absl::DataLossError(absl::StrCat("row ", row, ": ", point.status().message()));
        }
        return visit(order[i], *point);
      });
}

}  // namespace nestor
