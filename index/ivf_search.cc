// Searching an index (ivf_index.h).
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "index/exact.h"
#include "index/ivf_index.h"
#include "index/ivf_rep.h"

namespace nestor {

SearchScratch::SearchScratch() : buffers_(std::make_unique<Buffers>()) {}
SearchScratch::~SearchScratch() = default;
SearchScratch::SearchScratch(SearchScratch&&) noexcept = default;

absl::Status IvfIndex::CheckDims(const Plan& plan) const {
  const uint32_t most = rep_->layout_.dim();
  if (most == rep_->schema_.dim) return absl::OkStatus();
  const auto beyond = [&](absl::string_view stage, uint32_t dim) {
    return absl::FailedPreconditionError(
        absl::StrCat("the plan ", FormatPlan(plan), ": ", stage, " dim ", dim, " is beyond the ",
                     most, " dims that this index has in memory; rescore reads the rest"));
  };
  const bool by_shells = !plan.graph.has_value() && !plan.code.has_value();
  if (by_shells && plan.scan.dim > most) return beyond("scan", plan.scan.dim);
  if (!plan.refine.empty() && plan.refine.back().dim > most) {
    return beyond("refine", plan.refine.back().dim);
  }
  return absl::OkStatus();
}

// In the order given: who names the nearest first lets the scan's threshold rise early.
void IvfIndex::TakeNamed(std::span<const uint32_t> lists, SearchScratch::Buffers* buffers) const {
  SearchScratch::Buffers& b = *buffers;
  b.is_named.resize(rep_->lists_.size());
  b.lists.clear();
  for (const uint32_t list : lists) {
    if (!b.is_named[list]) b.lists.push_back(list);
    b.is_named[list] = true;
  }
  for (const uint32_t list : b.lists) b.is_named[list] = false;
}

void IvfIndex::Coarse(const SearchContext& context, const Plan& plan,
                      SearchScratch::Buffers* buffers, StageCost* cost) const {
  const Rep& rep = *rep_;
  SearchScratch::Buffers& b = *buffers;
  StageTimer timer(cost);
  const uint32_t lists = rep.lists_.size();
  const uint32_t probes = std::min(plan.coarse.probes, lists);
  b.coarse_keys.resize(rep.coarse_.padded_lists());
  b.coarse_sums.resize(rep.coarse_.padded_lists());
  rep.coarse_.Score(rep.kernels_, context.query.vector.data(), plan.coarse.dim, &b.coarse_code,
                    b.coarse_sums.data(), b.coarse_keys.data());
  const float* keys = b.coarse_keys.data();
  const float threshold = SelectThreshold(rep.kernels_, keys, lists, probes);
  b.lists.clear();
  for (uint32_t l = 0; l < lists; ++l) {
    if (keys[l] >= threshold) b.lists.push_back(l);
  }
  // Nearest first: the scan's threshold rises early.
  std::sort(b.lists.begin(), b.lists.end(), [keys](uint32_t x, uint32_t y) {
    return keys[x] != keys[y] ? keys[x] > keys[y] : x < y;
  });
  if (b.lists.size() > probes) b.lists.resize(probes);
  // Lists without a centroid are far from everything, so that they take no probe from others; how
  // far those are that rows have come to nobody knows before the next build.
  if (!rep.coarse_.no_centroid().empty()) {
    std::erase_if(b.lists, [&](uint32_t l) { return !rep.model_->has_centroid(l); });
    for (const uint32_t l : rep.coarse_.no_centroid()) {
      const Run* first = rep.lists_.First(l);
      if (first != nullptr && first->count.load(std::memory_order_acquire) != 0) {
        b.lists.push_back(l);
      }
    }
  }
  cost->name = "coarse";
  cost->dim = plan.coarse.dim;
  cost->in = lists;
  cost->out = b.lists.size();
  cost->bytes = rep.coarse_.BytesAt(plan.coarse.dim);
  cost->multiply_adds = uint64_t{lists} * plan.coarse.dim;
}

absl::Status IvfIndex::ChooseByLists(const SearchContext& context, const Plan& plan,
                                     SearchScratch::Buffers* buffers, SearchResult* result) const {
  const Rep& rep = *rep_;
  SearchScratch::Buffers& b = *buffers;
  const SearchQuery& query = context.query;
  if (rep.spec_.no_lists) {
    return absl::FailedPreconditionError(
        absl::StrCat("the plan ", FormatPlan(plan), " needs lists; this index has a graph only"));
  }
  // Keeps the code; the search's snapshot keeps its column.
  std::shared_ptr<const CodeTable> codes;
  const CodeTable::Entry* code = nullptr;
  if (plan.code.has_value()) {
    codes = rep.codes();
    const absl::StatusOr<const CodeTable::Entry*> found = codes->Find(*plan.code, query.snapshot);
    if (!found.ok()) return found.status();
    code = *found;
  }
  // One list needs no choice.
  if (!query.lists.empty()) {
    TakeNamed(query.lists, &b);
  } else if (rep.lists_.size() == 1) {
    b.lists.assign(1, 0);
  } else {
    Coarse(context, plan, &b, &result->stages.emplace_back());
  }
  result->lists = static_cast<uint32_t>(b.lists.size());

  StageCost& cost = result->stages.emplace_back();
  StageTimer timer(&cost);
  cost.name = "scan";
  cost.dim = plan.scan.dim;
  if (code != nullptr) {
    EncodeShells(context, plan, rep.IsIntegral(query), &b);
    return b.code_scan.Run(context, *code, b.lists, plan.scan.keep, &b.stage, &b.candidates, &cost);
  }
  b.code.Encode(rep.layout_, query.vector.data(), rep.IsIntegral(query),
                plan.refine.empty() ? plan.scan.dim : plan.refine.back().dim);
  return Scan(context, b.lists, plan.scan.dim, plan.scan.keep, &b.code, &b.stage, &b.candidates,
              &cost);
}

absl::Status IvfIndex::Search(const SearchQuery& query, const Plan& plan, SearchScratch* scratch,
                              SearchResult* result) const {
  const Rep& rep = *rep_;
  SearchScratch::Buffers& b = *scratch->buffers_;
  const SearchContext context = rep.ContextOf(query);
  result->stages.clear();
  if (absl::Status s = CheckDims(plan); !s.ok()) return s;
  if (!plan.graph.has_value()) {
    if (absl::Status s = ChooseByLists(context, plan, &b, result); !s.ok()) return s;
    return Conclude(context, plan, plan.scan.dim, &b, result);
  }
  if (absl::Status s = GraphStage::Check(rep.graph_.get(), plan); !s.ok()) return s;
  {
    StageCost& cost = result->stages.emplace_back();
    StageTimer timer(&cost);
    const bool integral = rep.IsIntegral(query);
    GraphStage stage(context, *rep.graph_, rep.node_rows_, *plan.graph, integral,
                     /*alone=*/true, &b.graph);
    while (stage.Gather()) {
      if (absl::Status s = stage.Score(); !s.ok()) return s;
    }
    stage.Finish(&b.candidates, &cost);
    EncodeShells(context, plan, integral, &b);
  }
  return Conclude(context, plan, plan.graph->dim, &b, result);
}

void IvfIndex::EncodeShells(const SearchContext& context, const Plan& plan, bool integral,
                            SearchScratch::Buffers* buffers) const {
  if (plan.refine.empty()) return;
  buffers->code.Encode(rep_->layout_, context.query.vector.data(), integral,
                       plan.refine.back().dim);
}

absl::Status IvfIndex::Conclude(const SearchContext& context, const Plan& plan, uint32_t done,
                                SearchScratch::Buffers* buffers, SearchResult* result) const {
  const Rep& rep = *rep_;
  SearchScratch::Buffers& b = *buffers;
  if (plan.code.has_value() && !plan.refine.empty()) {
    // What a code stands for is no sum to carry on from.
    std::fill_n(b.candidates.sums.begin(), b.candidates.size, 0.0f);
    done = 0;
  }
  for (const Plan::Stage& stage : plan.refine) {
    StageCost& cost = result->stages.emplace_back();
    StageTimer timer(&cost);
    cost.name = "refine";
    cost.dim = stage.dim;
    Refine(context, done, stage.dim, stage.keep, &b.code, &b.stage, &b.candidates, &cost);
    done = stage.dim;
  }

  if (!plan.rescore) {
    HitsFromKeys(context, done, b.candidates, &result->hits);
    result->score_dim = done;
    return absl::OkStatus();
  }
  StageCost& cost = result->stages.emplace_back();
  StageTimer timer(&cost);
  cost.name = "rescore";
  cost.dim = rep.schema_.dim;
  cost.in = b.candidates.size;
  cost.bytes = b.candidates.size * rep.schema_.dim * DtypeBytes(rep.schema_.dtype);
  cost.multiply_adds = b.candidates.size * rep.schema_.dim;
  b.slots.assign(b.candidates.slots.begin(),
                 b.candidates.slots.begin() + static_cast<ptrdiff_t>(b.candidates.size));
  ExactScorer scorer(context, rep.schema_.dim, &b.stage, &b.candidates);
  if (absl::Status s = scorer.Add(b.slots); !s.ok()) return s;
  if (absl::Status s = scorer.Finish(&result->hits); !s.ok()) return s;
  cost.out = result->hits.size();
  cost.store_reads = scorer.store_reads();
  result->score_dim = rep.schema_.dim;
  return absl::OkStatus();
}

absl::Status IvfIndex::SearchExact(const SearchQuery& query, uint32_t dim, SearchScratch* scratch,
                                   SearchResult* result) const {
  const Rep& rep = *rep_;
  SearchScratch::Buffers& b = *scratch->buffers_;
  const SearchContext context = rep.ContextOf(query);
  result->stages.clear();
  StageCost& cost = result->stages.emplace_back();
  StageTimer timer(&cost);
  ExactScorer scorer(context, dim, &b.stage, &b.candidates);
  constexpr size_t kChunk = 256;
  StopPoll poll(query);
  b.slots.clear();
  uint64_t rows = 0;
  for (uint32_t l = 0; l < rep.lists_.size(); ++l) {
    for (const Run* run = rep.lists_.First(l); run != nullptr;
         run = run->next.load(std::memory_order_acquire)) {
      const uint32_t count = run->count.load(std::memory_order_acquire);
      for (uint32_t i = 0; i < count; ++i) {
        if (!Visible(*run, i, query)) continue;
        b.slots.push_back(run->slots[i]);
        if (b.slots.size() < kChunk) continue;
        if (absl::Status s = poll.Check(); !s.ok()) return s;
        if (absl::Status s = scorer.Add(b.slots); !s.ok()) return s;
        rows += b.slots.size();
        b.slots.clear();
      }
    }
  }
  if (absl::Status s = scorer.Add(b.slots); !s.ok()) return s;
  rows += b.slots.size();
  if (absl::Status s = scorer.Finish(&result->hits); !s.ok()) return s;
  cost.name = "exact";
  cost.dim = dim;
  cost.in = rows;
  cost.out = result->hits.size();
  cost.bytes = rows * dim * DtypeBytes(rep.schema_.dtype);
  cost.multiply_adds = rows * dim;
  cost.store_reads = scorer.store_reads();
  result->score_dim = dim;
  return absl::OkStatus();
}

}  // namespace nestor
