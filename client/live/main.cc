// nestor-live: what writes do to an index. Builds, inserts, deletes, repairs and turns over the
// rows of a file in process, and compares with an index built at once: QPS at equal recall of a
// graph; or, with --turnover, what ten turnovers leave of lists, a graph, and both.
//
//   nestor-live [--turnover] BASE QUERIES cosine|dot|l2 [ROWS]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/files/vector_file.h"
#include "client/live/rows.h"
#include "client/live/turnover.h"
#include "index/build.h"
#include "index/graph/graph.h"
#include "index/ivf_index.h"

namespace nestor {
namespace {

constexpr uint32_t kLimit = 10;
constexpr uint32_t kEf = 400;
constexpr double kRepairAt = 0.05;  // as the server does

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "nestor-live: %s\n", why.c_str());
  std::exit(1);
}

void Check(const absl::Status& status) {
  if (!status.ok()) Die(status.ToString());
}

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

class Lab {
 public:
  Lab(const std::string& base, const std::string& queries, Metric metric, uint64_t rows) {
    Load(base, rows, &base_);
    Load(queries, ~uint64_t{0}, &queries_);
    schema_ = {.dim = dim_, .nesting = {dim_}, .metric = metric, .dtype = Dtype::kF32};
    all_.resize(base_.size() / dim_);
    std::iota(all_.begin(), all_.end(), 0u);
  }

  void Run() {
    std::printf("%zu rows x %u, %zu queries; QPS of one thread, recall@%u\n", all_.size(), dim_,
                queries_.size() / dim_, kLimit);
    auto index = Build(all_, 1);
    const double one = build_seconds_;
    SetTruth(*index);
    index = Build(all_, 2);
    std::printf("build: %.1f s on one thread, %.1f s on two\n", one, build_seconds_);
    Measure("built at once", *index, nullptr);

    HalfInserted(*index);
    Orders();
    Turnovers(*index);
    HalfDeleted();
  }

  void RunTurnovers() const {
    Check(MeasureTurnovers(schema_.metric, dim_, base_, queries_, Clustered()));
  }

 private:
  using Index = std::unique_ptr<IvfIndex>;
  // QPS where the recall is reached, by log-linear interpolation between margins; 0 = it is not.
  struct Curve {
    std::vector<std::pair<double, double>> points;  // recall, qps; recall ascending
    double At(double recall) const {
      for (size_t i = 0; i < points.size(); ++i) {
        if (points[i].first < recall) continue;
        if (i == 0) return points[0].second;
        const auto& [r0, q0] = points[i - 1];
        const auto& [r1, q1] = points[i];
        const double part = (std::log(1 - r0) - std::log(1 - recall)) /
                            (std::log(1 - r0) - std::log(1 - std::min(r1, 0.99999)));
        return std::exp(std::log(q0) + part * (std::log(q1) - std::log(q0)));
      }
      return 0;
    }
  };

  void Load(const std::string& path, uint64_t rows, std::vector<float>* out) {
    const absl::StatusOr<VectorFile> file = VectorFile::Open(path);
    Check(file.status());
    dim_ = static_cast<uint32_t>(file->dim());
    rows = std::min(rows, file->rows());
    out->resize(rows * dim_);
    for (uint64_t r = 0; r < rows; ++r) file->ReadF32(r, std::span(*out).subspan(r * dim_, dim_));
  }

  Index Build(const std::vector<uint32_t>& order, int threads) {
    IndexSpec spec;
    spec.graph = GraphSpec();
    spec.no_lists = true;
    const Rows rows(base_, dim_, order);
    const auto begun = std::chrono::steady_clock::now();
    BuildOptions options;
    options.threads = threads;
    absl::StatusOr<Index> index = BuildIvfIndex(schema_, spec, IdKind::kNum, rows, options);
    Check(index.status());
    build_seconds_ = Seconds(begun);
    seq_ = 1;
    slots_.assign(all_.size(), kNoSlot);
    for (uint32_t slot = 0; slot < (*index)->slot_limit(); ++slot) {
      slots_[(*index)->RowAt(slot)] = slot;
    }
    return *std::move(index);
  }

  void Insert(IvfIndex* index, uint32_t row) {
    const auto* vector = reinterpret_cast<const std::byte*>(base_.data() + size_t{row} * dim_);
    const absl::StatusOr<uint32_t> slot = index->Append(0, uint64_t{row}, row, ++seq_, vector);
    Check(slot.status());
    slots_[row] = *slot;
    index->graph()->SetOldest(seq_);
  }

