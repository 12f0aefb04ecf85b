// nestor code add NAME CODE
// nestor code drop NAME CODE
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/commands.h"
#include "client/cli/run_build.h"
#include "client/cli/text.h"
#include "index/codes/spec.h"

namespace nestor {
namespace {

struct CodeFlags {
  std::string name;
  std::string code;
};

template <typename Request>
absl::StatusOr<Request> MakeRequest(const CodeFlags& flags) {
  const absl::StatusOr<OpqSpec> code = ParseOpqName(flags.code);
  if (!code.ok()) return UsageError(code.status().message());
  Request request;
  request.set_collection(flags.name);
  request.mutable_code()->set_dim(code->dim);
  request.mutable_code()->set_bytes(code->bytes);
  request.mutable_code()->set_bits(code->bits);
  return request;
}

// `what` as "added the code opq256x32b4 to words".
absl::Status Finish(const std::string& what, const absl::StatusOr<v1::Operation>& begun,
                    Client& client, Session& session) {
  if (!begun.ok()) return begun.status();
  const absl::Time start = absl::Now();
  absl::Status ended = AwaitOperation(begun->id(), "code", client, session);
  if (!ended.ok()) return ended;
  session.out << what << " in " << FormatSeconds(absl::ToDoubleSeconds(absl::Now() - start))
              << "\n";
  return absl::OkStatus();
}

absl::Status Add(const CodeFlags& flags, Session& session) {
  const auto request = MakeRequest<v1::AddCodeRequest>(flags);
  if (!request.ok()) return request.status();
  Client client(session.client);
  return Finish(absl::StrCat("added the code ", flags.code, " to ", flags.name),
                client.AddCode(*request), client, session);
}

absl::Status Drop(const CodeFlags& flags, Session& session) {
  const auto request = MakeRequest<v1::DropCodeRequest>(flags);
  if (!request.ok()) return request.status();
  Client client(session.client);
  return Finish(absl::StrCat("dropped the code ", flags.code, " from ", flags.name),
                client.DropCode(*request), client, session);
}

void AddArguments(CLI::App* command, CodeFlags* flags, Session* session) {
  command->add_option("NAME", flags->name, "Collection")->required();
  command->add_option("CODE", flags->code, "As opq256x32b4: dim, bytes, bits")->required();
  AddConnectionFlags(command, session);
}

}  // namespace

void RegisterCode(CLI::App& app, Session& session) {
  auto flags = std::make_shared<CodeFlags>();
  CLI::App* code =
      app.add_subcommand("code", "Add an OPQ code to a built index, or drop one, without a build");
  code->require_subcommand(1);
  CLI::App* add = code->add_subcommand(
      "add", "Train a code on the rows that are there, show the progress, wait for the end");
  AddArguments(add, flags.get(), &session);
  add->callback([flags, &session] { session.status = Add(*flags, session); });
  CLI::App* drop = code->add_subcommand("drop", "Drop a code, also from later builds");
  AddArguments(drop, flags.get(), &session);
  drop->callback([flags, &session] { session.status = Drop(*flags, session); });
}

}  // namespace nestor
