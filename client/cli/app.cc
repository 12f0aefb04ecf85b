#include "client/cli/app.h"

#include "CLI/CLI.hpp"
#include "client/cli/commands.h"
#include "client/cli/session.h"
#include "client/lib/status.h"

namespace nestor {
namespace {

// A person waits: long enough for a server that is just starting.
constexpr absl::Duration kConnectTimeout = absl::Seconds(5);

constexpr char kCommandFooter[] =
    "\nExit codes: 0 ok; 1 failed (status code, text and details on stderr); 2 wrong usage.";

constexpr char kFooter[] =
    "\nTypical use:\n"
    "  nestor create wnh --dim 768 --nesting 64,128,256,512,768 --metric l2 --dtype f16\n"
    "  nestor load wnh base.f16bin\n"
    "  nestor search wnh --file query.f16bin --row 0 -k 10\n"
    "  nestor search wnh --id 17 --plan coarse=64:32,scan=128:100,refine=256:30,rescore\n"
    "\nExit codes: 0 ok; 1 failed (status code, text and details on stderr); 2 wrong usage.\n"
    "Environment: NESTOR_SERVER is the default of --server.\n"
    "`nestor COMMAND --help` explains a command.";

}  // namespace

int RunNestor(int argc, const char* const* argv, std::ostream& out, std::ostream& err,
              bool err_is_terminal) {
  Session session{.out = out, .err = err, .err_is_terminal = err_is_terminal};
  session.client.connect_timeout = kConnectTimeout;
  CLI::App app("nestor: client of the Nestor vector search server", "nestor");
  app.set_version_flag("--version", NESTOR_VERSION);
  app.require_subcommand(1);
  app.footer(kCommandFooter);  // commands inherit it
  RegisterCreate(app, session);
  RegisterUpdate(app, session);
  RegisterLoad(app, session);
  RegisterBuild(app, session);
  RegisterCentroids(app, session);
  RegisterCode(app, session);
  RegisterSearch(app, session);
  RegisterGet(app, session);
  RegisterDelete(app, session);
  RegisterStats(app, session);
  RegisterHealth(app, session);
  RegisterTruth(app, session);
  RegisterBench(app, session);
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? kExitOk : kExitUsage;
  }
  if (session.status.ok()) return kExitOk;
  err << "nestor: " << DescribeError(session.status) << "\n";
  return IsUsageError(session.status) ? kExitUsage : kExitFailed;
}

}  // namespace nestor
