#include "client/cli/search_text.h"

#include <algorithm>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/json.h"
#include "client/cli/names.h"
#include "client/cli/plan_message.h"
#include "client/cli/text.h"

namespace nestor {
namespace {

std::string ValuesText(std::span<const float> values) {
  return absl::StrJoin(
      values, ",", [](std::string* out, float value) { absl::StrAppend(out, FormatFloat(value)); });
}

// "1,-2"; of a matrix token by token, "1,-2; 0,3".
absl::StatusOr<std::string> VectorText(const v1::Vector& vector) {
  const absl::StatusOr<std::vector<float>> values = VectorValues(vector);
  if (!values.ok()) return values.status();
  if (!vector.has_multi()) return ValuesText(*values);
  return absl::StrJoin(TokensOf(vector, *values), "; ",
                       [](std::string* out, std::span<const float> token) {
                         absl::StrAppend(out, ValuesText(token));
                       });
}

// "7:0.5 0:-0.25": per token of the query the hit's token and the score of the two.
std::string MatchesText(const v1::TokenMatches& matches) {
  std::string text;
  for (int i = 0; i < std::min(matches.tokens_size(), matches.scores_size()); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : " ", matches.tokens(i), ":",
                    FormatFloat(matches.scores(i)));
  }
  return text;
}

absl::StatusOr<std::vector<std::vector<std::string>>> HitRows(const v1::SearchResponse& response) {
  const auto& hits = response.hits();
  const bool attributes = std::any_of(hits.begin(), hits.end(),
                                      [](const v1::Hit& hit) { return !hit.attributes().empty(); });
  const bool vectors =
      std::any_of(hits.begin(), hits.end(), [](const v1::Hit& hit) { return hit.has_vector(); });
  const bool matches =
      std::any_of(hits.begin(), hits.end(), [](const v1::Hit& hit) { return hit.has_matches(); });
  std::vector<std::vector<std::string>> rows = {{"rank", "id", "score", "seq"}};
  if (matches) rows[0].push_back("matches");
  if (attributes) rows[0].push_back("attributes");
  if (vectors) rows[0].push_back("vector");
  for (const v1::Hit& hit : hits) {
    std::vector<std::string> row = {absl::StrCat(rows.size()), ToText(hit.id()),
                                    FormatFloat(hit.score()), absl::StrCat(hit.seq())};
    if (matches) row.push_back(MatchesText(hit.matches()));
    if (attributes) row.push_back(ToLine(ToJson(hit.attributes())));
    if (vectors) {
      absl::StatusOr<std::string> text = VectorText(hit.vector());
      if (!text.ok()) return text.status();
      row.push_back(*std::move(text));
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
