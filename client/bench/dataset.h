// What a comparison runs on: base and query vectors, or queries of token matrices, their truth and,
// where there are, labels.
#ifndef NESTOR_CLIENT_BENCH_DATASET_H_
#define NESTOR_CLIENT_BENCH_DATASET_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/grader.h"
#include "client/files/vector_file.h"
#include "index/schema.h"

namespace nestor {

struct DatasetFiles {
  std::string name;       // for people
  std::string base;       // vectors; empty where a server holds them
  std::string queries;    // vectors; with `offsets` tokens
  std::string offsets;    // where each query begins in them, and the end; empty: a row is a query
  std::string truth;      // ids of each query's nearest rows, best first; empty: computed from base
  std::string distances;  // their scores; optional
  std::string base_labels, query_labels;  // one integer a row; optional, both or none
  Metric metric = Metric::kL2;
  std::vector<uint32_t> nesting;  // empty = 64, 128, .. and D
  uint32_t graph_dim = 0;         // of a graph that is to be built on it; 0 = the index chooses
};

class Dataset {
 public:
  // The truth of a set's queries from elsewhere.
  using AskTruth = std::function<absl::StatusOr<TruthTable>(const Dataset& set)>;

  // InvalidArgument where the files do not fit each other: dims, numbers of queries, offsets that
  // are not those of the tokens, a truth that names rows behind the base's end or has fewer than k
  // columns. `threads` and `progress`: for the truth, where it has to be computed. `ask`: where
  // there is neither a truth nor a base; null: InvalidArgument.
  static absl::StatusOr<std::unique_ptr<Dataset>> Load(
      DatasetFiles files, uint32_t k, int threads,
      const std::function<void(double fraction)>& progress, const AskTruth& ask = nullptr);

  const DatasetFiles& files() const { return files_; }
  uint32_t dim() const { return queries_file_.dim(); }  // of a vector, or of a token
  const std::vector<uint32_t>& nesting() const { return files_.nesting; }
  bool has_base() const { return base_.has_value(); }
  const VectorFile& base() const { return *base_; }  // requires has_base()
  const VectorFile& query_file() const { return queries_file_; }
  bool of_tokens() const { return !files_.offsets.empty(); }
  uint32_t queries() const { return static_cast<uint32_t>(offsets_.size() - 1); }
  // Of the query file: a query is rows [first_row(q)] to [first_row(q + 1)], one where it is a
  // vector.
  uint64_t first_row(uint32_t q) const { return offsets_[q]; }
  // A vector, or tokens one after the other.
  std::span<const float> query(uint32_t q) const {
    const uint64_t first = offsets_[q], n = offsets_[size_t{q} + 1] - first;
    return std::span(query_values_).subspan(first * dim(), n * dim());
  }
  const Grader& grader() const { return *grader_; }

 private:
  Dataset(DatasetFiles files, VectorFile queries, std::vector<uint64_t> offsets);
  absl::Status CheckQueries() const;
  absl::Status LoadTruth(uint32_t k, int threads,
                         const std::function<void(double fraction)>& progress, const AskTruth& ask);
  absl::Status LoadLabels();

  DatasetFiles files_;
  VectorFile queries_file_;
  std::vector<uint64_t> offsets_;  // of queries in rows of the file, with the end
  std::optional<VectorFile> base_;
  std::vector<float> query_values_;
  std::unique_ptr<Grader> grader_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_DATASET_H_
