// nestor build NAME [--lists N] [--coarse-dim DIM] [--shells ...] [--codec ...]
//     [--graph] [--graph-dim DIM] [--degree N] [--ef-construction N] [--no-lists]
//     [--list-attribute NAME | --train-lists] [--centroids F] [--muvera NAME=VALUE,...]
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/index_flags.h"
#include "client/cli/muvera.h"
#include "client/cli/run_build.h"
#include "client/files/vector_file.h"
#include "index/schema.h"

namespace nestor {
namespace {

struct BuildFlags {
  std::string name;
  IndexFlags index;
  std::string centroids;  // a file
  bool encode = false;
  std::string muvera;  // empty: all defaults
};

// The file's rows, and what of the spec they say.
absl::Status SetCentroids(const std::string& path, v1::BuildIndexRequest* request,
                          IndexFlags* index) {
  const absl::StatusOr<VectorFile> file = VectorFile::Open(path);
  if (!file.ok()) return file.status();
  if (file->rows() < 2 || file->rows() > kMaxLists) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has ", file->rows(), " centroids, not 2..", kMaxLists));
  }
  index->coarse_dim = file->dim();
  index->lists = static_cast<uint32_t>(file->rows());
  std::vector<float> values(file->rows() * file->dim());
  for (uint64_t row = 0; row < file->rows(); ++row) {
    file->ReadF32(row, std::span(values).subspan(row * file->dim(), file->dim()));
  }
  request->mutable_centroids()->set_dtype(v1::DTYPE_F32);
  request->mutable_centroids()->set_data(
      std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
  return absl::OkStatus();
}

absl::Status Build(const BuildFlags& flags, Session& session) {
  v1::BuildIndexRequest request;
  request.set_collection(flags.name);
  IndexFlags index = flags.index;
  if (flags.encode) {
    absl::StatusOr<v1::Muvera> given = MuveraFromText(flags.muvera);
    if (!given.ok()) return given.status();
    *request.mutable_muvera() = *std::move(given);
  }
  if (!flags.centroids.empty()) {
    const absl::Status set = SetCentroids(flags.centroids, &request, &index);
    if (!set.ok()) return set;
  }
  Client client(session.client);
  return RunBuild(std::move(request), index, client, session);
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
  AddOwnListsFlags(command, &flags->index);
  CLI::Option* centroids =
      command
          ->add_option(
              "--centroids", flags->centroids,
              "A file of centroids that were learnt elsewhere, one a row (fbin, f16bin, "
              "fvecs or npy): their dim is the coarse dim, their number that of the lists; "
              "later builds keep them")
          ->type_name("F")
          ->group("Index");
  for (const char* said : {"--lists", "--coarse-dim", "--no-lists", "--train-lists"}) {
    centroids->excludes(command->get_option(said));
  }
  CLI::Option* muvera =
      command
          ->add_option("--muvera", flags->muvera,
                       absl::StrCat("Of kind multi: encode the points anew, as `create` takes it "
                                    "(what is not named has its default, but for max_tokens, which "
                                    "stays), e.g. ",
                                    kMuveraHelp))
          ->type_name("NAME=VALUE,...");
  muvera->excludes(centroids);
  AddConnectionFlags(command, &session);
  command->callback([flags, muvera, &session] {
    flags->encode = muvera->count() > 0;
    session.status = Build(*flags, session);
  });
}

}  // namespace nestor
