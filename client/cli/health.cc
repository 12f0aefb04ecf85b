// nestor health [SERVICE]
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
  return absl::UnavailableError(absl::StrCat(session.client.server, " is ", name));
}

}  // namespace

void RegisterHealth(CLI::App& app, Session& session) {
  auto service = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(
      "health", "Ask whether the server serves; exit code 0 if it does, 1 if not");
  command->add_option("SERVICE", *service,
                      "Full name, nestor.v1.SearchService say (default: the server as a whole)");
  AddConnectionFlags(command, &session);
  command->callback([service, &session] { session.status = Health(*service, session); });
}

}  // namespace nestor
