#include "server/rpc/batch_search_call.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/log.h"
#include "server/rpc/convert_search.h"
#include "server/rpc/limits.h"
#include "server/rpc/search_memory.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

void AddCosts(const absl::InlinedVector<StageCost, 8>& costs,
              absl::InlinedVector<StageCost, 8>* sums) {
  if (sums->empty()) {
    *sums = costs;
    return;
  }
  for (size_t i = 0; i < costs.size() && i < sums->size(); ++i) {
    StageCost& sum = (*sums)[i];
    sum.in += costs[i].in;
    sum.out += costs[i].out;
    sum.bytes += costs[i].bytes;
    sum.multiply_adds += costs[i].multiply_adds;
    sum.micros += costs[i].micros;
    sum.store_reads += costs[i].store_reads;
  }
}

}  // namespace

void BatchSearchCall::RunOn(SearchView view) {
  view_.emplace(std::move(view));
  const absl::Status prepared = Prepare();
  if (!prepared.ok()) {
    view_.reset();
    return Complete(prepared);
  }
  // This thread works on the first share; the others join as they get free.
  shares_left_.store(share_count_, std::memory_order_relaxed);
  for (uint32_t i = 1; i < share_count_; ++i) backend().searches.Continue(&shares_[i]);
  Work(&shares_[0]);
}

absl::Status BatchSearchCall::Prepare() {
  const PointSchema schema(view_->schema(), view_->multi());
  absl::Status checked = CheckLimit(request().limit());
  if (!checked.ok()) return checked;
  const std::span<const uint32_t> counts(request().counts().data(),
                                         static_cast<size_t>(request().counts_size()));
  checked = CheckQueryCounts(counts, schema);
  if (!checked.ok()) return checked;
  checked = queries_.CheckShape(request().queries().dtype(), schema, counts);
  if (!checked.ok()) return AtField("queries", checked);
  const uint64_t hits = uint64_t{queries_.count()} * request().limit();
  if (hits > kMaxBatchHits) {
    return FieldError(
        "limit", absl::StrCat(queries_.count(), " queries x limit ", request().limit(), " = ", hits,
                              " hits, the limit is ", kMaxBatchHits));
  }
  const absl::StatusOr<CollectionInfo> info = engine().GetCollection(request().collection());
  if (!info.ok()) return info.status();
  id_kind_ = info->spec.id_kind;
  checked = CheckReplyBytes(hits, MaxColumnHitBytes(id_kind_));
  if (!checked.ok()) return AtField("limit", checked);
  absl::StatusOr<SearchHow> how = ToSearchHow(request(), schema, view_->built());
  if (!how.ok()) return how.status();
  search_.limit = request().limit();
  search_.how = *std::move(how);
  absl::StatusOr<std::vector<uint64_t>> list_ends =
      ToListEnds(request(), view_->built(), queries_.count());
  if (!list_ends.ok()) return list_ends.status();
  list_ends_ = *std::move(list_ends);
  search_.lists = {request().lists().data(), static_cast<size_t>(request().lists_size())};
  search_.seqs = false;
  search_.patience = patience();

  reply()->mutable_counts()->Resize(static_cast<int>(queries_.count()), 0);
  counts_ = reply()->mutable_counts()->mutable_data();
  reply()->mutable_scores()->Resize(static_cast<int>(hits), 0);
  scores_ = reply()->mutable_scores()->mutable_data();
  if (id_kind_ == IdKind::kNum) {
    reply()->mutable_ids()->mutable_nums()->Resize(static_cast<int>(hits), 0);
    nums_ = reply()->mutable_ids()->mutable_nums()->mutable_data();
  } else {
    reply()->mutable_ids();
    strs_.resize(hits);
  }

  const uint32_t blocks = (queries_.count() + kQueriesAtATime - 1) / kQueriesAtATime;
  share_count_ = std::min<uint32_t>(blocks, backend().searches.threads());
  shares_ = std::make_unique<Share[]>(share_count_);
  for (uint32_t i = 0; i < share_count_; ++i) shares_[i].call = this;
  return absl::OkStatus();
}

void BatchSearchCall::Work(Share* share) {
  share->yielded = false;
  absl::Status status =
      NotBuilt(view_->SearchMany(search_, share, &SearchMemory::OfThread().scratch));
  if (absl::IsInvalidArgument(status)) {
    status = AtField(absl::StrCat("queries (number ", share->last, ")"), status);
  }
  if (!status.ok()) {
    Fail(status);
  } else if (share->yielded) {
    return backend().searches.Continue(share);
  }
  if (shares_left_.fetch_sub(1, std::memory_order_acq_rel) == 1) FinishBatch();
}

