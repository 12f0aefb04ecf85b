// nestor health [NAME]
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"

namespace nestor {
namespace {

using grpc::health::v1::HealthCheckResponse;

absl::Status Health(const std::string& service, Session& session) {
  Client client(session.client);
  const auto health = client.CheckHealth(service);
  if (!health.ok()) return health.status();
  const std::string name = HealthCheckResponse::ServingStatus_Name(*health);
  session.out << name << "\n";
  if (*health == HealthCheckResponse::SERVING) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(service.empty() ? session.client.server
                                   : absl::StrCat("\"", service, "\" of ", session.client.server),
                   " is ", name));
}

}  // namespace

void RegisterHealth(CLI::App& app, Session& session) {
  auto collection = std::make_shared<std::string>();
  auto service = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "health",
      "Ask whether the server, or a collection, answers; exit code 0 if it does, 1 if not");
  CLI::Option* name = command->add_option("NAME", *collection,
                                          "Collection (default: the server with all collections)");
  command
      ->add_option("--service", *service,
                   "By its name in grpc.health.v1: nestor.v1.SearchService, collections/NAME")
      ->excludes(name);
  AddConnectionFlags(command, &session);
  command->callback([collection, service, &session] {
    session.status =
        Health(collection->empty() ? *service : absl::StrCat("collections/", *collection), session);
  });
}

}  // namespace nestor
