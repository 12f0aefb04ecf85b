// Searching a pinned snapshot of a collection.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/multi/token_search.h"
#include "server/engine/collection.h"
#include "server/engine/validate.h"

namespace nestor {
namespace {

absl::Status CheckQuery(const VectorSchema& schema, std::span<const float> vector) {
  if (vector.size() != schema.dim) {
    return absl::InvalidArgumentError(
        absl::StrCat("query has ", vector.size(), " values, the collection's dim is ", schema.dim));
  }
  return ValidateVector(schema, vector.data(), "query");
}

absl::StatusOr<SearchHow> ResolveExactTokens(const VectorSchema& token, uint32_t dim) {
  if (dim == 0 || dim == token.dim) return ExactSearch{token.dim};
  return absl::InvalidArgumentError(absl::StrCat(
      "exact dim ", dim, ": token matrices are compared exactly in all ", token.dim, " dims"));
}

}  // namespace

absl::StatusOr<SearchView> Collection::Pin(uint64_t min_seq, const Patience& patience) {
  absl::StatusOr<Snapshots::Pinned> pinned = snapshots_.Pin(min_seq, patience);
  if (!pinned.ok()) return pinned.status();
  return SearchView(shared_from_this(), std::move(pinned->generation), pinned->seq, pinned->points,
                    pinned->ticket);
}

absl::Status Collection::EncodeFde(std::span<const float> tokens, const FdeOptions& options,
                                   std::vector<float>* fde, VectorSchema* schema) const {
  if (!multi_) {
    return absl::FailedPreconditionError("the collection is of vectors (kind SINGLE): no FDEs");
  }
  const std::shared_ptr<const Generation> generation = snapshots_.Peek().generation;
  const PointCodec& codec = generation->codec();
  const absl::StatusOr<TokenSet> set = codec.ReadTokens(tokens);
  if (!set.ok()) return set.status();
  *schema = codec.schema();
  const FdeSpec& spec = codec.fde()->spec();
  const uint32_t repetitions = options.repetitions == 0 ? spec.repetitions : options.repetitions;
  fde->resize(spec.dims_of(std::min(repetitions, spec.repetitions)));
  return codec.fde()->Encode(set->values(), options, fde->data());
}

absl::Status Collection::LoadPoint(const Generation& generation, const PointId& id,
                                   Prepared* prepared) const {
  if (absl::Status status = ValidateId(id_kind_, id); !status.ok()) return status;
  SearchQuery& query = prepared->query;
  const uint32_t slot = generation.ids.FindAt(id, query.snapshot, *generation.index);
  if (slot == kNoSlot) return absl::NotFoundError(absl::StrCat("no point with id ", FormatId(id)));
  query.skip_slot = slot;
  const uint64_t row = generation.index->RowAt(slot);
  const PointCodec& codec = generation.codec();
  if (multi_) {
    return generation.points.Read({&row, 1}, nullptr, [&](size_t, const PointView& point) {
      absl::StatusOr<PreparedTokens> tokens = codec.PrepareStored(point.vector);
      if (!tokens.ok()) return tokens.status();
      prepared->tokens = *std::move(tokens);
      query.vector = prepared->tokens.fde;
      return absl::OkStatus();
    });
  }
  const VectorSchema& schema = codec.schema();
  prepared->vector.resize(schema.dim);
  const std::byte* bytes = generation.index->VectorAt(slot);
  std::vector<std::byte> fetched;
  if (bytes == nullptr) {
    fetched.resize(codec.vector_bytes());
    if (absl::Status s = generation.points.Fetch({&row, 1}, fetched.data()); !s.ok()) return s;
    bytes = fetched.data();
  }
  DecodeVector(schema.dtype, bytes, schema.dim, prepared->vector.data());
  query.vector = prepared->vector;
  return absl::OkStatus();
}

absl::Status Collection::LoadQuery(const Generation& generation, const SearchRequest& request,
                                   Prepared* prepared) const {
  if (const auto* id = std::get_if<PointId>(&request.query)) {
    return LoadPoint(generation, *id, prepared);
  }
  const auto* tokens = std::get_if<TokenQuery>(&request.query);
  if ((tokens != nullptr) != multi_) {
    return absl::InvalidArgumentError(
        tokens != nullptr ? "a query of tokens, for a collection of vectors (kind SINGLE)"
                          : "a query vector, for a collection of tokens (kind MULTI)");
  }
  if (tokens == nullptr) {
    prepared->query.vector = std::get<std::span<const float>>(request.query);
    return CheckQuery(generation.schema(), prepared->query.vector);
  }
  absl::StatusOr<PreparedTokens> encoded = generation.codec().Prepare(*tokens);
  if (!encoded.ok()) return encoded.status();
  prepared->tokens = *std::move(encoded);
  prepared->query.vector = prepared->tokens.fde;
  return absl::OkStatus();
}

absl::StatusOr<SearchHow> Collection::Resolve(const Generation& generation,
                                              const SearchRequest& request) const {
  if (request.limit == 0 || request.limit > kMaxLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit is ", request.limit, ", allowed are 1..", kMaxLimit));
  }
  const IvfIndex& index = *generation.index;
  const VectorSchema& schema = generation.schema();
  const MultiSpec* const multi = generation.codec().multi();
  const bool named = !request.lists.empty();
  if (const auto* exact = std::get_if<ExactSearch>(&request.how)) {
    if (named) return absl::InvalidArgumentError("lists are named, for an exact search");
    if (multi != nullptr) return ResolveExactTokens(multi->tokens.token, exact->dim);
    const uint32_t dim = exact->dim == 0 ? schema.dim : exact->dim;
    if (NestingIndex(schema, dim) < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("exact dim ", dim, " is not in the collection's nesting"));
    }
    return ExactSearch{dim};
  }
  const auto* given = std::get_if<Plan>(&request.how);
  Plan plan;
  if (given != nullptr) {
    plan = *given;
  } else {
    IndexShape shape = index.Shape();
    if (named) shape.graph.reset();
    plan = multi != nullptr ? DefaultTokenPlan(schema, multi->tokens.token, shape, request.limit)
                            : DefaultPlan(schema, shape, request.limit);
  }
  if (named && plan.graph.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("lists are named, for the plan ", FormatPlan(plan), ", which has none"));
  }
  const absl::Status valid =
      ValidatePlan(plan, schema, request.limit, multi == nullptr ? nullptr : &multi->tokens.token);
  if (!valid.ok()) return valid;
  plan.coarse.probes = std::min(plan.coarse.probes, index.model().lists);
  return plan;
}

