#include "index/ground_truth.h"

#include <cblas.h>

#include <algorithm>
#include <atomic>
#include <cfloat>
#include <cmath>
#include <limits>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "index/kernels/kernels.h"

namespace nestor {
namespace {

// A tile of queries against a block of rows: products of 1 MB stay in a core's L2.
constexpr uint64_t kTileQueries = 256;
constexpr uint64_t kBlockOfRows = 1024;

absl::Status CheckArguments(const FloatRows& base, const FloatRows& queries, uint32_t dim,
                            uint32_t k) {
  if (base.dim != queries.dim) {
    return absl::InvalidArgumentError(absl::StrCat("ground truth: base rows have ", base.dim,
                                                   " dims, queries have ", queries.dim));
  }
  if (dim < 1 || dim > base.dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("ground truth: dim ", dim, " is outside 1..", base.dim));
  }
  if (base.rows > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("ground truth: ", base.rows, " base rows are over 4,294,967,295"));
  }
  if (k < 1 || k > base.rows) {
    return absl::InvalidArgumentError(
        absl::StrCat("ground truth: k ", k, " is outside 1..", base.rows, ", the base rows"));
  }
  return absl::OkStatus();
}

// |x[:dim]|^2, or why the row cannot be compared.
absl::StatusOr<double> CheckedSquare(Metric metric, const char* what, uint64_t row,
                                     const float* values, uint32_t dim) {
  const double square = ActiveKernels().dot_f64(values, values, dim);
  if (!(square <= FLT_MAX)) {  // also NaN
    return absl::InvalidArgumentError(absl::StrCat("ground truth: ", what, " row ", row,
                                                   " has squared norm ", square,
                                                   "; values and squared norm must be finite"));
  }
  if (metric == Metric::kCosine && square < FLT_MIN) {
    return absl::InvalidArgumentError(absl::StrCat("ground truth: ", what, " row ", row,
                                                   " has squared norm ", square, " over its first ",
                                                   dim, " dims; cosine needs at least ", FLT_MIN));
  }
  return square;
}

// key = product * scale - offset, larger is better; it is wrong by at most |q| * error + error0.
struct KeyTerms {
  float scale = 1;
  float offset = 0;
  float error = 0;
  float error0 = 0;
};

KeyTerms TermsOf(Metric metric, double square, uint32_t dim) {
  // A sum of `dim` products is wrong by at most dim * 2^-24 * |q||x| in any order of summing; the 8
  // cover the few steps behind it.
  const double relative = 1.05 * (dim + 8.0) * 0x1p-24;
  const double norm = std::sqrt(square);
  KeyTerms terms;
  terms.error0 = static_cast<float>(dim) * FLT_TRUE_MIN;
  switch (metric) {
    case Metric::kDot:
      terms.error = static_cast<float>(relative * norm);
      break;
    case Metric::kCosine:
      terms.scale = static_cast<float>(1 / norm);
      terms.error = static_cast<float>(relative);
      break;
    case Metric::kL2:  // |q - x|^2 = |q|^2 - 2 (q.x - |x|^2 / 2)
      terms.offset = static_cast<float>(square / 2);
      terms.error = static_cast<float>(relative * norm);
      terms.error0 += static_cast<float>(relative * square / 2);
      break;
  }
  return terms;
}

// The rows that can be among the best k of one query.
class Contenders {
 public:
  explicit Contenders(uint32_t k) : k_(k), cut_at_(4 * size_t{k} + 256) {}

  void Add(const float* products, const std::vector<KeyTerms>& terms, uint64_t first,
           float query_norm) {
    for (size_t j = 0; j < terms.size(); ++j) {
      const KeyTerms& t = terms[j];
      const float key = products[j] * t.scale - t.offset;
      const float error = query_norm * t.error + t.error0;
      if (key + error < threshold_) continue;
      rows_.push_back({key - error, key + error, static_cast<uint32_t>(first + j)});
      if (rows_.size() >= cut_at_) Cut();
    }
  }

  // Whatever may belong to the best k.
  std::vector<uint32_t> Finish() {
    Cut();
    std::vector<uint32_t> rows;
    for (const Row& row : rows_) rows.push_back(row.number);
    return rows;
  }

 private:
  struct Row {
    float low, high;  // the key is between them
    uint32_t number;
  };

  void Cut() {
    if (rows_.size() <= k_) return;
    std::nth_element(rows_.begin(), rows_.begin() + (k_ - 1), rows_.end(),
                     [](const Row& a, const Row& b) { return a.low > b.low; });
    threshold_ = std::max(threshold_, rows_[k_ - 1].low);
    std::erase_if(rows_, [&](const Row& row) { return row.high < threshold_; });
    // Many equal keys (duplicates) may all have to stay.
    cut_at_ = std::max(cut_at_, 2 * rows_.size());
  }

  const uint32_t k_;
  size_t cut_at_;
  float threshold_ = -std::numeric_limits<float>::infinity();
  std::vector<Row> rows_;
};

// One computation, shared by its threads: each takes tiles of queries until none is left.
class Computation {
 public:
  Computation(const FloatRows& base, const FloatRows& queries, const GroundTruthOptions& options,
              uint32_t dim)
      : base_(base), queries_(queries), options_(options), dim_(dim) {
    truth_.k = options.k;
    truth_.rows.resize(queries.rows * options.k);
    truth_.scores.resize(queries.rows * options.k);
    const uint64_t share = (queries.rows + options.threads - 1) / std::max(options.threads, 1);
    tile_ = std::clamp<uint64_t>(share, 1, kTileQueries);
  }

