#include "server/rpc/search_call.h"

#include <string>
#include <utility>
#include <vector>

#include "server/log.h"
#include "server/rpc/convert_search.h"
#include "server/rpc/search_memory.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

// Engine errors about the query vector, the only part of the request that it alone can judge.
absl::Status AtQuery(const v1::SearchRequest& request, const absl::Status& status) {
  return AtField(request.has_id() ? "id" : "vector", status);
}

}  // namespace

void SearchCall::RunOn(SearchView view) {
  const auto begun = std::chrono::steady_clock::now();
  SearchReply& found = SearchMemory::OfThread().reply;
  absl::Status status = Search(view, &found);
  if (status.ok()) status = Encode();
  if (status.ok()) Observe(found, begun);
  Complete(status);
}

absl::Status SearchCall::Search(const SearchView& view, SearchReply* found) {
  const VectorSchema& schema = view.schema();
  SearchMemory& memory = SearchMemory::OfThread();
  SearchRequest search;
  absl::Status checked = CheckLimit(request().limit());
  if (!checked.ok()) return checked;
  search.limit = request().limit();
  switch (request().query_case()) {
    case v1::SearchRequest::kVector: {
      const auto query = ToQuery(request().vector(), schema, &memory.query.values);
      if (!query.ok()) return AtQuery(request(), query.status());
      search.query = *query;
      break;
    }
    case v1::SearchRequest::kId: {
      auto id = ToPointId(request().id());
      if (!id.ok()) return AtQuery(request(), id.status());
      search.query = *std::move(id);
      break;
    }
    case v1::SearchRequest::QUERY_NOT_SET:
      return FieldError("query", "vector or id must be set");
  }
  absl::StatusOr<SearchHow> how = ToSearchHow(request(), schema, view.built());
  if (!how.ok()) return how.status();
  search.how = *std::move(how);
  search.patience = patience();

  AttributeChoice choice;
  if (request().output().attributes_size() > 0) {
    const absl::StatusOr<CollectionInfo> info = engine().GetCollection(request().collection());
    if (!info.ok()) return info.status();
    absl::StatusOr<AttributeChoice> chosen =
        AttributeChoice::Make(request().output(), info->spec.attributes);
    if (!chosen.ok()) return AtField("output", chosen.status());
    choice = *std::move(chosen);
  }
  search.output = {.attributes = choice.any(), .vector = request().output().vectors()};
  checked = CheckReplyBytes(search.limit, MaxPointBytes(schema, search.output));
  if (!checked.ok()) return AtField("limit", checked);

  checked = view.Search(search, &memory.scratch, found);
  if (!checked.ok()) return AtQuery(request(), NotBuilt(checked));
  return FromSearchReply(found, schema.dtype, search.output, choice, reply());
}

void SearchCall::Observe(const SearchReply& found, std::chrono::steady_clock::time_point begun) {
  using Micros = std::chrono::duration<double, std::micro>;
  const auto spent = std::chrono::steady_clock::now() - entered();
  const double micros = Micros(spent).count();
  double stages = 0;
  for (const StageCost& cost : found.stages) stages += cost.micros;
  backend().counters.search_queue_micros.Record(Micros(begun - entered()).count());
  backend().counters.search_micros.Record(micros);
  backend().counters.search_overhead_micros.Record(micros - stages);
  if (backend().slow_query.count() == 0 || spent < backend().slow_query) return;
  Log(LogLevel::kWarning, "slow_query",
      {{"collection", request().collection()},
       {"plan", FormatHow(found.how)},
       {"limit", request().limit()},
       {"micros", micros},
       {"queue_micros", Micros(begun - entered()).count()},
       {"stage_micros", stages},
       {"unbuilt", found.unbuilt}});
}

}  // namespace nestor
