// FAISS IndexIVFPQFastScan behind IndexRefineFlat: inverted lists over 4-bit product quantization,
// the best of them scored again by their floats.
#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexRefine.h>
#include <omp.h>

#include <chrono>
#include <exception>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/baselines/baseline.h"
#include "client/baselines/faiss_search.h"

namespace nestor {
namespace {

using RowNumber = faiss::Index::idx_t;

constexpr size_t kBits = 4;
// Dims of a piece: D / 8 bytes a row, 96 of 768 dims.
constexpr uint32_t kPieceDims = 4;

class FaissIvfPq : public Baseline {
 public:
  FaissIvfPq(Metric metric, uint32_t lists)
      : metric_(metric == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT),
        lists_(lists) {}

  absl::StatusOr<BuildReply> Build(const Matrix& base, int threads) override {
    const auto begin = std::chrono::steady_clock::now();
    if (base.dim % kPieceDims != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("faiss: ", base.dim, " dims are no multiple of ", kPieceDims));
    }
    const size_t pieces = base.dim / kPieceDims;
    const uint64_t lists = lists_ != 0 ? lists_ : DefaultLists(base.rows);
    omp_set_num_threads(threads);
    try {
      quantizer_ = std::make_unique<faiss::IndexFlat>(base.dim, metric_);
      lists_index_ = std::make_unique<faiss::IndexIVFPQFastScan>(quantizer_.get(), base.dim, lists,
                                                                 pieces, kBits, metric_);
      lists_index_->cp.spherical = metric_ == faiss::METRIC_INNER_PRODUCT;
      lists_index_->cp.min_points_per_centroid = 1;  // else a warning on small sets, nothing more
      index_ = std::make_unique<faiss::IndexRefineFlat>(lists_index_.get());
      index_->train(static_cast<RowNumber>(base.rows), base.values.data());
      index_->add(static_cast<RowNumber>(base.rows), base.values.data());
    } catch (const std::exception& e) {
      return absl::InternalError(absl::StrCat("faiss: building the codes failed: ", e.what()));
    }
    const auto end = std::chrono::steady_clock::now();
    return BuildReply{.seconds = std::chrono::duration<double>(end - begin).count(),
                      .bytes = {{"vectors", base.rows * base.dim * sizeof(float)},
                                {"codes", base.rows * pieces * kBits / 8},
                                {"ids", base.rows * sizeof(RowNumber)},
                                {"centroids", lists * base.dim * sizeof(float)}}};
  }

  absl::Status Set(absl::string_view setting) override {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(setting, absl::MaxSplits(',', 1));
    const absl::StatusOr<uint32_t> nprobe = ParseSetting(parts.first, "nprobe");
    const absl::StatusOr<uint32_t> k_factor = ParseSetting(parts.second, "kfactor");
    if (!nprobe.ok() || !k_factor.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("setting '", setting, "' is not nprobe=N,kfactor=N with N of 1 or more"));
    }
    lists_index_->nprobe = *nprobe;
    index_->k_factor = static_cast<float>(*k_factor);
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
  std::unique_ptr<faiss::IndexIVFPQFastScan> lists_index_;
  std::unique_ptr<faiss::IndexRefineFlat> index_;  // over lists_index_
};

}  // namespace

std::unique_ptr<Baseline> MakeFaissIvfPq(Metric metric, uint32_t lists) {
  return std::make_unique<FaissIvfPq>(metric, lists);
}

}  // namespace nestor