  void Work() {
    while (!failed_.load(std::memory_order_relaxed)) {
      const uint64_t first = next_.fetch_add(tile_);
      if (first >= queries_.rows) return;
      absl::Status status = DoTile(first, std::min(tile_, queries_.rows - first));
      if (status.ok()) continue;
      const std::lock_guard<std::mutex> lock(mutex_);
      if (status_.ok()) status_ = std::move(status);
      failed_ = true;
    }
  }

  // After all threads have ended.
  absl::StatusOr<GroundTruth> Take() {
    if (!status_.ok()) return status_;
    return std::move(truth_);
  }

 private:
  absl::Status DoTile(uint64_t first_query, uint64_t n) {
    std::vector<float> queries(n * queries_.dim);
    queries_.read(first_query, n, queries.data());
    std::vector<float> norms;
    for (uint64_t i = 0; i < n; ++i) {
      const absl::StatusOr<double> square = CheckedSquare(options_.metric, "query", first_query + i,
                                                          queries.data() + i * queries_.dim, dim_);
      if (!square.ok()) return square.status();
      norms.push_back(static_cast<float>(std::sqrt(*square)));
    }
    std::vector<Contenders> contenders(n, Contenders(options_.k));
    std::vector<float> rows(kBlockOfRows * base_.dim), products(n * kBlockOfRows);
    std::vector<KeyTerms> terms;
    for (uint64_t first = 0; first < base_.rows; first += kBlockOfRows) {
      const uint64_t m = std::min(kBlockOfRows, base_.rows - first);
      base_.read(first, m, rows.data());
      terms.clear();
      for (uint64_t j = 0; j < m; ++j) {
        const absl::StatusOr<double> square =
            CheckedSquare(options_.metric, "base", first + j, rows.data() + j * base_.dim, dim_);
        if (!square.ok()) return square.status();
        terms.push_back(TermsOf(options_.metric, *square, dim_));
      }
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<blasint>(n),
                  static_cast<blasint>(m), static_cast<blasint>(dim_), 1.0f, queries.data(),
                  static_cast<blasint>(queries_.dim), rows.data(), static_cast<blasint>(base_.dim),
                  0.0f, products.data(), static_cast<blasint>(kBlockOfRows));
      for (uint64_t i = 0; i < n; ++i)
        contenders[i].Add(products.data() + i * kBlockOfRows, terms, first, norms[i]);
      Report(n * m);
    }
    for (uint64_t i = 0; i < n; ++i)
      Order(first_query + i, queries.data() + i * queries_.dim, contenders[i].Finish());
    return absl::OkStatus();
  }

  // Scores the contenders of a query in double and writes the best k.
  void Order(uint64_t query, const float* values, const std::vector<uint32_t>& contenders) {
    std::vector<float> row(base_.dim);
    std::vector<std::pair<double, uint32_t>> scored;  // smaller is better
    const double sign = options_.metric == Metric::kL2 ? 1 : -1;
    for (uint32_t number : contenders) {
      base_.read(number, 1, row.data());
      scored.emplace_back(sign * ExactScore(options_.metric, values, row.data(), dim_), number);
    }
    std::partial_sort(scored.begin(), scored.begin() + options_.k, scored.end());
    for (uint32_t i = 0; i < options_.k; ++i) {
      truth_.rows[query * options_.k + i] = scored[i].second;
      truth_.scores[query * options_.k + i] = static_cast<float>(sign * scored[i].first);
    }
  }

  void Report(uint64_t pairs) {
    const uint64_t done = done_.fetch_add(pairs) + pairs;
    if (!options_.progress) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    options_.progress(static_cast<double>(done) / static_cast<double>(base_.rows) /
                      static_cast<double>(queries_.rows));
  }

  const FloatRows& base_;
  const FloatRows& queries_;
  const GroundTruthOptions& options_;
  const uint32_t dim_;
  uint64_t tile_ = 1;
  GroundTruth truth_;  // each thread writes the rows of its queries
  std::atomic<uint64_t> next_{0};
  std::atomic<uint64_t> done_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;     // guards status_ and calls of progress
  absl::Status status_;  // the first failure
};

}  // namespace

FloatRows StoredRows(Dtype dtype, const std::byte* bytes, uint64_t rows, uint32_t dim) {
  return {.rows = rows, .dim = dim, .read = [=](uint64_t first, uint64_t n, float* out) {
            DecodeVector(dtype, bytes + first * dim * DtypeBytes(dtype), n * dim, out);
          }};
}

double ExactScore(Metric metric, const float* query, const float* row, uint32_t dim) {
  const Kernels& kernels = ActiveKernels();
  switch (metric) {
    case Metric::kDot:
      return kernels.dot_f64(query, row, dim);
    case Metric::kCosine:
      return kernels.dot_f64(query, row, dim) / (std::sqrt(kernels.dot_f64(query, query, dim)) *
                                                 std::sqrt(kernels.dot_f64(row, row, dim)));
    case Metric::kL2:
      return kernels.l2_f64(query, row, dim);
  }
  return 0;
}

absl::StatusOr<GroundTruth> ComputeGroundTruth(const FloatRows& base, const FloatRows& queries,
                                               const GroundTruthOptions& options) {
  const uint32_t dim = options.dim == 0 ? base.dim : options.dim;
  if (absl::Status s = CheckArguments(base, queries, dim, options.k); !s.ok()) return s;
  // The threads are ours: each one's product runs on it alone.
  openblas_set_num_threads(1);
  Computation computation(base, queries, options, dim);
  std::vector<std::thread> threads;
  for (int t = 1; t < options.threads; ++t) threads.emplace_back([&] { computation.Work(); });
  computation.Work();
  for (std::thread& thread : threads) thread.join();
  return computation.Take();
}

}  // namespace nestor