SearchQuery Collection::QueryOf(const SearchView& view, const SearchRequest& request) const {
  return {.limit = request.limit,
          .snapshot = view.seq_,
          .source = &view.generation_->points,
          .deadline = request.patience.deadline,
          .cancelled = request.patience.cancelled};
}

void Collection::Reply(const SearchView& view, const SearchRequest& request,
                       const SearchResult& result, SearchReply* reply) const {
  const Generation& generation = *view.generation_;
  context_->searches.fetch_add(1, std::memory_order_relaxed);
  // The plan's were not asked.
  if (!request.lists.empty()) std::get<Plan>(reply->how).coarse.probes = result.lists;
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
    hit.matches.clear();
  }
}

absl::Status Collection::Search(const SearchView& view, const SearchRequest& request,
                                SearchScratch* scratch, SearchReply* reply) const {
  const Generation& generation = *view.generation_;
  Prepared prepared;
  prepared.query = QueryOf(view, request);
  if (absl::Status status = LoadQuery(generation, request, &prepared); !status.ok()) {
    return status;
  }
  absl::StatusOr<SearchHow> how = Resolve(generation, request);
  if (!how.ok()) return how.status();
  if (!request.lists.empty()) {
    absl::Status status = CheckNamedLists(generation.index->spec(), request.lists);
    if (!status.ok()) return status;
    prepared.query.lists = request.lists;
  }

  std::unique_ptr<SearchScratch> borrowed;
  if (scratch == nullptr) {
    borrowed = context_->scratches.Take();
    scratch = borrowed.get();
  }
  SearchResult result;
  std::vector<std::vector<TokenMatch>> matches;
  const absl::Status status =
      Run(generation, prepared, *how, scratch, &result, request.matches ? &matches : nullptr);
  if (borrowed != nullptr) context_->scratches.Return(std::move(borrowed));
  if (!status.ok()) return status;

  reply->how = *std::move(how);
  Reply(view, request, result, reply);
  for (size_t i = 0; i < matches.size(); ++i) reply->hits[i].matches = std::move(matches[i]);
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

absl::Status Collection::Run(const Generation& generation, const Prepared& prepared,
                             const SearchHow& how, SearchScratch* scratch, SearchResult* result,
                             std::vector<std::vector<TokenMatch>>* matches) const {
  const IvfIndex& index = *generation.index;
  const auto* exact = std::get_if<ExactSearch>(&how);
  if (const MultiSpec* const multi = generation.codec().multi(); multi != nullptr) {
    TokenSearch search(index, *generation.tokens, multi->tokens, generation.points, prepared.tokens,
                       prepared.query);
    return exact != nullptr ? search.Exact(result, matches)
                            : search.Search(std::get<Plan>(how), scratch, result, matches);
  }
  if (exact != nullptr) return index.SearchExact(prepared.query, exact->dim, scratch, result);
  return index.Search(prepared.query, std::get<Plan>(how), scratch, result);
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
      absl::Status status = CheckQuery(view->generation_->schema(), *next);
      if (status.ok()) status = TakeLists(lane, query);
      if (!status.ok()) return status;
      return true;
    }
    absl::Status TakeLists(size_t lane, SearchQuery* query) const {
      if (request->lists.empty()) return absl::OkStatus();
      query->lists = queries->Lists(lane);
      return CheckNamedLists(view->built(), query->lists);
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

  if (!multi_ && std::holds_alternative<Plan>(*how)) {
    return generation.index->SearchMany(std::get<Plan>(*how), &searches, scratch);
  }
  // One after the other.
  SearchResult result;
  while (const std::optional<std::span<const float>> next = feed->Next(0)) {
    Prepared prepared;
    prepared.query = searches.like;
    SearchRequest one;
    if (multi_) {
      one.query = TokenQuery{.tokens = *next};
    } else {
      one.query = *next;
    }
    absl::Status status = LoadQuery(generation, one, &prepared);
    if (status.ok()) status = searches.TakeLists(0, &prepared.query);
    if (status.ok()) status = Run(generation, prepared, *how, scratch, &result, nullptr);
    if (!status.ok()) return status;
    searches.Take(0, result);
  }
  return absl::OkStatus();
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

const VectorSchema& SearchView::schema() const { return generation_->schema(); }
const MultiSpec* SearchView::multi() const { return generation_->codec().multi(); }
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
