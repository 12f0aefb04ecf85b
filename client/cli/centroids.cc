// nestor centroids export NAME FILE
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/text.h"
#include "client/files/write_vectors.h"

namespace nestor {
namespace {

struct CentroidsFlags {
  std::string name;
  std::string file;
};

absl::Status Export(const CentroidsFlags& flags, Session& session) {
  Client client(session.client);
  const absl::StatusOr<v1::GetCentroidsResponse> reply = client.GetCentroids(flags.name);
  if (!reply.ok()) return reply.status();
  const std::string& data = reply->centroids().data();
  const uint32_t dim = reply->coarse_dim();
  if (reply->centroids().dtype() != v1::DTYPE_F32 || dim == 0 || reply->rows().empty() ||
      data.size() != reply->rows_size() * dim * sizeof(float)) {
    return absl::InternalError(absl::StrCat("the server sent ", data.size(), " bytes for ",
                                            reply->rows_size(), " centroids of ", dim, " dims"));
  }
  std::vector<float> values(data.size() / sizeof(float));
  std::memcpy(values.data(), data.data(), data.size());
  if (absl::Status written = WriteF32(flags.file, dim, values); !written.ok()) return written;
  const auto [least, most] = std::minmax_element(reply->rows().begin(), reply->rows().end());
  const bool imported = reply->origin() == v1::CENTROID_ORIGIN_IMPORTED;
  session.out << "exported the " << FormatCount(reply->rows_size())
              << (imported ? " imported" : " trained") << " centroids of " << flags.name << ", "
              << dim << " dims, to " << flags.file << " (" << FormatBytes(data.size())
              << "); rows a list " << FormatCount(*least) << " to " << FormatCount(*most) << "\n";
  return absl::OkStatus();
}

}  // namespace

void RegisterCentroids(CLI::App& app, Session& session) {
  auto flags = std::make_shared<CentroidsFlags>();
  CLI::App* centroids = app.add_subcommand(
      "centroids", "Centroids of an index's lists; `build --centroids` takes some");
  centroids->require_subcommand(1);
  CLI::App* to_file = centroids->add_subcommand(
      "export", "Write them to a file, one a row, trained and imported ones alike");
  to_file->add_option("NAME", flags->name, "Collection")->required();
  to_file
      ->add_option("FILE", flags->file,
                   "fbin, fvecs or npy by its name; written as a whole or not at all")
      ->required();
  AddConnectionFlags(to_file, &session);
  to_file->callback([flags, &session] { session.status = Export(*flags, session); });
}

}  // namespace nestor
