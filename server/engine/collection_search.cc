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
  return SearchView(shared_from_this(), std::move(pinned->generation), pinned->seq, pinned->points);
}

// The query's vector: the caller's, or that of a point, decoded into `space`.
absl::Status Collection::LoadQuery(const Generation& generation, uint64_t seq,
                                   const SearchRequest& request, std::vector<float>* space,
                                   SearchQuery* query) const {
  if (const auto* vector = std::get_if<std::span<const float>>(&request.query)) {
    if (vector->size() != schema_.dim) {
      return absl::InvalidArgumentError(absl::StrCat(
          "query has ", vector->size(), " values, the collection's dim is ", schema_.dim));
    }
    query->vector = *vector;
    return ValidateVector(schema_, vector->data(), "query");
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

absl::Status Collection::RunSearch(const Generation& generation, const SearchRequest& request,
                                   const SearchQuery& query, SearchScratch* scratch,
                                   SearchResult* result, SearchReply* reply) const {
  const IvfIndex& index = *generation.index;
  if (const auto* exact = std::get_if<ExactSearch>(&request.how)) {
    const uint32_t dim = exact->dim == 0 ? schema_.dim : exact->dim;
    if (NestingIndex(schema_, dim) < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("exact dim ", dim, " is not in the collection's nesting"));
    }
    reply->how = ExactSearch{dim};
    return index.SearchExact(query, dim, scratch, result);
  }
  const auto* given = std::get_if<Plan>(&request.how);
  Plan plan = given != nullptr ? *given : DefaultPlan(schema_, index.Shape(), request.limit);
  if (absl::Status status = ValidatePlan(plan, schema_, request.limit); !status.ok()) {
    return status;
  }
  plan.coarse.probes = std::min(plan.coarse.probes, index.model().lists);
  const absl::Status status = index.Search(query, plan, scratch, result);
  reply->how = std::move(plan);
  return status;
}

absl::Status Collection::Search(const SearchView& view, const SearchRequest& request,
                                SearchScratch* scratch, SearchReply* reply) const {
  if (request.limit == 0 || request.limit > kMaxLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit is ", request.limit, ", allowed are 1..", kMaxLimit));
  }
  const Generation& generation = *view.generation_;
  const IvfIndex& index = *generation.index;
  SearchQuery query;
  query.limit = request.limit;
  query.snapshot = view.seq_;
  query.source = &stored_;
  query.deadline = request.patience.deadline;
  query.cancelled = request.patience.cancelled;
  std::vector<float> space;
  if (absl::Status status = LoadQuery(generation, view.seq_, request, &space, &query);
      !status.ok()) {
    return status;
  }

  std::unique_ptr<SearchScratch> borrowed;
  if (scratch == nullptr) {
    borrowed = context_->scratches.Take();
    scratch = borrowed.get();
  }
  SearchResult result;
  absl::Status status = RunSearch(generation, request, query, scratch, &result, reply);
  if (borrowed != nullptr) context_->scratches.Return(std::move(borrowed));
  if (!status.ok()) return status;
  context_->searches.fetch_add(1, std::memory_order_relaxed);

  reply->score_dim = result.score_dim;
  reply->stages = std::move(result.stages);
  reply->seq = view.seq_;
  reply->unbuilt = Unbuilt(generation, view.points_);
  reply->hits.resize(result.hits.size());
  for (size_t i = 0; i < result.hits.size(); ++i) {
    const Hit& found = result.hits[i];
    SearchHit& hit = reply->hits[i];
    hit.id = index.IdAt(found.slot);
    hit.score = found.score;
    hit.seq = request.seqs ? index.BornAt(found.slot) : 0;
    hit.vector.clear();
    hit.attributes.clear();
  }
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

// --- SearchView ---

SearchView::SearchView(std::shared_ptr<Collection> collection,
                       std::shared_ptr<Generation> generation, uint64_t seq, uint64_t points)
    : collection_(std::move(collection)),
      generation_(std::move(generation)),
      seq_(seq),
      points_(points) {}

SearchView::SearchView(SearchView&&) noexcept = default;

SearchView& SearchView::operator=(SearchView&& other) noexcept {
  std::swap(collection_, other.collection_);
  std::swap(generation_, other.generation_);
  std::swap(seq_, other.seq_);
  std::swap(points_, other.points_);
  return *this;
}

SearchView::~SearchView() {
  // The generation first: once the snapshot is unpinned, its collection may be torn down.
  generation_.reset();
  if (collection_ != nullptr) collection_->Unpin(seq_);
}

const VectorSchema& SearchView::schema() const { return collection_->schema(); }
const IndexSpec& SearchView::built() const { return generation_->index->spec(); }

absl::Status SearchView::Search(const SearchRequest& request, SearchScratch* scratch,
                                SearchReply* reply) const {
  return collection_->Search(*this, request, scratch, reply);
}

}  // namespace nestor
