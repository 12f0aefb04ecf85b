#include "client/bench/multi/candidate_table.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/bench/multi/ranking.h"

namespace nestor {
namespace {

constexpr uint32_t kPrefixes[] = {1280, 2560, 5120, 10240};
// A search by token sorts the products of all tokens with each of the query's.
constexpr size_t kTokenSearchQueries = 50;

struct Shape {
  uint32_t k_sim;
  uint32_t d_proj;  // 0: the tokens' dim, without a projection
};
constexpr Shape kShapes[] = {{1, 0}, {2, 0}, {3, 0}, {1, 8},  {2, 8}, {3, 8},
                             {4, 8}, {5, 8}, {6, 8}, {2, 16}, {5, 16}};
// Also by codes.
constexpr uint32_t kCodedKSims[] = {2};
constexpr uint32_t kOpqDims[] = {1280, 2560};  // rotations beyond are dear to learn

FdeSpec SpecOf(const TokenData& data, const Shape& shape, bool fill) {
  FdeSpec spec = {
      .dim = data.documents.dim, .k_sim = shape.k_sim, .d_proj = shape.d_proj, .fill_empty = fill};
  if (shape.d_proj == 0) {
    spec.projection = FdeProjection::kIdentity;
    spec.d_proj = spec.dim;
  }
  spec.repetitions = std::end(kPrefixes)[-1] / spec.repetition_dims();
  return spec;
}

CandidateRow RowOf(const NeighbourRanks& ranks, CandidateRow row) {
  for (size_t i = 0; i < std::size(CandidateRow::kRecalls); ++i) {
    row.needed[i] = ranks.Needed(CandidateRow::kRecalls[i]);
  }
  for (size_t i = 0; i < std::size(CandidateRow::kCandidates); ++i) {
    row.recall_at[i] = ranks.RecallAt(CandidateRow::kCandidates[i]);
  }
  return row;
}

CandidateRow FdeRow(const FdeSpec& spec, uint32_t dims) {
  return {.source = "FDE",
          .k_sim = spec.k_sim,
          .d_proj = spec.d_proj,
          .fill = spec.fill_empty,
          .dims = dims};
}

absl::Status AddFdes(const TokenData& data, const FdeSpec& spec, bool int8,
                     std::vector<CandidateRow>* rows) {
  std::vector<uint32_t> prefixes;  // whole repetitions
  for (const uint32_t prefix : kPrefixes) {
    prefixes.push_back(std::max<uint32_t>(1, prefix / spec.repetition_dims()) *
                       spec.repetition_dims());
  }
  const auto ranks = RankByFdes(data, spec, prefixes, int8);
  if (!ranks.ok()) return ranks.status();
  for (size_t p = 0; p < prefixes.size(); ++p) {
    CandidateRow row = FdeRow(spec, prefixes[p]);
    row.codes = int8 ? "int8" : "f32";
    row.bytes = prefixes[p] * (int8 ? sizeof(int8_t) : sizeof(float));
    rows->push_back(RowOf((*ranks)[p], std::move(row)));
  }
  return absl::OkStatus();
}

absl::Status AddOpq(const TokenData& data, const FdeSpec& spec, uint32_t dim, int threads,
                    std::vector<CandidateRow>* rows) {
  const OpqSpec code{.dim = dim, .bytes = dim / kOpqDimsAByte, .bits = 8};
  const auto ranks = RankByOpq(data, spec, code, threads);
  if (!ranks.ok()) return ranks.status();
  CandidateRow row = FdeRow(spec, dim);
  row.codes = OpqName(code);
  row.bytes = code.bytes;
  rows->push_back(RowOf(*ranks, std::move(row)));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<CandidateRow>> MeasureCandidates(
    const TokenData& data, int threads, const std::function<void(absl::string_view)>& told) {
  std::vector<CandidateRow> rows;
  const uint64_t token_bytes = data.documents.dim * sizeof(float);
  told("mean vectors");
  const auto means = RankByMeans(data);
  if (!means.ok()) return means.status();
  rows.push_back(RowOf(*means, {.source = "mean vectors",
                                .dims = data.documents.dim,
                                .codes = "f32",
                                .bytes = token_bytes}));
  told("search by token");
  rows.push_back(
      RowOf(RankByTokens(data, kTokenSearchQueries),
            {.source = "token search",
             .dims = data.documents.dim,
             .codes = "f32",
             .bytes = token_bytes * data.documents.offsets.back() / data.documents.size()}));
  for (const Shape& shape : kShapes) {
    told(absl::StrCat("FDEs of k_sim ", shape.k_sim, ", d_proj ", shape.d_proj));
    for (const bool fill : {false, true}) {
      absl::Status s = AddFdes(data, SpecOf(data, shape, fill), /*int8=*/false, &rows);
      if (!s.ok()) return s;
    }
  }
  for (const uint32_t k_sim : kCodedKSims) {
    const FdeSpec spec = SpecOf(data, {k_sim, 8}, false);
    told(absl::StrCat("codes of FDEs of k_sim ", k_sim));
    if (absl::Status s = AddFdes(data, spec, /*int8=*/true, &rows); !s.ok()) return s;
    for (const uint32_t dim : kOpqDims) {
      if (absl::Status s = AddOpq(data, spec, dim, threads, &rows); !s.ok()) return s;
    }
  }
  return rows;
}

std::string CandidatesText(const std::vector<CandidateRow>& rows) {
  if (rows.empty()) return "";
  std::string text =
      absl::StrFormat("%-46s %8s %6s %6s %6s  recall@10 in 10, 50, 100, 500, 1000 candidates\n",
                      "candidates by", "bytes", "N@.8", "N@.9", "N@.95");
  for (const CandidateRow& row : rows) {
    std::string name = row.source;
    if (row.k_sim > 0) {
      absl::StrAppend(&name, " k_sim ", row.k_sim, " d_proj ", row.d_proj,
                      row.fill ? " filled" : "");
    }
    absl::StrAppend(&name, ", ", row.dims, " dims ", row.codes);
    absl::StrAppendFormat(&text, "%-46s %8d %6d %6d %6d ", name, row.bytes, row.needed[0],
                          row.needed[1], row.needed[2]);
    for (const double recall : row.recall_at) absl::StrAppendFormat(&text, " %.3f", recall);
    text += "\n";
  }
  return text;
}

std::string CandidatesCsv(const std::vector<CandidateRow>& rows) {
  std::string text = "candidates_by,k_sim,d_proj,fill,dims,codes,bytes";
  for (const double recall : CandidateRow::kRecalls) absl::StrAppend(&text, ",needed_", recall);
  for (const uint32_t n : CandidateRow::kCandidates) absl::StrAppend(&text, ",recall10_in_", n);
  text += "\n";
  for (const CandidateRow& row : rows) {
    absl::StrAppend(&text, row.source, ",", row.k_sim, ",", row.d_proj, ",", row.fill ? 1 : 0, ",",
                    row.dims, ",", row.codes, ",", row.bytes);
    for (const size_t needed : row.needed) absl::StrAppend(&text, ",", needed);
    for (const double recall : row.recall_at) absl::StrAppendFormat(&text, ",%.4f", recall);
    text += "\n";
  }
  return text;
}

}  // namespace nestor