  void Erase(IvfIndex* index, uint32_t row) {
    index->MarkDead(slots_[row], ++seq_);
    slots_[row] = kNoSlot;
    index->graph()->SetOldest(seq_);
    if (index->graph()->DeadShare() < kRepairAt) return;
    const auto begun = std::chrono::steady_clock::now();
    const absl::StatusOr<uint64_t> repaired = index->graph()->Repair(nullptr);
    Check(repaired.status());
    repair_seconds_ += Seconds(begun);
    repaired_ += *repaired;
  }

  std::vector<uint64_t> Exact(const IvfIndex& index) {
    std::vector<uint64_t> ids;
    SearchScratch scratch;
    SearchResult result;
    for (size_t q = 0; q < queries_.size() / dim_; ++q) {
      Check(index.SearchExact(QueryAt(q), dim_, &scratch, &result));
      for (uint32_t i = 0; i < kLimit; ++i) {
        ids.push_back(std::get<uint64_t>(index.IdAt(result.hits[i].slot)));
      }
    }
    return ids;
  }
  void SetTruth(const IvfIndex& index) { truth_ = Exact(index); }

  SearchQuery QueryAt(size_t q) const {
    return {
        .vector = std::span(queries_).subspan(q * dim_, dim_), .limit = kLimit, .snapshot = seq_};
  }

  // One pass: recall and QPS.
  std::pair<double, double> Pass(const IvfIndex& index, const Plan& plan) {
    SearchResult result;
    const size_t n = queries_.size() / dim_;
    uint64_t found = 0;
    double seconds = 0;
    for (size_t q = 0; q < n; ++q) {
      const auto begun = std::chrono::steady_clock::now();
      Check(index.Search(QueryAt(q), plan, &scratch_, &result));
      seconds += Seconds(begun);
      const auto truth = std::span(truth_).subspan(q * kLimit, kLimit);
      for (const Hit& hit : result.hits) {
        found += std::find(truth.begin(), truth.end(), std::get<uint64_t>(index.IdAt(hit.slot))) !=
                 truth.end();
      }
    }
    return {static_cast<double>(found) / static_cast<double>(n * kLimit),
            static_cast<double>(n) / seconds};
  }

  Plan PlanOf(const IvfIndex& index, float margin, uint32_t ef) const {
    Plan plan;
    plan.graph = {.dim = index.spec().graph->dim, .ef = ef, .margin = margin};
    if (plan.graph->dim < dim_) plan.refine.push_back({dim_, 12});
    plan.rescore = true;
    return plan;
  }

  static constexpr float kMargins[] = {0.03f, 0.05f, 0.07f, 0.09f, 0.11f,
                                       0.13f, 0.16f, 0.19f, 0.23f, 0.28f};
  static constexpr int kPasses = 5;
  static constexpr double kEnough = 0.995;

  // Passes of both alternate, so that what else the machine does hits both; the fastest counts.
  void Measure(const std::string& name, const IvfIndex& index, const IvfIndex* against) {
    Curve curves[2];
    for (const float margin : kMargins) {
      double best[2] = {0, 0}, recall[2] = {0, 0};
      for (int pass = 0; pass < kPasses; ++pass) {
        for (size_t i = 0; i < (against == nullptr ? 1 : 2); ++i) {
          const IvfIndex& measured = i == 0 ? index : *against;
          const auto [r, qps] = Pass(measured, PlanOf(measured, margin, kEf));
          recall[i] = r;
          best[i] = std::max(best[i], qps);
        }
      }
      for (size_t i = 0; i < 2; ++i) {
        if (recall[i] > (curves[i].points.empty() ? 0 : curves[i].points.back().first)) {
          curves[i].points.emplace_back(recall[i], best[i]);
        }
      }
      if (recall[0] > kEnough && (against == nullptr || recall[1] > kEnough)) break;
    }
    std::printf("%-44s", name.c_str());
    for (const double recall : {0.95, 0.99}) {
      const double qps = curves[0].At(recall);
      std::printf("  at %.2f %8.0f", recall, qps);
      if (against != nullptr) std::printf(" (%+.1f %%)", 100 * (qps / curves[1].At(recall) - 1));
    }
    std::printf("  mended %llu\n", static_cast<unsigned long long>(index.graph()->mended()));
    std::fflush(stdout);
  }

  void HalfInserted(const IvfIndex& at_once) {
    const size_t half = all_.size() / 2;
    const Index index = Build({all_.begin(), all_.begin() + static_cast<ptrdiff_t>(half)}, 2);
    const auto begun = std::chrono::steady_clock::now();
    for (size_t i = half; i < all_.size(); ++i) Insert(index.get(), all_[i]);
    std::printf("inserted one by one: %.0f rows/s on one thread\n",
                static_cast<double>(all_.size() - half) / Seconds(begun));
    Measure("half built, half inserted", *index, &at_once);
  }

