// nestor delete NAME ID... | nestor delete NAME --collection
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "client/cli/commands.h"
#include "client/cli/names.h"

namespace nestor {
namespace {

struct DeleteFlags {
  std::string name;
  std::vector<std::string> ids;
  bool collection = false;
};

absl::Status Delete(const DeleteFlags& flags, Session& session) {
  if (flags.collection == !flags.ids.empty()) {
    return UsageError("delete takes ids of points, or --collection for the whole collection");
  }
  Client client(session.client);
  if (flags.collection) {
    if (absl::Status status = client.DeleteCollection(flags.name); !status.ok()) return status;
    session.out << "deleted collection " << flags.name << "\n";
    return absl::OkStatus();
  }
  const absl::StatusOr<v1::Collection> collection = client.GetCollection(flags.name);
  if (!collection.ok()) return collection.status();
  v1::DeletePointsRequest request;
  request.set_collection(flags.name);
  for (const std::string& text : flags.ids) {
    auto id = IdFromText(text, collection->spec().id_kind());
    if (!id.ok()) return id.status();
    *request.add_ids() = *std::move(id);
  }
  const absl::StatusOr<v1::DeletePointsResponse> response = client.DeletePoints(request);
  if (!response.ok()) return response.status();
  session.out << "deleted " << response->deleted() << " of " << flags.ids.size() << " points, seq "
              << response->seq() << "\n";
  return absl::OkStatus();
}

}  // namespace

void RegisterDelete(CLI::App& app, Session& session) {
  auto flags = std::make_shared<DeleteFlags>();
  CLI::App* command =
      app.add_subcommand("delete", "Delete points by id, or a whole collection (--collection)");
  command->add_option("NAME", flags->name, "Collection")->required();
  command->add_option("ID", flags->ids,
                      "Ids of the points, at most 10000; absent ones are no error");
  command->add_flag("--collection", flags->collection,
                    "Delete the collection with all its points and its index");
  AddConnectionFlags(command, &session);
  command->callback([flags, &session] { session.status = Delete(*flags, session); });
}

}  // namespace nestor
