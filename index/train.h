// k-means of FAISS for the coarse stage. FAISS's exceptions and threads reach only this file
// and codes/train_opq.cc.
#ifndef NESTOR_INDEX_TRAIN_H_
#define NESTOR_INDEX_TRAIN_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/schema.h"

namespace nestor {

struct KMeansOptions {
  uint32_t dim = 0;
  uint32_t clusters = 0;
  Metric metric = Metric::kL2;  // COSINE and DOT: spherical
  int iterations = 10;
  int threads = 1;
  uint64_t seed = 1;
  // Told before each iteration; false stops: Cancelled.
  std::function<bool(double fraction)> progress;
};

// How many threads FAISS and its BLAS take in this process from now on.
void BoundFaissThreads(int threads);

// Trains on n x dim floats (under COSINE of unit length). Returns clusters x dim.
absl::StatusOr<std::vector<float>> TrainKMeans(const KMeansOptions& options,
                                               const std::vector<float>& rows);

// The nearest centroid of each of n rows (n x dim): by inner product under COSINE and DOT, else by
// L2.
absl::Status AssignToCentroids(const KMeansOptions& options, const std::vector<float>& centroids,
                               const float* rows, uint64_t n, std::vector<int64_t>* assigned);

}  // namespace nestor

#endif  // NESTOR_INDEX_TRAIN_H_
