#include "client/bench/dataset.h"

#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/bench/float_rows.h"
#include "client/files/token_offsets.h"
#include "client/passes/pass.h"
#include "index/ground_truth.h"
#include "index/multi/tokens.h"

namespace nestor {
namespace {

// 64, 128, .. below D, and D.
std::vector<uint32_t> PowersOfTwo(uint32_t dim) {
  std::vector<uint32_t> nesting;
  for (uint32_t d = 64; d < dim; d *= 2) nesting.push_back(d);
  nesting.push_back(dim);
  return nesting;
}

// Where the queries begin in rows of the file, and the end.
absl::StatusOr<std::vector<uint64_t>> ReadQueryOffsets(const DatasetFiles& files,
                                                       const VectorFile& queries) {
  if (files.offsets.empty()) {
    std::vector<uint64_t> rows(queries.rows() + 1);
    std::iota(rows.begin(), rows.end(), uint64_t{0});
    return rows;
  }
  auto offsets = ReadTokenOffsets(files.offsets, queries.rows());
  if (!offsets.ok() || offsets->back() == queries.rows()) return offsets;
  return absl::InvalidArgumentError(absl::StrCat(files.queries, " has ", queries.rows(),
                                                 " tokens, but ", files.offsets, " ends at ",
                                                 offsets->back()));
}

absl::StatusOr<std::vector<uint64_t>> ReadLabels(const std::string& path, uint64_t rows) {
  const absl::StatusOr<VectorFile> file = VectorFile::Open(path);
  if (!file.ok()) return file.status();
  if (file->rows() != rows || file->dim() != 1) {
    return absl::InvalidArgumentError(absl::StrCat("labels ", path, " are ", file->rows(), " x ",
                                                   file->dim(), ", expected ", rows, " x 1"));
  }
  std::vector<uint64_t> labels(rows);
  for (uint64_t i = 0; i < rows; ++i) {
    if (absl::Status s = file->ReadIds(i, std::span(&labels[i], 1)); !s.ok()) return s;
  }
  return labels;
}

absl::StatusOr<TruthTable> ReadTruth(const DatasetFiles& files, uint64_t queries, uint64_t rows) {
  const absl::StatusOr<VectorFile> ids = VectorFile::Open(files.truth);
  if (!ids.ok()) return ids.status();
  if (ids->rows() != queries) {
    return absl::InvalidArgumentError(absl::StrCat("truth ", files.truth, " has ", ids->rows(),
                                                   " rows, there are ", queries, " queries"));
  }
  TruthTable truth{.depth = ids->dim()};
  truth.ids.resize(queries * truth.depth);
  for (uint64_t q = 0; q < queries; ++q) {
    const std::span<uint64_t> row = std::span(truth.ids).subspan(q * truth.depth, truth.depth);
    if (absl::Status s = ids->ReadIds(q, row); !s.ok()) return s;
    for (uint64_t id : row) {
      if (rows == 0 || id < rows) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "truth ", files.truth, " row ", q, " names row ", id, " of a base with ", rows, " rows"));
    }
  }
  if (files.distances.empty()) return truth;
  const absl::StatusOr<VectorFile> scores = VectorFile::Open(files.distances);
  if (!scores.ok()) return scores.status();
  if (scores->rows() != queries || scores->dim() != truth.depth) {
    return absl::InvalidArgumentError(absl::StrCat("distances ", files.distances, " are ",
                                                   scores->rows(), " x ", scores->dim(),
                                                   ", expected ", queries, " x ", truth.depth));
  }
  truth.scores.resize(queries * truth.depth);
  for (uint64_t q = 0; q < queries; ++q)
    scores->ReadF32(q, std::span(truth.scores).subspan(q * truth.depth, truth.depth));
  return truth;
}

}  // namespace

Dataset::Dataset(DatasetFiles files, VectorFile queries, std::vector<uint64_t> offsets)
    : files_(std::move(files)), queries_file_(std::move(queries)), offsets_(std::move(offsets)) {
  query_values_.resize(queries_file_.rows() * dim());
  for (uint64_t row = 0; row < queries_file_.rows(); ++row)
    queries_file_.ReadF32(row, std::span(query_values_).subspan(row * dim(), dim()));
  if (files_.nesting.empty()) files_.nesting = PowersOfTwo(dim());
}

