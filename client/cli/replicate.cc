// nestor bench replicate --data DIR --out DIR
#include "client/bench/replicate/replicate.h"

#include <memory>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "client/cli/commands.h"

namespace nestor {
namespace {

absl::Status RunReplicate(const ReplicateOptions& options, Session& session) {
  const absl::Time begin = absl::Now();
  const Told told = [&](absl::string_view what) {
    session.err << static_cast<int>(absl::ToDoubleSeconds(absl::Now() - begin)) << " s  " << what
                << "\n"
                << std::flush;
  };
  const absl::StatusOr<Replication> replication = Replicate(options, told);
  if (!replication.ok()) return replication.status();
  if (absl::Status s = WriteReplication(*replication, options); !s.ok()) return s;
  session.out << FindingsText(replication->findings) << replication->runs.size()
              << " runs; tables and charts are in " << options.out << "\n"
              << std::flush;
  return absl::OkStatus();
}

}  // namespace

void RegisterReplicate(CLI::App& bench, Session& session) {
  auto options = std::make_shared<ReplicateOptions>();
  options->nesting = {8, 16, 32, 64, 128, 256, 512, 768};
  CLI::App* command = bench.add_subcommand(
      "replicate",
      "Repeat the protocol of the AdANNS paper on one set: the nested encoder mrl, the rigid ones "
      "rr<dim> and labels, as in the folder wnh. Prints which findings hold; writes runs.csv, "
      "findings.md and charts");
  command->add_option("--data", options->data, "Folder of encoders and labels")
      ->required()
      ->type_name("DIR");
  command->add_option("--out", options->out, "Folder to write into")->required()->type_name("DIR");
  command
      ->add_option("--nesting", options->nesting,
                   "Dims that the encoders were trained at, the last one D (default: 8, 16, 32, "
                   "64, 128, 256, 512, 768)")
      ->delimiter(',')
      ->type_name("DIM,DIM,...");
  command->add_option("--build-threads", options->threads, "Threads that build (default 1)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command->callback([options, &session] { session.status = RunReplicate(*options, session); });
}

}  // namespace nestor
