// Searching a pinned snapshot of a collection.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/engine/collection.h"
#include "server/engine/validate.h"

namespace nestor {

absl::StatusOr<SearchView> Collection::Pin(uint64_t min_seq, const Patience& patience) {
  absl::StatusOr<Snapshots::Pinned> pinned = snapshots_.Pin(min_seq, patience);
  if (!pinned.ok()) return pinned.status();
  return SearchView(shared_from_this(), std::move(pinned->generation), pinned->seq, pinned->points,
                    pinned->ticket);
}

absl::Status Collection::CheckQuery(std::span<const float> vector) const {
  if (vector.size() != schema_.dim) {
    return absl::InvalidArgumentError(absl::StrCat(
        "query has ", vector.size(), " values, the collection's dim is ", schema_.dim));
  }
  return ValidateVector(schema_, vector.data(), "query");
}

// The query's vector: the caller's, or that of a point, decoded into `space`.
absl::Status Collection::LoadQuery(const Generation& generation, uint64_t seq,
                                   const SearchRequest& request, std::vector<float>* space,
                                   SearchQuery* query) const {
  if (const auto* vector = std::get_if<std::span<const float>>(&request.query)) {
    query->vector = *vector;
    return CheckQuery(*vector);
  }
  const PointId& id = std::get<PointId>(request.query);
  if (absl::Status status = ValidateId(id_kind_, id); !status.ok()) return status;
  const uint32_t slot = generation.ids.FindAt(id, seq, *generation.index);
  if (slot == kNoSlot) return absl::NotFoundError(absl::StrCat("no point with id ", FormatId(id)));
  space->resize(schema_.dim);
  const std::byte* bytes = generation.index->VectorAt(slot);
  std::vector<std::byte> fetched;
  if (bytes == nullptr) {
    fetched.resize(vector_bytes_);
    const uint64_t row = generation.index->RowAt(slot);
    if (absl::Status status = stored_.Fetch({&row, 1}, fetched.data()); !status.ok()) {
      return status;
    }
    bytes = fetched.data();
  }
  DecodeVector(schema_.dtype, bytes, schema_.dim, space->data());
  query->vector = *space;
  query->skip_slot = slot;
  return absl::OkStatus();
}

absl::StatusOr<SearchHow> Collection::Resolve(const Generation& generation,
                                              const SearchRequest& request) const {
  if (request.limit == 0 || request.limit > kMaxLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit is ", request.limit, ", allowed are 1..", kMaxLimit));
  }
  const IvfIndex& index = *generation.index;
  if (const auto* exact = std::get_if<ExactSearch>(&request.how)) {
    const uint32_t dim = exact->dim == 0 ? schema_.dim : exact->dim;
    if (NestingIndex(schema_, dim) < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("exact dim ", dim, " is not in the collection's nesting"));
    }
    return ExactSearch{dim};
  }
  const auto* given = std::get_if<Plan>(&request.how);
  Plan plan = given != nullptr ? *given : DefaultPlan(schema_, index.Shape(), request.limit);
  if (absl::Status status = ValidatePlan(plan, schema_, request.limit); !status.ok()) {
    return status;
  }
  plan.coarse.probes = std::min(plan.coarse.probes, index.model().lists);
  return plan;
}

SearchQuery Collection::QueryOf(const SearchView& view, const SearchRequest& request) const {
  return {.limit = request.limit,
          .snapshot = view.seq_,
          .source = &stored_,
          .deadline = request.patience.deadline,
          .cancelled = request.patience.cancelled};
}

void Collection::Reply(const SearchView& view, const SearchRequest& request,
                       const SearchResult& result, SearchReply* reply) const {
  const Generation& generation = *view.generation_;
  context_->searches.fetch_add(1, std::memory_order_relaxed);
  reply->score_dim = result.score_dim;
  reply->stages = result.stages;
  reply->seq = view.seq_;
  reply->unbuilt = Unbuilt(generation, view.points_);
  reply->hits.resize(result.hits.size());
  for (size_t i = 0; i < result.hits.size(); ++i) {
    const Hit& found = result.hits[i];
    SearchHit& hit = reply->hits[i];
    hit.id = generation.index->IdAt(found.slot);
    hit.score = found.score;
    hit.seq = request.seqs ? generation.index->BornAt(found.slot) : 0;
    hit.vector.clear();
    hit.attributes.clear();
  }
}

