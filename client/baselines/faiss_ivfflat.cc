// FAISS IndexIVFFlat: inverted lists over float vectors.
#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <omp.h>

#include <chrono>
#include <exception>

#include "absl/strings/str_cat.h"
#include "client/baselines/baseline.h"
#include "client/baselines/faiss_search.h"

namespace nestor {
namespace {

using RowNumber = faiss::Index::idx_t;

class FaissIvfFlat : public Baseline {
 public:
  FaissIvfFlat(Metric metric, uint32_t lists)
      : metric_(metric == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT),
        lists_(lists) {}

  absl::StatusOr<BuildReply> Build(const Matrix& base, int threads) override {
    const auto begin = std::chrono::steady_clock::now();
    const uint64_t lists = lists_ != 0 ? lists_ : DefaultLists(base.rows);
    omp_set_num_threads(threads);
    try {
      quantizer_ = std::make_unique<faiss::IndexFlat>(base.dim, metric_);
      index_ = std::make_unique<faiss::IndexIVFFlat>(quantizer_.get(), base.dim, lists, metric_);
      index_->cp.spherical = metric_ == faiss::METRIC_INNER_PRODUCT;
      index_->cp.min_points_per_centroid = 1;  // else a warning on small sets, nothing more
      index_->train(static_cast<RowNumber>(base.rows), base.values.data());
      index_->add(static_cast<RowNumber>(base.rows), base.values.data());
    } catch (const std::exception& e) {
      return absl::InternalError(absl::StrCat("faiss: building the lists failed: ", e.what()));
    }
    const auto end = std::chrono::steady_clock::now();
    return BuildReply{.seconds = std::chrono::duration<double>(end - begin).count(),
                      .bytes = {{"vectors", base.rows * base.dim * sizeof(float)},
                                {"ids", base.rows * sizeof(RowNumber)},
                                {"centroids", lists * base.dim * sizeof(float)}}};
  }

  absl::Status Set(absl::string_view setting) override {
    const absl::StatusOr<uint32_t> nprobe = ParseSetting(setting, "nprobe");
    if (!nprobe.ok()) return nprobe.status();
    index_->nprobe = *nprobe;
    return absl::OkStatus();
  }

  // The threads are the pass's: within a query there is one.
  void EnterThread() override { omp_set_num_threads(1); }

  absl::Status Answer(const float* query, std::span<uint64_t> ids) const override {
    return SearchFaiss(*index_, query, ids);
  }

 private:
  const faiss::MetricType metric_;
  const uint32_t lists_;
  std::unique_ptr<faiss::IndexFlat> quantizer_;
  std::unique_ptr<faiss::IndexIVFFlat> index_;
};

}  // namespace

std::unique_ptr<Baseline> MakeFaissIvfFlat(Metric metric, uint32_t lists) {
  return std::make_unique<FaissIvfFlat>(metric, lists);
}

}  // namespace nestor
