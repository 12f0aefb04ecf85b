#include "server/rpc/search_call.h"

#include <string>
#include <utility>
#include <vector>

#include "server/log.h"
#include "server/rpc/convert_query.h"
#include "server/rpc/convert_search.h"
#include "server/rpc/search_memory.h"
#include "server/rpc/status.h"

namespace nestor {
namespace {

// Engine errors about the query vector, the only part of the request that it alone can judge, or
// about too much output.
absl::Status OfEngine(const v1::SearchRequest& request, const absl::Status& status) {
  if (absl::IsOutOfRange(status)) return AtOutput(status);
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
  const PointSchema schema(view.schema(), view.multi());
  SearchMemory& memory = SearchMemory::OfThread();
  SearchRequest search;
  absl::Status checked = CheckLimit(request().limit());
  if (!checked.ok()) return checked;
  search.limit = request().limit();
  checked = ToSearchQuery(request(), schema, &memory.query.values, &search);
  if (!checked.ok()) return checked;
  absl::StatusOr<SearchHow> how = ToSearchHow(request(), schema, view.built());
  if (!how.ok()) return how.status();
  search.how = *std::move(how);
  checked = CheckLists(request(), view.built());
  if (!checked.ok()) return checked;
  search.lists = {request().lists().data(), static_cast<size_t>(request().lists_size())};
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
  search.output = ToPointOutput(request().output(), choice);
  uint64_t hit_bytes = MaxPointBytes(schema, search.output);
  if (search.matches) hit_bytes += MaxMatchBytes(MaxQueryTokens(search, schema));
  checked = CheckReplyBytes(search.limit, hit_bytes);
  if (!checked.ok()) return AtField("limit", checked);

  checked = view.Search(search, &memory.scratch, found);
  if (!checked.ok()) return OfEngine(request(), NotBuilt(checked));
  return FromSearchReply(found, schema, search.output, choice, reply());
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