absl::Status Collection::Search(const SearchView& view, const SearchRequest& request,
                                SearchScratch* scratch, SearchReply* reply) const {
  const Generation& generation = *view.generation_;
  SearchQuery query = QueryOf(view, request);
  std::vector<float> space;
  if (absl::Status status = LoadQuery(generation, view.seq_, request, &space, &query);
      !status.ok()) {
    return status;
  }
  absl::StatusOr<SearchHow> how = Resolve(generation, request);
  if (!how.ok()) return how.status();

  std::unique_ptr<SearchScratch> borrowed;
  if (scratch == nullptr) {
    borrowed = context_->scratches.Take();
    scratch = borrowed.get();
  }
  SearchResult result;
  const auto* exact = std::get_if<ExactSearch>(&*how);
  absl::Status status =
      exact != nullptr ? generation.index->SearchExact(query, exact->dim, scratch, &result)
                       : generation.index->Search(query, std::get<Plan>(*how), scratch, &result);
  if (borrowed != nullptr) context_->scratches.Return(std::move(borrowed));
  if (!status.ok()) return status;

  Reply(view, request, result, reply);
  reply->how = *std::move(how);
  if (!request.output.attributes && !request.output.vector) return absl::OkStatus();
  std::vector<uint32_t> slots;
  slots.reserve(result.hits.size());
  for (const Hit& hit : result.hits) slots.push_back(hit.slot);
  return ReadOutput(generation, slots, request.output,
                    [&](size_t i, std::string vector, Attributes attributes) {
                      reply->hits[i].vector = std::move(vector);
                      reply->hits[i].attributes = std::move(attributes);
                    });
}

absl::Status Collection::SearchMany(const SearchView& view, const SearchRequest& request,
                                    QueryFeed* feed, SearchScratch* scratch) const {
  const Generation& generation = *view.generation_;
  absl::StatusOr<SearchHow> how = Resolve(generation, request);
  if (!how.ok()) return how.status();

  // The feed as the index takes it.
  struct Feed final : SearchFeed {
    absl::StatusOr<bool> Next(size_t lane, SearchQuery* query) override {
      const std::optional<std::span<const float>> next = queries->Next(lane);
      if (!next.has_value()) return false;
      *query = like;
      query->vector = *next;
      const absl::Status status = collection->CheckQuery(*next);
      if (!status.ok()) return status;
      return true;
    }
    void Take(size_t lane, const SearchResult& result) override {
      collection->Reply(*view, *request, result, &reply);
      queries->Take(lane, reply);
    }
    const Collection* collection;
    const SearchView* view;
    const SearchRequest* request;
    QueryFeed* queries;
    SearchQuery like;
    SearchReply reply;
  };
  Feed searches;
  searches.collection = this;
  searches.view = &view;
  searches.request = &request;
  searches.queries = feed;
  searches.like = QueryOf(view, request);
  searches.reply.how = *how;

  const auto* exact = std::get_if<ExactSearch>(&*how);
  if (exact == nullptr) {
    return generation.index->SearchMany(std::get<Plan>(*how), &searches, scratch);
  }
  SearchResult result;
  while (true) {
    SearchQuery query;
    const absl::StatusOr<bool> next = searches.Next(0, &query);
    if (!next.ok() || !*next) return next.status();
    absl::Status status = generation.index->SearchExact(query, exact->dim, scratch, &result);
    if (!status.ok()) return status;
    searches.Take(0, result);
  }
}

// --- SearchView ---

SearchView::SearchView(std::shared_ptr<Collection> collection,
                       std::shared_ptr<Generation> generation, uint64_t seq, uint64_t points,
                       uint64_t ticket)
    : collection_(std::move(collection)),
      generation_(std::move(generation)),
      seq_(seq),
      points_(points),
      ticket_(ticket) {}

SearchView::SearchView(SearchView&&) noexcept = default;

SearchView& SearchView::operator=(SearchView&& other) noexcept {
  std::swap(collection_, other.collection_);
  std::swap(generation_, other.generation_);
  std::swap(seq_, other.seq_);
  std::swap(points_, other.points_);
  std::swap(ticket_, other.ticket_);
  return *this;
}

SearchView::~SearchView() {
  // The generation first: once the snapshot is unpinned, its collection may be torn down.
  generation_.reset();
  if (collection_ != nullptr) collection_->Unpin(ticket_);
}

const VectorSchema& SearchView::schema() const { return collection_->schema(); }
const IndexSpec& SearchView::built() const { return generation_->index->spec(); }

absl::Status SearchView::Search(const SearchRequest& request, SearchScratch* scratch,
                                SearchReply* reply) const {
  return collection_->Search(*this, request, scratch, reply);
}

absl::Status SearchView::SearchMany(const SearchRequest& request, QueryFeed* feed,
                                    SearchScratch* scratch) const {
  return collection_->SearchMany(*this, request, feed, scratch);
}

}  // namespace nestor
