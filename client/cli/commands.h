// The commands of `nestor`, one file each (create.cc, load.cc, ...). RegisterX adds command x with
// its flags to `app`; when the command line names it, it runs and leaves its status in `session`.
// Both arguments must outlive the parsing.
#ifndef NESTOR_CLIENT_CLI_COMMANDS_H_
#define NESTOR_CLIENT_CLI_COMMANDS_H_

#include "CLI/App.hpp"
#include "client/cli/session.h"

namespace nestor {

void RegisterCreate(CLI::App& app, Session& session);
void RegisterUpdate(CLI::App& app, Session& session);
void RegisterLoad(CLI::App& app, Session& session);
void RegisterBuild(CLI::App& app, Session& session);
void RegisterCentroids(CLI::App& app, Session& session);
void RegisterCode(CLI::App& app, Session& session);
void RegisterSearch(CLI::App& app, Session& session);
void RegisterGet(CLI::App& app, Session& session);
void RegisterDelete(CLI::App& app, Session& session);
void RegisterStats(CLI::App& app, Session& session);
void RegisterHealth(CLI::App& app, Session& session);
void RegisterTruth(CLI::App& app, Session& session);
void RegisterBench(CLI::App& app, Session& session);
// A command of `bench`.
void RegisterMulti(CLI::App& bench, Session& session);
void RegisterReplicate(CLI::App& bench, Session& session);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_COMMANDS_H_
