#include "index/train_code.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "index/sample.h"

namespace nestor {
namespace {

// The means of the lists' rows as the code sees them. Prefixes of the model's means are those but
// under COSINE, where each prefix is renormalised.
absl::StatusOr<std::vector<float>> CodeMeans(const VectorSchema& schema, const Model& model,
                                             const BuildSource& source,
                                             std::span<const uint32_t> lists,
                                             const CodeTraining& training) {
  const uint32_t dim = training.spec.dim;
  std::vector<float> means(size_t{model.lists} * dim);
  for (uint32_t l = 0; l < model.lists; ++l) {
    std::copy_n(model.means.data() + size_t{l} * schema.dim, dim, means.data() + size_t{l} * dim);
  }
  if (schema.metric != Metric::kCosine) return means;
  std::vector<double> sums(means.size(), 0.0);
  std::vector<uint64_t> counts(model.lists, 0);
  std::vector<float> row(dim);
  const absl::Status read = ReadSample(
      source, schema, source.size(), [&] { return !training.progress || training.progress(0); },
      [&](uint64_t first, uint64_t n, const float* values) {
        for (uint64_t j = 0; j < n; ++j) {
          PrepareRow(schema.metric, values + j * schema.dim, dim, nullptr, row.data());
          const uint32_t list = lists[first + j];
          for (uint32_t d = 0; d < dim; ++d) sums[size_t{list} * dim + d] += row[d];
          ++counts[list];
        }
      });
  if (!read.ok()) return read;
  for (size_t i = 0; i < means.size(); ++i) {
    const uint64_t count = counts[i / dim];
    if (count != 0) means[i] = static_cast<float>(sums[i] / static_cast<double>(count));
  }
  return means;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Code>> TrainCode(const VectorSchema& schema,
                                                      const Model& model, const BuildSource& source,
                                                      std::span<const uint32_t> lists,
                                                      const CodeTraining& training) {
  const uint32_t dim = training.spec.dim;
  std::vector<float> means;
  const bool whole = training.given && training.given->origin == CodeOrigin::kGivenForRows;
  if (model.lists > 1 && !whole) {
    auto of_rows = CodeMeans(schema, model, source, lists, training);
    if (!of_rows.ok()) return of_rows.status();
    means = *std::move(of_rows);
  }
  if (training.given) {
    if (training.rows_read) training.rows_read();
    return std::make_shared<const Code>(schema.metric, training.given->quantizer, std::move(means),
                                        training.given->origin);
  }
  std::vector<float> rows;
  const uint64_t wanted = std::min<uint64_t>({source.size(), kMaxOpqTrainingRows, training.rows});
  rows.reserve(wanted * dim);
  const absl::Status sampled = ReadSample(
      source, schema, wanted, [&] { return !training.progress || training.progress(0); },
      [&](uint64_t first, uint64_t n, const float* values) {
        for (uint64_t j = 0; j < n; ++j) {
          const float* mean =
              means.empty() ? nullptr : means.data() + size_t{lists[first + j]} * dim;
          rows.resize(rows.size() + dim);
          PrepareRow(schema.metric, values + j * schema.dim, dim, mean,
                     rows.data() + rows.size() - dim);
        }
      });
  if (!sampled.ok()) return sampled;
  if (training.rows_read) training.rows_read();
  auto quantizer = TrainOpq({.spec = training.spec,
                             .iterations = training.iterations,
                             .threads = training.threads,
                             .seed = training.seed,
                             .progress = training.progress},
                            rows);
  if (!quantizer.ok()) return quantizer.status();
  return std::make_shared<const Code>(schema.metric, *std::move(quantizer), std::move(means));
}

}  // namespace nestor
