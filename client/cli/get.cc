// nestor get NAME ID...
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/json.h"
#include "client/cli/names.h"

namespace nestor {
namespace {

struct GetFlags {
  std::string name;
  std::vector<std::string> ids;
  bool with_vectors = false;
};

absl::Status Get(const GetFlags& flags, Session& session) {
  Client client(session.client);
  const absl::StatusOr<v1::Collection> collection = client.GetCollection(flags.name);
  if (!collection.ok()) return collection.status();
  v1::GetPointsRequest request;
  request.set_collection(flags.name);
  for (const std::string& text : flags.ids) {
    auto id = IdFromText(text, collection->spec().id_kind());
    if (!id.ok()) return id.status();
    *request.add_ids() = *std::move(id);
  }
  request.mutable_output()->add_attributes("*");
  request.mutable_output()->set_vectors(flags.with_vectors);
  const absl::StatusOr<v1::GetPointsResponse> response = client.GetPoints(request);
  if (!response.ok()) return response.status();
  for (const v1::Point& point : response->points()) {
    const absl::StatusOr<Json> json = ToJson(point);
    if (!json.ok()) return json.status();
    session.out << ToLine(*json) << "\n";
  }
  if (!response->missing().empty()) {
    return absl::NotFoundError(absl::StrCat(
        "get from ", flags.name, ": no point ",
        absl::StrJoin(response->missing(), ", ", [](std::string* out, const v1::PointId& id) {
          absl::StrAppend(out, ToText(id));
        })));
  }
  return absl::OkStatus();
}

}  // namespace

void RegisterGet(CLI::App& app, Session& session) {
  auto flags = std::make_shared<GetFlags>();
  CLI::App* command = app.add_subcommand(
      "get", "Print points by id, one JSON object a line; exit code 1 where some are missing");
  command->add_option("NAME", flags->name, "Collection")->required();
  command->add_option("ID", flags->ids, "Ids of the points, at most 10000")->required();
  command->add_flag("--with-vectors", flags->with_vectors, "Print the vectors or tokens too");
  AddConnectionFlags(command, &session);
  command->callback([flags, &session] { session.status = Get(*flags, session); });
}

}  // namespace nestor