std::optional<std::span<const float>> BatchSearchCall::Share::Next(size_t lane) {
  if (call->failed_.load(std::memory_order_relaxed) || yielded) return std::nullopt;
  const uint32_t count = call->queries_.count();
  if (next == end) {
    if (end > 0 && call->backend().searches.HasBacklog()) {
      yielded = true;
      end = next = 0;
      return std::nullopt;
    }
    next = call->next_query_.fetch_add(kQueriesAtATime, std::memory_order_relaxed);
    end = next + kQueriesAtATime;
  }
  if (next >= count) {
    end = next;
    return std::nullopt;
  }
  last = queries[lane] = next++;
  end = std::min(end, count);
  call->queries_.Prefetch(next);
  return call->queries_.At(last, &SearchMemory::OfThread().batch[lane]);
}

std::span<const uint32_t> BatchSearchCall::Share::Lists(size_t lane) const {
  const uint32_t query = queries[lane];
  const uint64_t begin = query == 0 ? 0 : call->list_ends_[query - 1];
  return call->search_.lists.subspan(begin, call->list_ends_[query] - begin);
}

void BatchSearchCall::Share::Take(size_t lane, const SearchReply& found) {
  const uint32_t query = queries[lane];
  call->counts_[query] = static_cast<uint32_t>(found.hits.size());
  size_t at = size_t{query} * call->search_.limit;
  for (const SearchHit& hit : found.hits) {
    if (call->nums_ != nullptr) {
      call->nums_[at] = std::get<uint64_t>(hit.id);
    } else {
      call->strs_[at] = std::get<std::string>(hit.id);
    }
    call->scores_[at++] = hit.score;
  }
  AddCosts(found.stages, &stages);
  if (query > 0) return;
  v1::BatchSearchResponse* reply = call->reply();
  reply->set_score_dim(found.score_dim);
  reply->set_unbuilt(found.unbuilt);
  reply->set_seq(found.seq);
  call->ran_ = found.how;
  if (const auto* plan = std::get_if<Plan>(&found.how)) {
    FromPlan(*plan, reply->mutable_plan_used());
  }
}

void BatchSearchCall::Fail(const absl::Status& status) {
  MutexLock lock(&mutex_);
  if (error_.ok()) error_ = status;
  failed_.store(true, std::memory_order_relaxed);
}

void BatchSearchCall::FinishBatch() {
  view_.reset();
  absl::Status status;
  {
    MutexLock lock(&mutex_);
    status = error_;
  }
  if (!status.ok()) return Complete(status);
  Compact();
  absl::InlinedVector<StageCost, 8> sums;
  for (uint32_t i = 0; i < share_count_; ++i) AddCosts(shares_[i].stages, &sums);
  for (const StageCost& cost : sums) FromStage(cost, reply()->add_stages());
  status = Encode();
  if (status.ok()) Observe();
  Complete(status);
}

void BatchSearchCall::Compact() {
  size_t to = 0;
  for (uint32_t query = 0; query < queries_.count(); ++query) {
    const size_t from = size_t{query} * search_.limit;
    for (size_t i = from; i < from + counts_[query]; ++i, ++to) {
      scores_[to] = scores_[i];
      if (nums_ != nullptr) {
        nums_[to] = nums_[i];
      } else {
        reply()->mutable_ids()->add_strs(std::move(strs_[i]));
      }
    }
  }
  strs_ = {};
  reply()->mutable_scores()->Truncate(static_cast<int>(to));
  if (nums_ != nullptr) reply()->mutable_ids()->mutable_nums()->Truncate(static_cast<int>(to));
}

void BatchSearchCall::Observe() {
  const auto spent = std::chrono::steady_clock::now() - entered();
  if (backend().slow_query.count() == 0 || spent < backend().slow_query * queries_.count()) return;
  Log(LogLevel::kWarning, "slow_batch",
      {{"collection", request().collection()},
       {"queries", queries_.count()},
       {"plan", FormatHow(ran_)},
       {"limit", request().limit()},
       {"micros", std::chrono::duration<double, std::micro>(spent).count()}});
}

}  // namespace nestor
