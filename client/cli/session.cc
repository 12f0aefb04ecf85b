#include "client/cli/session.h"

#include <cstdint>

#include "absl/strings/cord.h"

namespace nestor {
namespace {

constexpr char kUsagePayload[] = "nestor.cli/usage";

}  // namespace

void AddConnectionFlags(CLI::App* command, Session* session) {
  command
      ->add_option("--server", session->client.server,
                   "Address of the server (default 127.0.0.1:7700)")
      ->envname("NESTOR_SERVER")
      ->type_name("HOST:PORT");
  command
      ->add_option_function<double>(
          "--timeout",
          [session](const double& seconds) { session->client.deadline = absl::Seconds(seconds); },
          "Deadline of each call, in seconds (default 30)")
      ->check(CLI::PositiveNumber)
      ->type_name("SECONDS");
}

absl::Status UsageError(absl::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsagePayload, absl::Cord("1"));
  return status;
}

bool IsUsageError(const absl::Status& status) {
  return status.GetPayload(kUsagePayload).has_value();
}

}  // namespace nestor
