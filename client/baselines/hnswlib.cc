// hnswlib: a navigable small-world graph over float vectors.
#include <hnswlib/hnswlib.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "client/baselines/baseline.h"

namespace nestor {
namespace {

constexpr size_t kLinks = 16;  // M
constexpr size_t kEfConstruction = 200;

class Hnswlib : public Baseline {
 public:
  explicit Hnswlib(Metric metric) : metric_(metric) {}

  absl::StatusOr<BuildReply> Build(const Matrix& base, int threads) override {
    const auto begin = std::chrono::steady_clock::now();
    try {
      if (metric_ == Metric::kL2) {
        space_ = std::make_unique<hnswlib::L2Space>(base.dim);
      } else {
        space_ = std::make_unique<hnswlib::InnerProductSpace>(base.dim);
      }
      graph_ = std::make_unique<hnswlib::HierarchicalNSW<float>>(space_.get(), base.rows, kLinks,
                                                                 kEfConstruction);
    } catch (const std::exception& e) {
      return absl::InternalError(absl::StrCat("hnswlib: making the graph failed: ", e.what()));
    }
    if (absl::Status s = AddRows(base, threads); !s.ok()) return s;
    const auto end = std::chrono::steady_clock::now();
    const uint64_t vectors = base.rows * base.dim * sizeof(float);
    uint64_t links = base.rows * graph_->size_data_per_element_ - vectors;
    for (uint64_t i = 0; i < base.rows; ++i)
      links += graph_->element_levels_[i] * graph_->size_links_per_element_;
    return BuildReply{.seconds = std::chrono::duration<double>(end - begin).count(),
                      .bytes = {{"vectors", vectors}, {"links", links}}};
  }

  absl::Status Set(absl::string_view setting) override {
    const absl::StatusOr<uint32_t> ef = ParseSetting(setting, "ef");
    if (!ef.ok()) return ef.status();
    graph_->setEf(*ef);
    return absl::OkStatus();
  }

  absl::Status Answer(const float* query, std::span<uint64_t> ids) const override {
    try {
      auto found = graph_->searchKnn(query, ids.size());  // worst first
      for (size_t i = found.size(); i > 0; --i) {
        ids[i - 1] = found.top().second;
        found.pop();
      }
      return absl::OkStatus();
    } catch (const std::exception& e) {
      return absl::InternalError(absl::StrCat("hnswlib: search failed: ", e.what()));
    }
  }

 private:
  absl::Status AddRows(const Matrix& base, int threads) {
    std::atomic<uint64_t> next{0};
    std::mutex mutex;
    absl::Status status;
    const auto work = [&] {
      try {
        for (uint64_t i = next++; i < base.rows; i = next++) graph_->addPoint(base.row(i), i);
      } catch (const std::exception& e) {
        const std::lock_guard<std::mutex> lock(mutex);
        status = absl::InternalError(absl::StrCat("hnswlib: adding a row failed: ", e.what()));
      }
    };
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(work);
    work();
    for (std::thread& thread : others) thread.join();
    return status;
  }

  const Metric metric_;
  std::unique_ptr<hnswlib::SpaceInterface<float>> space_;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph_;
};

}  // namespace

std::unique_ptr<Baseline> MakeHnswlib(Metric metric) { return std::make_unique<Hnswlib>(metric); }

}  // namespace nestor
