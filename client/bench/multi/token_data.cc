#include "client/bench/multi/token_data.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/files/token_offsets.h"
#include "client/files/vector_file.h"
#include "index/multi/maxsim.h"

namespace nestor {
namespace {

// The first `most` matrices, or all.
absl::StatusOr<TokenMatrices> ReadMatrices(const std::string& tokens_path,
                                           const std::string& offsets_path, float scale,
                                           size_t most) {
  const auto tokens = VectorFile::Open(tokens_path);
  if (!tokens.ok()) return tokens.status();
  const auto offsets = ReadTokenOffsets(offsets_path, tokens->rows(), most);
  if (!offsets.ok()) return offsets.status();
  TokenMatrices matrices;
  matrices.dim = tokens->dim();
  matrices.offsets.assign(offsets->begin(), offsets->end());
  const size_t n = matrices.offsets.back();
  matrices.values.resize(n * matrices.dim);
  for (size_t t = 0; t < n; ++t) {
    tokens->ReadF32(t, std::span(matrices.values).subspan(t * matrices.dim, matrices.dim));
  }
  for (float& value : matrices.values) value *= scale;
  return matrices;
}

// A file that need not be there; null where it is not.
absl::StatusOr<std::unique_ptr<VectorFile>> OpenOptional(const std::string& path, uint32_t dim,
                                                         size_t rows) {
  if (!std::filesystem::exists(path)) return nullptr;
  absl::StatusOr<VectorFile> file = VectorFile::Open(path);
  if (!file.ok()) return file.status();
  if (file->dim() >= dim && file->rows() >= rows) {
    return std::make_unique<VectorFile>(*std::move(file));
  }
  return absl::InvalidArgumentError(absl::StrCat(path, " is ", file->rows(), " x ", file->dim(),
                                                 ", expected ", rows, " x ", dim, " at least"));
}

absl::Status ReadScores(const std::string& folder, TokenData* data) {
  const auto file = OpenOptional(folder + "/query.gt_chamfer.dist.fbin", TokenData::kNeighbours,
                                 data->queries.size());
  if (!file.ok() || *file == nullptr) return file.status();
  std::vector<float> row((*file)->dim());
  for (size_t q = 0; q < data->queries.size(); ++q) {
    (*file)->ReadF32(q, row);
    data->scores.insert(data->scores.end(), row.begin(), row.begin() + TokenData::kNeighbours);
  }
  return absl::OkStatus();
}

absl::Status ReadPositives(const std::string& folder, TokenData* data) {
  const auto file = OpenOptional(folder + "/query.positive.ibin", 1, data->queries.size());
  if (!file.ok() || *file == nullptr) return file.status();
  std::vector<uint64_t> row((*file)->dim());
  for (size_t q = 0; q < data->queries.size(); ++q) {
    if (absl::Status s = (*file)->ReadIds(q, row); !s.ok()) return s;
    data->positives.push_back(row.front());
  }
  return absl::OkStatus();
}

// The exact neighbours, and their scores.
absl::Status FindNeighbours(TokenData* data) {
  const uint32_t dim = data->documents.dim;
  std::vector<std::pair<double, uint32_t>> scored(data->documents.size());  // best first: negative
  for (size_t q = 0; q < data->queries.size(); ++q) {
    const auto query = MaxSimQuery::Make(data->queries[q], dim, dim, {});
    if (!query.ok()) return query.status();
    for (uint32_t i = 0; i < scored.size(); ++i) {
      const std::span<const float> tokens = data->documents[i];
      scored[i] = {-(*query)->Score(tokens.data(), tokens.size() / dim), i};
    }
    std::partial_sort(scored.begin(), scored.begin() + TokenData::kNeighbours, scored.end());
    for (size_t i = 0; i < TokenData::kNeighbours; ++i) {
      data->neighbours.push_back(scored[i].second);
      data->scores.push_back(static_cast<float>(-scored[i].first));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TokenData> ReadTokenData(const std::string& folder, size_t queries) {
  float scale = 0;
  std::ifstream scale_file(folder + "/scale.txt");
  if (!(scale_file >> scale)) {
    return absl::NotFoundError(absl::StrCat(folder, "/scale.txt holds no number"));
  }
  auto documents = ReadMatrices(folder + "/base.tokens.i8bin", folder + "/base.off.u64bin", scale,
                                ~size_t{0} - 1);
  if (!documents.ok()) return documents.status();
  auto query_matrices =
      ReadMatrices(folder + "/query.tokens.f16bin", folder + "/query.off.u64bin", 1, queries);
  if (!query_matrices.ok()) return query_matrices.status();
  const auto truth = VectorFile::Open(folder + "/query.gt_chamfer.ids.ibin");
  if (!truth.ok()) return truth.status();
  TokenData data;
  data.documents = *std::move(documents);
  data.queries = *std::move(query_matrices);
  if (truth->dim() < TokenData::kNeighbours || truth->rows() < data.queries.size() ||
      data.documents.dim != data.queries.dim) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder, ": tokens of ", data.documents.dim, " and ", data.queries.dim,
                     " dims, ", truth->dim(), " neighbours of ", truth->rows(), " queries"));
  }
  std::vector<uint64_t> ids(truth->dim());
  for (size_t q = 0; q < data.queries.size(); ++q) {
    if (const auto read = truth->ReadIds(q, ids); !read.ok()) return read;
    for (size_t i = 0; i < TokenData::kNeighbours; ++i) {
      if (ids[i] >= data.documents.size()) {
        return absl::InvalidArgumentError(absl::StrCat(folder, ": query ", q, " has neighbour ",
                                                       ids[i], " of ", data.documents.size(),
                                                       " documents"));
      }
      data.neighbours.push_back(static_cast<uint32_t>(ids[i]));
    }
  }
  if (absl::Status s = ReadScores(folder, &data); !s.ok()) return s;
  if (absl::Status s = ReadPositives(folder, &data); !s.ok()) return s;
  return data;
}

absl::StatusOr<TokenData> CutTokens(const TokenData& data, uint32_t begin, uint32_t end) {
  const uint32_t dim = data.documents.dim;
  if (begin >= end || end > dim || data.documents.size() < TokenData::kNeighbours) {
    return absl::InvalidArgumentError(absl::StrCat(
        "dims ", begin, ":", end, " of ", data.documents.size(), " documents: not in 0:", dim,
        ", or fewer documents than ", TokenData::kNeighbours));
  }
  const auto cut = [=](const TokenMatrices& whole) {
    TokenMatrices part{.dim = end - begin, .values = {}, .offsets = whole.offsets};
    part.values.reserve(whole.offsets.back() * part.dim);
    for (size_t t = 0; t < whole.offsets.back(); ++t) {
      const auto token = std::span(whole.values).subspan(t * dim + begin, part.dim);
      part.values.insert(part.values.end(), token.begin(), token.end());
    }
    return part;
  };
  TokenData part;
  part.documents = cut(data.documents);
  part.queries = cut(data.queries);
  part.positives = data.positives;
  if (absl::Status s = FindNeighbours(&part); !s.ok()) return s;
  return part;
}

absl::StatusOr<TokenData> FirstDocuments(const TokenData& data, size_t documents) {
  if (documents < TokenData::kNeighbours || documents > data.documents.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the first ", documents, " documents: not ",
                                                   TokenData::kNeighbours, " to ",
                                                   data.documents.size()));
  }
  TokenData part;
  const auto end = static_cast<ptrdiff_t>(documents);
  part.documents.dim = data.documents.dim;
  part.documents.offsets.assign(data.documents.offsets.begin(),
                                data.documents.offsets.begin() + end + 1);
  const auto values = static_cast<ptrdiff_t>(part.documents.offsets.back() * data.documents.dim);
  part.documents.values.assign(data.documents.values.begin(),
                               data.documents.values.begin() + values);
  part.queries = data.queries;
  if (absl::Status s = FindNeighbours(&part); !s.ok()) return s;
  return part;
}

Grader GraderOf(const TokenData& data) {
  Grader grader(RecallRule(Metric::kDot,
                           {.depth = TokenData::kNeighbours,
                            .ids = {data.neighbours.begin(), data.neighbours.end()},
                            .scores = data.scores},
                           nullptr));
  grader.SetPositives(data.positives);
  return grader;
}

}  // namespace nestor