absl::StatusOr<std::unique_ptr<Dataset>> Dataset::Load(
    DatasetFiles files, uint32_t k, int threads,
    const std::function<void(double fraction)>& progress, const AskTruth& ask) {
  absl::StatusOr<VectorFile> queries = VectorFile::Open(files.queries);
  if (!queries.ok()) return queries.status();
  absl::StatusOr<std::vector<uint64_t>> offsets = ReadQueryOffsets(files, *queries);
  if (!offsets.ok()) return offsets.status();
  if (offsets->size() < 3) {
    return absl::InvalidArgumentError(absl::StrCat("bench needs at least 2 queries, ",
                                                   files.queries, " has ", offsets->size() - 1));
  }
  std::unique_ptr<Dataset> set(
      new Dataset(std::move(files), *std::move(queries), *std::move(offsets)));
  if (!set->files_.base.empty()) {
    absl::StatusOr<VectorFile> base = VectorFile::Open(set->files_.base);
    if (!base.ok()) return base.status();
    if (base->dim() != set->dim()) {
      return absl::InvalidArgumentError(absl::StrCat(set->files_.base, " has ", base->dim(),
                                                     " dims, ", set->files_.queries, " has ",
                                                     set->dim()));
    }
    set->base_ = *std::move(base);
  }
  if (absl::Status s = set->CheckQueries(); !s.ok()) return s;
  if (absl::Status s = set->LoadTruth(k, threads, progress, ask); !s.ok()) return s;
  if (absl::Status s = set->LoadLabels(); !s.ok()) return s;
  return set;
}

absl::Status Dataset::CheckQueries() const {
  if (nesting().back() != dim()) {
    return absl::InvalidArgumentError(absl::StrCat(
        files_.queries, " has ", dim(), " dims, the nesting ends in ", nesting().back()));
  }
  const VectorSchema schema{.dim = dim(), .nesting = nesting(), .metric = files_.metric};
  if (absl::Status s = ValidateSchema(schema); !s.ok()) return s;
  for (uint32_t q = 0; q < queries(); ++q) {
    if (!of_tokens()) {
      const std::string what = absl::StrCat(files_.queries, " row ", q);
      if (absl::Status s = ValidateVector(schema, query(q).data(), what); !s.ok()) return s;
    } else if (absl::Status s = ValidateTokens(schema, query(q)); !s.ok()) {
      return absl::Status(s.code(), absl::StrCat(files_.queries, " query ", q, ": ", s.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status Dataset::LoadTruth(uint32_t k, int threads,
                                const std::function<void(double fraction)>& progress,
                                const AskTruth& ask) {
  TruthTable truth;
  if (!files_.truth.empty()) {
    absl::StatusOr<TruthTable> read = ReadTruth(files_, queries(), base_ ? base_->rows() : 0);
    if (!read.ok()) return read.status();
    truth = *std::move(read);
  } else if (base_) {
    const absl::StatusOr<GroundTruth> computed = ComputeGroundTruth(
        RowsOf(*base_), RowsOf(queries_file_),
        {.metric = files_.metric, .k = k, .threads = threads, .progress = progress});
    if (!computed.ok()) return computed.status();
    truth = {.depth = k, .ids = {computed->rows.begin(), computed->rows.end()}};
  } else if (ask) {
    absl::StatusOr<TruthTable> asked = ask(*this);
    if (!asked.ok()) return asked.status();
    truth = *std::move(asked);
  } else {
    return absl::InvalidArgumentError("bench needs a truth, or the base to compute it from");
  }
  if (truth.depth < k) {
    return absl::InvalidArgumentError(
        absl::StrCat("truth ", files_.truth, " has ", truth.depth, " columns, k is ", k));
  }
  RecallRule::ScoreOf score_of;
  if (base_) {
    score_of = [this](uint32_t q, uint64_t id) -> std::optional<double> {
      if (id >= base_->rows()) return std::nullopt;
      std::vector<float> row(dim());
      RowsOf(*base_).read(id, 1, row.data());
      return ExactScore(files_.metric, query(q).data(), row.data(), dim());
    };
  }
  grader_ =
      std::make_unique<Grader>(RecallRule(files_.metric, std::move(truth), std::move(score_of)));
  return absl::OkStatus();
}

absl::Status Dataset::LoadLabels() {
  if (files_.base_labels.empty()) return absl::OkStatus();
  if (!base_) return absl::InvalidArgumentError("labels need the base that they belong to");
  absl::StatusOr<std::vector<uint64_t>> of_base = ReadLabels(files_.base_labels, base_->rows());
  if (!of_base.ok()) return of_base.status();
  absl::StatusOr<std::vector<uint64_t>> of_queries = ReadLabels(files_.query_labels, queries());
  if (!of_queries.ok()) return of_queries.status();
  grader_->SetLabels(*std::move(of_base), *std::move(of_queries));
  return absl::OkStatus();
}

}  // namespace nestor
