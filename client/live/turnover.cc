#include "client/live/turnover.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <numeric>
#include <string>
#include <utility>

#include "client/live/rows.h"
#include "index/build.h"
#include "index/graph/graph.h"
#include "index/ivf_index.h"
#include "index/plan.h"

namespace nestor {
namespace {

constexpr uint32_t kLimit = 10;
constexpr int kTurnovers = 10;
constexpr int kPairs = 7;
constexpr double kRepairAt = 0.05;  // as the server does
// Rows from one look of upkeep to the next: more than the server links to a graph meanwhile.
constexpr int kRowsBetweenSweeps = 1000;

struct Kind {
  const char* name;
  bool lists;
  bool graph;
};
constexpr Kind kKinds[] = {{"lists", true, false}, {"graph", false, true}, {"both", true, true}};

struct Measured {
  double recall = 0;
  double bytes = 0;  // a query
  double multiply_adds = 0;
  double qps = 0;
};

// An index with the bookkeeping that its writer and its upkeep need.
class Turned {
 public:
  Turned(std::unique_ptr<IvfIndex> index, size_t rows)
      : index_(std::move(index)), slots_(rows, kNoSlot) {
    for (uint32_t slot = 0; slot < index_->slot_limit(); ++slot) {
      slots_[index_->RowAt(slot)] = slot;
    }
  }

  IvfIndex& index() { return *index_; }
  uint64_t seq() const { return seq_; }

  absl::Status Overwrite(uint32_t row, const std::byte* vector) {
    const absl::StatusOr<uint32_t> slot =
        index_->Append(index_->Assign(vector), uint64_t{row}, row, ++seq_, vector);
    if (!slot.ok()) return slot.status();
    index_->MarkDead(std::exchange(slots_[row], *slot), seq_);
    return ++written_ % kRowsBetweenSweeps == 0 ? Sweep() : absl::OkStatus();
  }
  absl::Status Sweep() {
    if (Graph* graph = index_->graph(); graph != nullptr) {
      graph->SetOldest(seq_);
      if (graph->DeadShare() >= kRepairAt) {
        if (absl::Status s = graph->Repair(nullptr).status(); !s.ok()) return s;
      }
    }
    index_->ReclaimSlots(seq_);
    index_->FreeLists(++ticket_);
    while (index_->RewriteLists(10'000, ticket_)) {
    }
    return absl::OkStatus();
  }

 private:
  std::unique_ptr<IvfIndex> index_;
  std::vector<uint32_t> slots_;  // of rows
  uint64_t seq_ = 1;
  uint64_t ticket_ = 0;
  uint64_t written_ = 0;
};

class Comparison {
 public:
  Comparison(Metric metric, uint32_t dim, const std::vector<float>& base,
             const std::vector<float>& queries)
      : dim_(dim), base_(base), queries_(queries) {
    schema_ = {.dim = dim, .metric = metric, .dtype = Dtype::kF32};
    for (uint32_t d = 64; d < dim; d *= 2) schema_.nesting.push_back(d);
    schema_.nesting.push_back(dim);
  }

  absl::Status Run(const Kind& kind, std::span<const uint32_t> order) {
    std::vector<uint32_t> all(order.size());
    std::iota(all.begin(), all.end(), 0u);
    IndexSpec spec;
    spec.no_lists = !kind.lists;
    if (kind.graph) spec.graph = GraphSpec();
    std::vector<Turned> both;  // as built, turned over
    for (int i = 0; i < 2; ++i) {
      absl::StatusOr<std::unique_ptr<IvfIndex>> index =
          BuildIvfIndex(schema_, spec, IdKind::kNum, Rows(base_, dim_, all), {.threads = 2});
      if (!index.ok()) return index.status();
      both.emplace_back(*std::move(index), all.size());
    }
    for (int turn = 0; turn < kTurnovers; ++turn) {
      for (const uint32_t row : order) {
        const auto* vector = reinterpret_cast<const std::byte*>(base_.data() + size_t{row} * dim_);
        if (absl::Status s = both[1].Overwrite(row, vector); !s.ok()) return s;
      }
    }
    if (absl::Status s = SetTruth(&both[0]); !s.ok()) return s;
    IndexShape shape = both[0].index().Shape();
    for (const bool graph : {false, true}) {
      if (graph ? !kind.graph : !kind.lists) continue;
      if (!graph) shape.graph.reset();
      const Plan plan = DefaultPlan(schema_, shape, kLimit);
      shape = both[0].index().Shape();
      if (absl::Status s = Compare(kind.name, plan, &both); !s.ok()) return s;
    }
    return absl::OkStatus();
  }

