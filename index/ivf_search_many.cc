// Several searches on one thread (ivf_index.h, SearchMany).
#include <array>
#include <chrono>
#include <optional>

#include "index/ivf_index.h"
#include "index/ivf_rep.h"

namespace nestor {
namespace {

// What a search's graph stage took, where several share the thread: a span of time counts for each
// of those under way by equal parts.
class SharedTime {
 public:
  // What follows the last call was spent on `searches`.
  void Spend(size_t searches) {
    const auto now = std::chrono::steady_clock::now();
    if (searches > 0) {
      each_ += std::chrono::duration<double, std::micro>(now - last_).count() /
               static_cast<double>(searches);
    }
    last_ = now;
  }
  // Of a search that was under way all the time, microseconds.
  double each() const { return each_; }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  double each_ = 0;
};

// A search that is under way.
struct Lane {
  SearchQuery query;
  std::optional<SearchContext> context;
  std::optional<GraphStage> stage;  // nullopt: the lane is free
  bool integral = false;
  bool more = false;
  double begun = 0;  // in shared time
};

}  // namespace

absl::Status IvfIndex::SearchMany(const Plan& plan, SearchFeed* feed,
                                  SearchScratch* scratch) const {
  const Rep& rep = *rep_;
  SearchResult& result = scratch->buffers_->result;
  if (!plan.graph.has_value()) {
    while (true) {
      SearchQuery query;
      const absl::StatusOr<bool> next = feed->Next(0, &query);
      if (!next.ok() || !*next) return next.status();
      if (absl::Status s = Search(query, plan, scratch, &result); !s.ok()) return s;
      feed->Take(0, result);
    }
  }
  if (absl::Status s = CheckDims(plan); !s.ok()) return s;
  if (absl::Status s = GraphStage::Check(rep.graph_.get(), plan); !s.ok()) return s;

  if (scratch->second_ == nullptr) scratch->second_ = std::make_unique<SearchScratch::Buffers>();
  const std::array<SearchScratch::Buffers*, SearchFeed::kLanes> buffers = {scratch->buffers_.get(),
                                                                           scratch->second_.get()};
  std::array<Lane, SearchFeed::kLanes> lanes;
  SharedTime time;
  size_t busy = 0;

  const auto begin = [&](size_t l) -> absl::Status {
    Lane& lane = lanes[l];
    time.Spend(busy);
    const absl::StatusOr<bool> next = feed->Next(l, &lane.query);
    if (!next.ok() || !*next) return next.status();
    time.Spend(0);
    lane.begun = time.each();
    lane.context.emplace(rep.ContextOf(lane.query));
    lane.integral = rep.IsIntegral(lane.query);
    lane.stage.emplace(*lane.context, *rep.graph_, rep.node_rows_, *plan.graph, lane.integral,
                       /*alone=*/false, &buffers[l]->graph);
    lane.more = lane.stage->Gather();
    ++busy;
    return absl::OkStatus();
  };
  const auto end = [&](size_t l) -> absl::Status {
    Lane& lane = lanes[l];
    result.stages.clear();
    StageCost& cost = result.stages.emplace_back();
    lane.stage->Finish(&buffers[l]->candidates, &cost);
    lane.stage.reset();
    EncodeShells(*lane.context, plan, lane.integral, buffers[l]);
    time.Spend(busy--);
    cost.micros = time.each() - lane.begun;
    absl::Status s = Conclude(*lane.context, plan, plan.graph->dim, buffers[l], &result);
    if (s.ok()) feed->Take(l, result);
    time.Spend(0);
    return s;
  };

  for (size_t l = 0; l < lanes.size(); ++l) {
    if (absl::Status s = begin(l); !s.ok()) return s;
  }
  while (busy > 0) {
    for (size_t l = 0; l < lanes.size(); ++l) {
      Lane& lane = lanes[l];
      if (!lane.stage.has_value()) continue;
      if (lane.more) {
        if (absl::Status s = lane.stage->Score(); !s.ok()) return s;
        lane.more = lane.stage->Gather();
        continue;
      }
      if (absl::Status s = end(l); !s.ok()) return s;
      if (absl::Status s = begin(l); !s.ok()) return s;
    }
  }
  return absl::OkStatus();
}

}  // namespace nestor
