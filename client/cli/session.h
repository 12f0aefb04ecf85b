// What every command of `nestor` shares: where to print, how to reach the server, how it ended.
// Single-threaded.
#ifndef NESTOR_CLIENT_CLI_SESSION_H_
#define NESTOR_CLIENT_CLI_SESSION_H_

#include <ostream>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/lib/client.h"

namespace nestor {

// Exit codes of `nestor`.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

struct Session {
  std::ostream& out;  // results
  std::ostream& err;  // errors and progress
  bool err_is_terminal = false;
  ClientOptions client;
  absl::Status status;  // set by the command that ran
};

// --server and --timeout, into session->client. Every command has them.
void AddConnectionFlags(CLI::App* command, Session* session);

// An error in how the command was called: exit code 2 instead of 1.
absl::Status UsageError(absl::string_view message);
bool IsUsageError(const absl::Status& status);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_SESSION_H_
