#include "index/codes/train_opq.h"

#include <faiss/VectorTransform.h>
#include <faiss/impl/ProductQuantizer.h>

#include <algorithm>
#include <exception>

#include "absl/strings/str_cat.h"
#include "index/train.h"

namespace nestor {
namespace {

// Iterations of k-means within one of the rotation: FAISS's own numbers.
constexpr int kFirstKMeans = 40;
constexpr int kNextKMeans = 4;
constexpr int kLastKMeans = 25;

}  // namespace

absl::StatusOr<std::shared_ptr<const OpqQuantizer>> TrainOpq(const OpqTraining& training,
                                                             const std::vector<float>& rows) {
  const OpqSpec& spec = training.spec;
  if (const absl::Status valid = ValidateOpq(spec); !valid.ok()) return valid;
  const size_t n = std::min(rows.size() / spec.dim, kMaxOpqTrainingRows);
  if (n < spec.centroids()) {
    return absl::FailedPreconditionError(
        absl::StrCat("code ", OpqName(spec), ": training needs at least ", spec.centroids(),
                     " rows, as many as centroids; there are ", n));
  }
  const auto rows_n = static_cast<faiss::Index::idx_t>(n);
  BoundFaissThreads(training.threads);
  try {
    faiss::ProductQuantizer pq(spec.dim, spec.subquantizers(), spec.bits);
    pq.cp.seed = static_cast<int>(training.seed & 0x7fffffff);
    pq.cp.min_points_per_centroid = 1;
    faiss::OPQMatrix rotation(static_cast<int>(spec.dim), static_cast<int>(spec.subquantizers()));
    rotation.max_train_points = n;
    rotation.pq = &pq;
    // One iteration a call, each going on from the rotation and the centroids of the last: so
    // training can report and stop, and its k-means need not begin anew.
    rotation.niter = 1;
    for (int i = 0; i < training.iterations; ++i) {
      if (training.progress && !training.progress(static_cast<double>(i) / training.iterations)) {
        return absl::CancelledError("the training of a code was cancelled");
      }
      rotation.niter_pq_0 = i == 0 ? kFirstKMeans : kNextKMeans;
      rotation.train(rows_n, rows.data());
      pq.train_type = faiss::ProductQuantizer::Train_hot_start;
    }
    std::vector<float> rotated(n * spec.dim);
    rotation.apply_noalloc(rows_n, rows.data(), rotated.data());
    pq.cp.niter = kLastKMeans;
    pq.cp.max_points_per_centroid = static_cast<int>(n / spec.centroids()) + 1;
    pq.train(n, rotated.data());
    return OpqQuantizer::Make(spec, rotation.A, pq.centroids);
  } catch (const std::exception& e) {
    return absl::InternalError(
        absl::StrCat("training code ", OpqName(spec), " on ", n, " rows failed: ", e.what()));
  }
}

}  // namespace nestor
