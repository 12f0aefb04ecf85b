// What a comparison runs on: base and query vectors, their truth and, where there are, labels.
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
  std::string queries;    // vectors
  std::string truth;      // ids of each query's nearest rows, best first; empty: computed from base
  std::string distances;  // their scores; optional
  std::string base_labels, query_labels;  // one integer a row; optional, both or none
  Metric metric = Metric::kL2;
  std::vector<uint32_t> nesting;  // empty = 64, 128, .. and D
  uint32_t graph_dim = 0;         // of a graph that is to be built on it; 0 = the index chooses
};

class Dataset {
 public:
  // InvalidArgument where the files do not fit each other: dims, numbers of queries, a truth that
  // names rows behind the base's end or has fewer than k columns. `threads` and `progress`: for the
  // truth, where it has to be computed.
  static absl::StatusOr<std::unique_ptr<Dataset>> Load(
      DatasetFiles files, uint32_t k, int threads,
      const std::function<void(double fraction)>& progress);

  const DatasetFiles& files() const { return files_; }
  uint32_t dim() const { return queries_file_.dim(); }
  const std::vector<uint32_t>& nesting() const { return files_.nesting; }
  bool has_base() const { return base_.has_value(); }
  const VectorFile& base() const { return *base_; }  // requires has_base()
  const VectorFile& query_file() const { return queries_file_; }
  uint32_t queries() const { return static_cast<uint32_t>(queries_file_.rows()); }
  std::span<const float> query(uint32_t q) const {
    return std::span(query_values_).subspan(size_t{q} * dim(), dim());
  }
  const Grader& grader() const { return *grader_; }

 private:
  Dataset(DatasetFiles files, VectorFile queries);
  absl::Status LoadTruth(uint32_t k, int threads,
                         const std::function<void(double fraction)>& progress);
  absl::Status LoadLabels();

  DatasetFiles files_;
  VectorFile queries_file_;
  std::optional<VectorFile> base_;
  std::vector<float> query_values_;
  std::unique_ptr<Grader> grader_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_DATASET_H_
