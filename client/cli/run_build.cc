#include "client/cli/run_build.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/cli/muvera.h"
#include "client/cli/names.h"
#include "client/cli/progress.h"
#include "client/cli/text.h"

namespace nestor {
namespace {

// "512 lists, coarse dim 64, graph (384 dims, ..), code opq256x32b4".
std::string SourcesText(const v1::Index& index) {
  std::string text;
  if (!index.spec().no_lists()) {
    text = absl::StrCat(index.lists(), index.lists() == 1 ? " list" : " lists", ", coarse dim ",
                        index.spec().coarse_dim());
    if (index.spec().centroids() == v1::CENTROID_ORIGIN_IMPORTED) text += ", imported centroids";
    if (!index.spec().list_attribute().empty()) {
      absl::StrAppend(&text, ", as ", index.spec().list_attribute(), " says");
    }
  }
  if (index.spec().has_graph()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", "graph (", ToText(index.spec().graph()), ")");
  }
  for (const v1::CodeSpec& code : index.spec().codes()) {
    absl::StrAppend(&text, ", code ", ToText(code));
  }
  return text;
}

}  // namespace

absl::Status AwaitOperation(uint64_t id, const char* what, Client& client, Session& session) {
  Progress progress(session.err, session.err_is_terminal, what, absl::Now());
  Client::WaitOptions options;
  options.on_progress = [&](const v1::Operation& operation) {
    progress.Update(
        absl::Now(), operation.progress(), operation.phase(),
        operation.has_eta_seconds() ? std::optional(operation.eta_seconds()) : std::nullopt);
  };
  return client.WaitOperation(id, options).status();
}

absl::Status RunBuild(v1::BuildIndexRequest request, const IndexFlags& flags, Client& client,
                      Session& session) {
  const std::string& collection = request.collection();
  if (AnyGiven(flags)) {
    const absl::StatusOr<v1::Collection> present = client.GetCollection(collection);
    if (!present.ok()) return present.status();
    auto spec = ApplyFlags(flags, present->spec().index());
    if (!spec.ok()) return spec.status();
    *request.mutable_spec() = *std::move(spec);
  }
  const absl::Time start = absl::Now();
  const absl::StatusOr<v1::Operation> begun = client.BuildIndex(request);
  if (!begun.ok()) return begun.status();
  const absl::Status ended = AwaitOperation(begun->id(), "build", client, session);
  if (!ended.ok()) return ended;
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  const absl::StatusOr<v1::Index> index = client.GetIndex(collection);
  if (!index.ok()) return index.status();
  session.out << "built " << collection << " in " << FormatSeconds(seconds) << ": "
              << FormatCount(index->rows()) << " rows, " << SourcesText(*index) << ", shells "
              << absl::StrJoin(index->spec().shells(), ",") << " ("
              << ToName(index->spec().shell_codec()) << "), generation " << index->generation()
              << "\n";
  if (!request.has_muvera()) return absl::OkStatus();
  const absl::StatusOr<v1::Collection> encoded = client.GetCollection(collection);
  if (!encoded.ok()) return encoded.status();
  session.out << "encoded " << collection << " anew: " << FdesText(encoded->spec().muvera())
              << "\n";
  return absl::OkStatus();
}

}  // namespace nestor
