#include "index/train.h"

#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <omp.h>

#include <exception>
#include <memory>

#include "absl/strings/str_cat.h"

extern "C" void openblas_set_num_threads(int threads);

namespace nestor {
namespace {

std::unique_ptr<faiss::IndexFlat> FlatIndex(const KMeansOptions& options) {
  const bool l2 = options.metric == Metric::kL2;
  return std::make_unique<faiss::IndexFlat>(options.dim,
                                            l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT);
}

}  // namespace

void BoundFaissThreads(int threads) {
  omp_set_num_threads(threads);
  openblas_set_num_threads(threads);
}

absl::StatusOr<std::vector<float>> TrainKMeans(const KMeansOptions& options,
                                               const std::vector<float>& rows) {
  BoundFaissThreads(options.threads);
  const auto n = static_cast<faiss::Index::idx_t>(rows.size() / options.dim);
  try {
    faiss::ClusteringParameters parameters;
    parameters.spherical = options.metric != Metric::kL2;
    parameters.seed = static_cast<int>(options.seed & 0x7fffffff);
    parameters.min_points_per_centroid = 1;
    parameters.max_points_per_centroid = static_cast<int>(n / options.clusters) + 1;
    // One iteration a call, each going on from the centroids of the last: so a build can report and
    // stop.
    parameters.niter = 1;
    std::vector<float> centroids;
    for (int i = 0; i < options.iterations; ++i) {
      if (options.progress && !options.progress(static_cast<double>(i) / options.iterations)) {
        return absl::CancelledError("the build was cancelled");
      }
      faiss::Clustering clustering(static_cast<int>(options.dim),
                                   static_cast<int>(options.clusters), parameters);
      clustering.centroids = centroids;
      const std::unique_ptr<faiss::IndexFlat> index = FlatIndex(options);
      clustering.train(n, rows.data(), *index);
      centroids = clustering.centroids;
    }
    return centroids;
  } catch (const std::exception& e) {
    return absl::InternalError(
        absl::StrCat("k-means of ", options.clusters, " clusters failed: ", e.what()));
  }
}

absl::Status AssignToCentroids(const KMeansOptions& options, const std::vector<float>& centroids,
                               const float* rows, uint64_t n, std::vector<int64_t>* assigned) {
  BoundFaissThreads(options.threads);
  try {
    const std::unique_ptr<faiss::IndexFlat> index = FlatIndex(options);
    index->add(options.clusters, centroids.data());
    assigned->resize(n);
    index->assign(static_cast<faiss::Index::idx_t>(n), rows, assigned->data());
    return absl::OkStatus();
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("assigning ", n, " rows failed: ", e.what()));
  }
}

}  // namespace nestor
