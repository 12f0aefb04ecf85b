#include "index/multi/token_search.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "index/stages.h"

namespace nestor {
namespace {

// On real tokens (ColBERTv2) the FDEs of 10,240 dims rank 19 of 20 of the 10 best among the first
// 64.
constexpr uint32_t kCandidates = 8;
// mv30k, a graph of 1,280 of 10,240 dims: recall@10 0.988 with these; 0.986 at 0.6 of the QPS with
// twice the nodes and the best 96 of them refined.
constexpr uint32_t kFromGraph = 16;
constexpr float kGraphMargin = 0.3f;
// Then codes, which lose next to nothing, leave twice as many as are wanted.
constexpr uint32_t kByCodes = 2;
// Of sums of up to some 10^5 products in floats, relative to the sum of their sizes.
constexpr double kSlack = 1e-4;
// Documents whose codes are under way from memory.
constexpr size_t kAhead = 2;

}  // namespace

Plan DefaultTokenPlan(const VectorSchema& schema, const VectorSchema& token,
                      const IndexShape& shape, uint32_t limit) {
  Plan plan = DefaultPlan(schema, shape, std::min(kCandidates * limit, kMaxLimit));
  if (plan.graph.has_value()) {
    // MaxSim on the codes of all that the graph finds costs less than to refine by the whole FDE.
    plan.graph->ef = std::min(kFromGraph * limit, kMaxEf);
    plan.graph->margin = kGraphMargin;
    plan.refine.clear();
  }
  plan.maxsim.push_back({token.dim, std::min(kByCodes * limit, kMaxLimit)});
  plan.rescore = true;
  return plan;
}

absl::StatusOr<std::unique_ptr<const MaxSimQuery>> TokenSearch::MakeQuery(uint32_t dim) const {
  MaxSimOptions options{.weights = tokens_.weights, .mean = tokens_.mean};
  options.exact_int8 = HasExactCodes(schema_) &&
                       std::all_of(tokens_.tokens.begin(), tokens_.tokens.end(), [](float value) {
                         return value >= -128 && value <= 127 &&
                                value == static_cast<float>(static_cast<int>(value));
                       });
  return MaxSimQuery::Make(tokens_.tokens, schema_.token.dim, dim, options);
}

// Under COSINE prefixes of tokens are compared as they are, unlike those of vectors: a stage looks
// for a part of the sum over all dims, in which a prefix counts by the share that it has of its
// token. mv30k as COSINE, recall@10 of the best 10 / 20 / 40 by 32 of 64 dims: 0.867 / 0.990
// / 1.000, and with both prefixes brought to unit length 0.754 / 0.930 / 0.986.
absl::Status TokenSearch::ScoreCodes(const MaxSimQuery& query, uint32_t dim, StageCost* cost) {
  const StageTimer timer(cost);
  StopPoll poll(query_);
  const size_t token_bytes = TokenCodeLayout(dim).groups() * 4 + sizeof(float);
  uint64_t tokens = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    if (i % 16 == 0) {
      if (absl::Status status = poll.Check(); !status.ok()) return status;
    }
    // Documents are anywhere in memory, each behind two pointers.
    if (i + 2 * kAhead < candidates_.size()) {
      __builtin_prefetch(rows_.At(candidates_[i + 2 * kAhead].slot).get());
    }
    if (i + kAhead < candidates_.size()) rows_.At(candidates_[i + kAhead].slot)->Prefetch();
    const TokenBlock& block = *rows_.At(candidates_[i].slot);
    candidates_[i].score = query.ScoreCodes(block.codes());
    tokens += block.tokens();
  }
  *cost = {.name = "maxsim", .dim = dim, .in = candidates_.size()};
  cost->bytes = tokens * token_bytes;
  cost->multiply_adds = tokens * query.size() * dim;
  return absl::OkStatus();
}

absl::Status TokenSearch::ScoreStored(const MaxSimQuery& query, Matches* matches, StageCost* cost) {
  const StageTimer timer(cost);
  if (absl::Status status = StopPoll(query_).Check(); !status.ok()) return status;
  if (matches != nullptr) {
    matches->assign(candidates_.size(), std::vector<TokenMatch>(query.size()));
  }
  std::vector<uint64_t> rows;
  rows.reserve(candidates_.size());
  for (const Scored& one : candidates_) rows.push_back(index_.RowAt(one.slot));
  uint64_t tokens = 0;
  const absl::Status read =
      source_.ReadTokens(rows, [&](size_t i, std::span<const float> document) {
        const size_t n = document.size() / schema_.token.dim;
        std::span<TokenMatch> found;
        if (matches != nullptr) found = (*matches)[i];
        candidates_[i].score = query.Score(document.data(), n, found);
        candidates_[i].at = static_cast<uint32_t>(i);
        tokens += n;
      });
  if (!read.ok()) return read;
  *cost = {.name = "rescore", .dim = schema_.token.dim, .in = candidates_.size()};
  cost->bytes = tokens * schema_.token.dim * DtypeBytes(schema_.token.dtype);
  cost->multiply_adds = tokens * query.size() * schema_.token.dim;
  cost->store_reads = candidates_.size();
  return absl::OkStatus();
}

