// Building an index and watching it, for the commands `build` and `load`.
#ifndef NESTOR_CLIENT_CLI_RUN_BUILD_H_
#define NESTOR_CLIENT_CLI_RUN_BUILD_H_

#include <cstdint>

#include "absl/status/status.h"
#include "client/cli/index_flags.h"
#include "client/cli/session.h"
#include "client/lib/client.h"
#include "nestor/v1/index.pb.h"

namespace nestor {

// Starts a build, shows its progress until it ends, prints what was built. Flags that are given
// replace those fields of the collection's spec, which becomes the request's.
absl::Status RunBuild(v1::BuildIndexRequest request, const IndexFlags& flags, Client& client,
                      Session& session);

// Shows an operation's progress, as that of `what`, until it ends; its error where it failed.
absl::Status AwaitOperation(uint64_t id, const char* what, Client& client, Session& session);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_RUN_BUILD_H_
