// The command line tool `nestor` as a function, so that tests can run it.
#ifndef NESTOR_CLIENT_CLI_APP_H_
#define NESTOR_CLIENT_CLI_APP_H_

#include <ostream>

namespace nestor {

// Parses argv, runs the command, prints results to `out`, errors and progress to `err`. Returns the
// exit code: 0 ok, 1 failed, 2 usage.
int RunNestor(int argc, const char* const* argv, std::ostream& out, std::ostream& err,
              bool err_is_terminal);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_APP_H_
