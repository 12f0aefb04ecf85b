// nestor update NAME [--memory-limit SIZE] [--durability D]
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "client/cli/commands.h"
#include "client/cli/memory_limit_flag.h"
#include "client/cli/names.h"
#include "client/cli/text.h"

namespace nestor {
namespace {

struct UpdateFlags {
  std::string name;
  std::string durability;
  std::optional<uint64_t> memory_limit;
};

absl::Status Update(const UpdateFlags& flags, Session& session) {
  v1::CollectionSpec spec;
  spec.set_name(flags.name);
  if (!flags.durability.empty()) {
    const auto durability = DurabilityFromName(flags.durability);
    if (!durability.ok()) return durability.status();
    spec.set_durability(*durability);
  }
  if (flags.memory_limit.has_value()) spec.set_memory_limit_bytes(*flags.memory_limit);
  if (flags.durability.empty() && !flags.memory_limit.has_value()) {
    return UsageError("update takes --memory-limit, --durability or both");
  }
  Client client(session.client);
  const absl::StatusOr<v1::Collection> updated = client.UpdateCollection(spec);
  if (!updated.ok()) return updated.status();
  session.out << "updated collection " << updated->spec().name() << ": durability "
              << ToName(updated->spec().durability()) << ", memory limit "
              << MemoryLimitText(updated->spec()) << "\n";
  return absl::OkStatus();
}

}  // namespace

void RegisterUpdate(CLI::App& app, Session& session) {
  auto flags = std::make_shared<UpdateFlags>();
  CLI::App* command =
      app.add_subcommand("update", "Change what a collection promises and may take");
  command->add_option("NAME", flags->name, "Collection")->required();
  AddMemoryLimitFlag(command, &flags->memory_limit);
  command
      ->add_option("--durability", flags->durability,
                   "What an acknowledged write promises from now on: sync (on disk) or async")
      ->type_name("D");
  AddConnectionFlags(command, &session);
  command->callback([flags, &session] { session.status = Update(*flags, session); });
}

}  // namespace nestor