void TokenSearch::Keep(size_t keep) {
  keep = std::min(keep, candidates_.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<ptrdiff_t>(keep),
                    candidates_.end(), [&](const Scored& a, const Scored& b) {
                      if (a.score != b.score) return a.score > b.score;
                      return index_.IdAt(a.slot) < index_.IdAt(b.slot);
                    });
  candidates_.resize(keep);
}

void TokenSearch::Finish(uint32_t score_dim, SearchResult* result, Matches* matches) {
  Keep(query_.limit);
  result->score_dim = score_dim;
  result->hits.clear();
  for (const Scored& one : candidates_) {
    result->hits.push_back({one.slot, static_cast<float>(one.score)});
  }
  if (matches == nullptr) return;
  Matches found;
  for (const Scored& one : candidates_) found.push_back(std::move((*matches)[one.at]));
  *matches = std::move(found);
}

absl::Status TokenSearch::Search(const Plan& plan, SearchScratch* scratch, SearchResult* result,
                                 Matches* matches) {
  SearchQuery by_fde = query_;
  Plan first = plan;
  first.maxsim.clear();
  first.rescore = false;
  if (!plan.maxsim.empty() || plan.rescore) by_fde.limit = LastKeep(first);
  absl::Status status = index_.Search(by_fde, first, scratch, result);
  if (!status.ok() || (plan.maxsim.empty() && !plan.rescore)) return status;
  candidates_.clear();
  for (const Hit& hit : result->hits) candidates_.push_back({hit.slot, hit.score, 0});
  uint32_t dim = 0;
  for (const Plan::Stage& stage : plan.maxsim) {
    const auto query = MakeQuery(stage.dim);
    if (!query.ok()) return query.status();
    StageCost cost;
    if (absl::Status s = ScoreCodes(**query, stage.dim, &cost); !s.ok()) return s;
    Keep(stage.keep);
    cost.out = candidates_.size();
    result->stages.push_back(cost);
    dim = stage.dim;
  }
  if (plan.rescore) {
    dim = schema_.token.dim;
    const auto query = MakeQuery(dim);
    if (!query.ok()) return query.status();
    StageCost cost;
    if (absl::Status s = ScoreStored(**query, matches, &cost); !s.ok()) return s;
    cost.out = std::min<size_t>(candidates_.size(), query_.limit);
    result->stages.push_back(cost);
  }
  Finish(dim, result, plan.rescore ? matches : nullptr);
  return absl::OkStatus();
}

absl::Status TokenSearch::Exact(SearchResult* result, Matches* matches) {
  const uint32_t dim = schema_.token.dim;
  const auto query = MakeQuery(dim);
  if (!query.ok()) return query.status();
  result->stages.clear();
  candidates_.clear();
  for (const uint32_t slot : index_.SlotsAt(query_.snapshot)) {
    if (slot != query_.skip_slot) candidates_.push_back({slot, 0, 0});
  }
  StageCost by_codes;
  if (absl::Status s = ScoreCodes(**query, dim, &by_codes); !s.ok()) return s;
  const auto bound = [&](const Scored& one) {
    const TokenBlock& block = *rows_.At(one.slot);
    return (*query)->CodeBound(block.longest(), block.error());
  };
  // What the limit-th best is at least. Slack for sums in floats.
  if (candidates_.size() > query_.limit) {
    std::vector<double> at_least;
    at_least.reserve(candidates_.size());
    for (const Scored& one : candidates_) at_least.push_back(one.score - bound(one));
    const auto nth = at_least.begin() + (query_.limit - 1);
    std::nth_element(at_least.begin(), nth, at_least.end(), std::greater<>());
    const double threshold = *nth;
    std::erase_if(candidates_, [&](const Scored& one) {
      const double reach = bound(one);
      return one.score + reach + kSlack * (std::abs(one.score) + reach) < threshold;
    });
  }
  by_codes.out = candidates_.size();
  result->stages.push_back(by_codes);
  StageCost cost;
  if (absl::Status s = ScoreStored(**query, matches, &cost); !s.ok()) return s;
  cost.name = "exact";
  cost.out = std::min<size_t>(candidates_.size(), query_.limit);
  result->stages.push_back(cost);
  Finish(dim, result, matches);
  return absl::OkStatus();
}

}  // namespace nestor
