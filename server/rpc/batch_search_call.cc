#include "server/rpc/batch_search_call.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/log.h"
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
  const VectorSchema& schema = view_->schema();
  absl::Status checked = CheckLimit(request().limit());
  if (!checked.ok()) return checked;
  checked = queries_.CheckShape(request().queries().dtype(), schema);
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
  how_ = *std::move(how);

  const uint32_t blocks = (queries_.count() + kQueriesAtATime - 1) / kQueriesAtATime;
  blocks_.resize(blocks);
  share_count_ = std::min<uint32_t>(blocks, backend().searches.threads());
  shares_ = std::make_unique<Share[]>(share_count_);
  for (uint32_t i = 0; i < share_count_; ++i) shares_[i].call = this;
  return absl::OkStatus();
}

void BatchSearchCall::Work(Share* share) {
  while (!failed_.load(std::memory_order_relaxed)) {
    const uint32_t block = next_block_.fetch_add(1, std::memory_order_relaxed);
    if (block >= blocks_.size()) break;
    const absl::Status status = SearchBlock(block, share);
    if (!status.ok()) {
      Fail(status);
    } else if (backend().searches.HasBacklog()) {
      return backend().searches.Continue(share);
    }
  }
  if (shares_left_.fetch_sub(1, std::memory_order_acq_rel) == 1) FinishBatch();
}

absl::Status BatchSearchCall::SearchBlock(uint32_t number, Share* share) {
  SearchMemory& memory = SearchMemory::OfThread();
  SearchReply& found = memory.reply;
  SearchRequest search;
  search.limit = request().limit();
  search.how = how_;
  search.seqs = false;
  search.patience = patience();
  const uint32_t begin = number * kQueriesAtATime;
  const uint32_t end = std::min(begin + kQueriesAtATime, queries_.count());
  Block& block = blocks_[number];
  block.counts.reserve(end - begin);
  for (uint32_t i = begin; i < end; ++i) {
    search.query = queries_.At(i, &memory.query);
    queries_.Prefetch(i + 1);
    const absl::Status status = view_->Search(search, &memory.scratch, &found);
    if (!status.ok()) return AtField(absl::StrCat("queries (number ", i, ")"), status);
    block.counts.push_back(static_cast<uint32_t>(found.hits.size()));
    for (SearchHit& hit : found.hits) {
      if (const auto* num = std::get_if<uint64_t>(&hit.id)) {
        block.nums.push_back(*num);
      } else {
        block.strs.push_back(std::move(std::get<std::string>(hit.id)));
      }
      block.scores.push_back(hit.score);
    }
    AddCosts(found.stages, &share->stages);
    if (i == 0) {
      reply()->set_score_dim(found.score_dim);
      reply()->set_unbuilt(found.unbuilt);
      reply()->set_seq(found.seq);
      if (const auto* plan = std::get_if<Plan>(&found.how))
        FromPlan(*plan, reply()->mutable_plan_used());
    }
  }
  return absl::OkStatus();
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
  size_t hits = 0;
  for (const Block& block : blocks_) hits += block.scores.size();
  reply()->mutable_counts()->Reserve(static_cast<int>(queries_.count()));
  reply()->mutable_scores()->Reserve(static_cast<int>(hits));
  v1::IdColumn* ids = reply()->mutable_ids();
  // A column that grows on an arena leaves its old selves behind.
  if (id_kind_ == IdKind::kNum) {
    ids->mutable_nums()->Reserve(static_cast<int>(hits));
  } else {
    ids->mutable_strs()->Reserve(static_cast<int>(hits));
  }
  for (Block& block : blocks_) {
    reply()->mutable_counts()->Add(block.counts.begin(), block.counts.end());
    reply()->mutable_scores()->Add(block.scores.begin(), block.scores.end());
    ids->mutable_nums()->Add(block.nums.begin(), block.nums.end());
    for (std::string& id : block.strs) ids->add_strs(std::move(id));
  }
  absl::InlinedVector<StageCost, 8> sums;
  for (uint32_t i = 0; i < share_count_; ++i) AddCosts(shares_[i].stages, &sums);
  for (const StageCost& cost : sums) FromStage(cost, reply()->add_stages());
  status = Encode();
  if (status.ok()) Observe();
  Complete(status);
}

void BatchSearchCall::Observe() {
  const auto spent = std::chrono::steady_clock::now() - entered();
  if (backend().slow_query.count() == 0 || spent < backend().slow_query * queries_.count()) return;
  Log(LogLevel::kWarning, "slow_batch",
      {{"collection", request().collection()},
       {"queries", queries_.count()},
       {"limit", request().limit()},
       {"micros", std::chrono::duration<double, std::micro>(spent).count()}});
}

}  // namespace nestor