 private:
  SearchQuery QueryAt(size_t q, uint64_t snapshot) const {
    return {.vector = std::span(queries_).subspan(q * dim_, dim_),
            .limit = kLimit,
            .snapshot = snapshot};
  }

  absl::Status SetTruth(Turned* turned) {
    truth_.clear();
    SearchResult result;
    for (size_t q = 0; q < queries_.size() / dim_; ++q) {
      absl::Status s =
          turned->index().SearchExact(QueryAt(q, turned->seq()), dim_, &scratch_, &result);
      if (!s.ok()) return s;
      for (const Hit& hit : result.hits) truth_.push_back(turned->index().RowAt(hit.slot));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Measured> Pass(const Plan& plan, Turned* turned) {
    const size_t n = queries_.size() / dim_;
    const IvfIndex& index = turned->index();
    SearchResult result;
    Measured sums;
    uint64_t found = 0;
    const auto begun = std::chrono::steady_clock::now();
    for (size_t q = 0; q < n; ++q) {
      absl::Status s = index.Search(QueryAt(q, turned->seq()), plan, &scratch_, &result);
      if (!s.ok()) return s;
      const auto truth = std::span(truth_).subspan(q * kLimit, kLimit);
      for (const Hit& hit : result.hits) {
        found += std::find(truth.begin(), truth.end(), index.RowAt(hit.slot)) != truth.end();
      }
      for (const StageCost& stage : result.stages) {
        sums.bytes += static_cast<double>(stage.bytes);
        sums.multiply_adds += static_cast<double>(stage.multiply_adds);
      }
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begun;
    const auto count = static_cast<double>(n);
    return Measured{.recall = static_cast<double>(found) / (count * kLimit),
                    .bytes = sums.bytes / count,
                    .multiply_adds = sums.multiply_adds / count,
                    .qps = count / seconds.count()};
  }

  absl::Status Compare(const char* name, const Plan& plan, std::vector<Turned>* both) {
    std::array<Measured, 2> measured;
    std::vector<double> ratios;
    for (int pair = 0; pair < kPairs; ++pair) {
      for (size_t i = 0; i < 2; ++i) {
        absl::StatusOr<Measured> pass = Pass(plan, &(*both)[i]);
        if (!pass.ok()) return pass.status();
        measured[i] = *pass;
      }
      ratios.push_back(measured[1].qps / measured[0].qps);
    }
    std::nth_element(ratios.begin(), ratios.begin() + kPairs / 2, ratios.end());
    const auto memory = [&](size_t i) {
      return static_cast<double>((*both)[i].index().Memory().Total());
    };
    std::printf(
        "%-5s  %-58s recall@10 %.4f, %.4f as built; memory x%.3f, bytes a query x%.3f, "
        "multiply-adds x%.3f, QPS x%.3f\n",
        name, FormatPlan(plan).c_str(), measured[1].recall, measured[0].recall,
        memory(1) / memory(0), measured[1].bytes / measured[0].bytes,
        measured[1].multiply_adds / measured[0].multiply_adds, ratios[kPairs / 2]);
    std::fflush(stdout);
    return absl::OkStatus();
  }

  const uint32_t dim_;
  const std::vector<float>& base_;
  const std::vector<float>& queries_;
  VectorSchema schema_;
  std::vector<uint64_t> truth_;  // row numbers, kLimit a query
  SearchScratch scratch_;
};

}  // namespace

absl::Status MeasureTurnovers(Metric metric, uint32_t dim, const std::vector<float>& base,
                              const std::vector<float>& queries, std::span<const uint32_t> order) {
  std::printf(
      "%d turnovers of %zu rows x %u in the order of a clustering; %zu queries, the median "
      "of %d alternating pairs\n",
      kTurnovers, order.size(), dim, queries.size() / dim, kPairs);
  Comparison comparison(metric, dim, base, queries);
  for (const Kind& kind : kKinds) {
    if (absl::Status s = comparison.Run(kind, order); !s.ok()) return s;
  }
  return absl::OkStatus();
}

}  // namespace nestor
