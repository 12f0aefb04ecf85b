#include "client/cli/search_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/json.h"
#include "client/cli/names.h"
#include "client/cli/plan_message.h"
#include "client/cli/text.h"

namespace nestor {
namespace {

absl::StatusOr<std::vector<std::vector<std::string>>> HitRows(const v1::SearchResponse& response) {
  const auto& hits = response.hits();
  const bool attributes = std::any_of(hits.begin(), hits.end(),
                                      [](const v1::Hit& hit) { return !hit.attributes().empty(); });
  const bool vectors =
      std::any_of(hits.begin(), hits.end(), [](const v1::Hit& hit) { return hit.has_vector(); });
  std::vector<std::vector<std::string>> rows = {{"rank", "id", "score", "seq"}};
  if (attributes) rows[0].push_back("attributes");
  if (vectors) rows[0].push_back("vector");
  for (const v1::Hit& hit : hits) {
    std::vector<std::string> row = {absl::StrCat(rows.size()), ToText(hit.id()),
                                    FormatFloat(hit.score()), absl::StrCat(hit.seq())};
    if (attributes) row.push_back(ToLine(ToJson(hit.attributes())));
    if (vectors) {
      const absl::StatusOr<std::vector<float>> values = VectorValues(hit.vector());
      if (!values.ok()) return values.status();
      row.push_back(absl::StrJoin(*values, ",", [](std::string* out, float value) {
        absl::StrAppend(out, FormatFloat(value));
      }));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

std::vector<std::vector<std::string>> StageRows(
    const google::protobuf::RepeatedPtrField<v1::Stage>& stages) {
  std::vector<std::vector<std::string>> rows = {
      {"stage", "in", "out", "bytes", "multiply-adds", "store reads", "micros"}};
  for (const v1::Stage& stage : stages) {
    rows.push_back({stage.name(), FormatCount(stage.in()), FormatCount(stage.out()),
                    FormatCount(stage.bytes()), FormatCount(stage.multiply_adds()),
                    FormatCount(stage.store_reads()), absl::StrFormat("%.1f", stage.micros())});
  }
  return rows;
}

absl::StatusOr<std::string> SearchText(const v1::SearchResponse& response, absl::Duration elapsed) {
  std::string text;
  if (response.hits().empty()) {
    text = "no hits\n";
  } else {
    const auto rows = HitRows(response);
    if (!rows.ok()) return rows.status();
    text = FormatTable(*rows);
  }
  absl::StrAppend(
      &text, "\n", response.hits_size(), response.hits_size() == 1 ? " hit" : " hits",
      ", scores at dim ", response.score_dim(), ", seq ", response.seq(), ", ", response.unbuilt(),
      " rows unbuilt, ", absl::StrFormat("%.2f", absl::ToDoubleMilliseconds(elapsed)), " ms\nplan ",
      response.has_plan_used() ? ToText(response.plan_used()) : std::string("exact"), "\n");
  if (!response.stages().empty()) {
    absl::StrAppend(&text, FormatTable(StageRows(response.stages())));
  }
  return text;
}

}  // namespace nestor