  void Orders() {
    const auto report = [&](const char* name, const std::vector<uint32_t>& order) {
      const Index index = Build(order, 2);
      std::printf("inserted by %-8s  recall %.4f at ef 64\n", name,
                  Pass(*index, PlanOf(*index, 0, 64)).first);
      std::fflush(stdout);
    };
    std::vector<uint32_t> order = all_;
    std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
    report("chance", order);
    std::vector<double> norms;
    for (const uint32_t row : all_) {
      const float* x = base_.data() + size_t{row} * dim_;
      norms.push_back(std::inner_product(x, x + dim_, x, 0.0));
    }
    order = all_;
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return norms[a] < norms[b]; });
    report("norm", order);
    report("cluster", Clustered());
  }

  // Rows list by list of a k-means.
  std::vector<uint32_t> Clustered() const {
    IndexSpec spec;
    spec.lists = 256;
    spec.coarse_dim = dim_;
    BuildOptions options;
    options.threads = 2;
    const absl::StatusOr<Index> lists =
        BuildIvfIndex(schema_, spec, IdKind::kNum, Rows(base_, dim_, all_), options);
    Check(lists.status());
    std::vector<uint32_t> order;  // slots lie list by list
    for (uint32_t slot = 0; slot < (*lists)->slot_limit(); ++slot) {
      order.push_back(static_cast<uint32_t>((*lists)->RowAt(slot)));
    }
    return order;
  }

  void Turnovers(const IvfIndex& at_once) {
    const std::vector<uint32_t> order = Clustered();
    const Index index = Build(all_, 2);
    for (int turn = 1; turn <= 3; ++turn) {
      repair_seconds_ = 0;
      repaired_ = 0;
      for (const uint32_t row : order) {
        Erase(index.get(), row);
        Insert(index.get(), row);
      }
      std::printf("turnover %d: repair took %.0f us a row; %u nodes for %zu rows, %.1f %% dead\n",
                  turn, repaired_ == 0 ? 0 : 1e6 * repair_seconds_ / static_cast<double>(repaired_),
                  index->graph()->nodes().limit(), all_.size(), 100 * index->graph()->DeadShare());
      Measure(absl::StrCat("after ", turn, " turnovers in clustered order"), *index, &at_once);
    }
    Check(index->graph()->Repair(nullptr).status());
    Measure("the same, all dead taken out", *index, &at_once);
  }

  void HalfDeleted() {
    std::vector<uint32_t> order = all_;
    std::shuffle(order.begin(), order.end(), std::mt19937_64(2));
    const auto half = static_cast<ptrdiff_t>(order.size() / 2);
    const Index fresh = Build({order.begin() + half, order.end()}, 2);
    SetTruth(*fresh);
    const Index index = Build(all_, 2);
    for (auto row = order.begin(); row != order.begin() + half; ++row) Erase(index.get(), *row);
    Check(index->graph()->Repair(nullptr).status());
    Measure("the other half deleted, against a fresh build", *index, fresh.get());
  }

  uint32_t dim_ = 0;
  std::vector<float> base_, queries_;
  VectorSchema schema_;
  std::vector<uint32_t> all_;
  std::vector<uint64_t> truth_;
  SearchScratch scratch_;
  std::vector<uint32_t> slots_;  // of rows
  uint64_t seq_ = 1;
  double build_seconds_ = 0;
  double repair_seconds_ = 0;
  uint64_t repaired_ = 0;
};

int Main(int argc, char** argv) {
  uint64_t rows = ~uint64_t{0};
  const bool turnover = argc > 1 && absl::string_view(argv[1]) == "--turnover";
  if (turnover) {
    --argc;
    ++argv;
  }
  if (argc < 4 || argc > 5 || (argc == 5 && !absl::SimpleAtoi(argv[4], &rows))) {
    std::fprintf(stderr, "usage: nestor-live [--turnover] BASE QUERIES cosine|dot|l2 [ROWS]\n");
    return 2;
  }
  const absl::StatusOr<Metric> metric = ParseMetric(argv[3]);
  if (!metric.ok()) {
    std::fprintf(stderr, "nestor-live: %s\n", metric.status().ToString().c_str());
    return 2;
  }
  Lab lab(argv[1], argv[2], *metric, rows);
  if (turnover) {
    lab.RunTurnovers();
  } else {
    lab.Run();
  }
  return 0;
}

}  // namespace
}  // namespace nestor

int main(int argc, char** argv) { return nestor::Main(argc, argv); }
