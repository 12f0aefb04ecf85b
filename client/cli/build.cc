// nestor build NAME [--lists N] [--coarse-dim DIM] [--shells ...] [--codec ...]
//     [--graph] [--graph-dim DIM] [--degree N] [--ef-construction N] [--no-lists]
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "client/cli/commands.h"
#include "client/cli/index_flags.h"
#include "client/cli/run_build.h"

namespace nestor {
namespace {

struct BuildFlags {
  std::string name;
  IndexFlags index;
};

absl::Status Build(const BuildFlags& flags, Session& session) {
  Client client(session.client);
  return RunBuild(flags.name, flags.index, client, session);
}

}  // namespace

void RegisterBuild(CLI::App& app, Session& session) {
  auto flags = std::make_shared<BuildFlags>();
  CLI::App* command = app.add_subcommand(
      "build",
      "Build a collection's index, show the progress, wait for the end. Flags given here replace "
      "those fields of the collection's index spec");
  command->add_option("NAME", flags->name, "Collection")->required();
  AddIndexFlags(command, &flags->index);
  AddConnectionFlags(command, &session);
  command->callback([flags, &session] { session.status = Build(*flags, session); });
}

}  // namespace nestor
