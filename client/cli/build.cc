// nestor build NAME [--lists N] [--coarse-dim DIM] [--shells ...] [--codec ...]
//     [--graph] [--graph-dim DIM] [--degree N] [--ef-construction N] [--no-lists]
//     [--muvera NAME=VALUE,...]
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/index_flags.h"
#include "client/cli/muvera.h"
#include "client/cli/run_build.h"

namespace nestor {
namespace {

struct BuildFlags {
  std::string name;
  IndexFlags index;
  bool encode = false;
  std::string muvera;  // empty: all defaults
};

absl::Status Build(const BuildFlags& flags, Session& session) {
  std::optional<v1::Muvera> muvera;
  if (flags.encode) {
    absl::StatusOr<v1::Muvera> given = MuveraFromText(flags.muvera);
    if (!given.ok()) return given.status();
    muvera = *std::move(given);
  }
  Client client(session.client);
  return RunBuild(flags.name, flags.index, muvera, client, session);
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
  const CLI::Option* muvera =
      command
          ->add_option("--muvera", flags->muvera,
                       absl::StrCat("Of kind multi: encode the points anew, as `create` takes it "
                                    "(what is not named has its default, but for max_tokens, which "
                                    "stays), e.g. ",
                                    kMuveraHelp))
          ->type_name("NAME=VALUE,...");
  AddConnectionFlags(command, &session);
  command->callback([flags, muvera, &session] {
    flags->encode = muvera->count() > 0;
    session.status = Build(*flags, session);
  });
}

}  // namespace nestor
