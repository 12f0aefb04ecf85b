// nestor code add NAME CODE
// nestor code drop NAME CODE
// nestor code import NAME CODE FILE --input rows|residuals
// nestor code export NAME CODE FILE
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/commands.h"
#include "client/cli/names.h"
#include "client/cli/run_build.h"
#include "client/cli/text.h"
#include "client/files/atomic_file.h"
#include "client/files/mapped_file.h"
#include "index/codes/spec.h"

namespace nestor {
namespace {

struct CodeFlags {
  std::string name;
  std::string code;
  std::string file;
  std::string input;
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

absl::Status Import(const CodeFlags& flags, Session& session) {
  auto request = MakeRequest<v1::ImportCodeRequest>(flags);
  if (!request.ok()) return request.status();
  const auto input = CodeInputFromName(flags.input);
  if (!input.ok()) return input.status();
  request->set_input(*input);
  const absl::StatusOr<MappedFile> file = MappedFile::Open(flags.file);
  if (!file.ok()) return file.status();
  request->set_faiss(file->bytes().data(), file->bytes().size());
  Client client(session.client);
  return Finish(absl::StrCat("imported the code ", flags.code, " into ", flags.name),
                client.ImportCode(*request), client, session);
}

absl::Status Export(const CodeFlags& flags, Session& session) {
  const auto request = MakeRequest<v1::ExportCodeRequest>(flags);
  if (!request.ok()) return request.status();
  Client client(session.client);
  const absl::StatusOr<v1::ExportCodeResponse> code = client.ExportCode(*request);
  if (!code.ok()) return code.status();
  absl::StatusOr<AtomicFile> file = AtomicFile::Create(flags.file);
  if (!file.ok()) return file.status();
  absl::Status written = file->Append(code->faiss().data(), code->faiss().size());
  if (written.ok()) written = file->Commit();
  if (!written.ok()) return written;
  session.out << "exported the code " << flags.code << " of " << flags.name << ", for "
              << ToName(code->input()) << ", to " << flags.file << " ("
              << FormatBytes(code->faiss().size()) << ")\n";
  return absl::OkStatus();
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
      app.add_subcommand("code",
                         "Add an OPQ code to a built index, or drop one, without a build; "
                         "rotation and codebooks as files of FAISS");
  code->require_subcommand(1);
  CLI::App* add = code->add_subcommand(
      "add", "Train a code on the rows that are there, show the progress, wait for the end");
  AddArguments(add, flags.get(), &session);
  add->callback([flags, &session] { session.status = Add(*flags, session); });
  CLI::App* drop = code->add_subcommand("drop", "Drop a code, also from later builds");
  AddArguments(drop, flags.get(), &session);
  drop->callback([flags, &session] { session.status = Drop(*flags, session); });
  CLI::App* from_file = code->add_subcommand(
      "import",
      "Add a code whose rotation and codebooks were learnt elsewhere, show the progress, wait for "
      "the end; later builds keep them");
  AddArguments(from_file, flags.get(), &session);
  from_file
      ->add_option("FILE", flags->file,
                   "Index file of FAISS: IndexPreTransform of an OPQMatrix and an IndexPQ, or an "
                   "IndexPQ")
      ->required();
  from_file
      ->add_option("--input", flags->input,
                   "What they were learnt on: rows, or residuals (rows less the mean of their "
                   "list)")
      ->required()
      ->type_name("INPUT");
  from_file->callback([flags, &session] { session.status = Import(*flags, session); });
  CLI::App* to_file =
      code->add_subcommand("export", "Write a code's rotation and codebooks to a file");
  AddArguments(to_file, flags.get(), &session);
  to_file->add_option("FILE", flags->file, "Written as a whole or not at all")->required();
  to_file->callback([flags, &session] { session.status = Export(*flags, session); });
}

}  // namespace nestor
