// nestor truth --base F --queries F --metric M [-k K] [--dim D] [--threads N] --out PREFIX
#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/bench/float_rows.h"
#include "client/cli/commands.h"
#include "client/cli/progress.h"
#include "client/cli/text.h"
#include "client/files/write_vectors.h"
#include "index/ground_truth.h"

namespace nestor {
namespace {

struct TruthFlags {
  std::string base, queries, metric, out;
  GroundTruthOptions options;
};

absl::Status Truth(TruthFlags& flags, Session& session) {
  const absl::StatusOr<Metric> metric = ParseMetric(flags.metric);
  if (!metric.ok()) return UsageError(metric.status().message());
  flags.options.metric = *metric;
  const absl::StatusOr<VectorFile> base = VectorFile::Open(flags.base);
  if (!base.ok()) return base.status();
  const absl::StatusOr<VectorFile> queries = VectorFile::Open(flags.queries);
  if (!queries.ok()) return queries.status();
  if (base->rows() > static_cast<uint64_t>(std::numeric_limits<int32_t>::max())) {
    return absl::InvalidArgumentError(absl::StrCat("truth: ", flags.base, " has ", base->rows(),
                                                   " rows, an ibin file names at most 2^31 - 1"));
  }
  const absl::Time start = absl::Now();
  absl::StatusOr<GroundTruth> truth;
  {
    Progress progress(session.err, session.err_is_terminal, "truth", start);
    flags.options.progress = [&](double fraction) { progress.Update(absl::Now(), fraction, ""); };
    truth = ComputeGroundTruth(RowsOf(*base), RowsOf(*queries), flags.options);
  }
  if (!truth.ok()) return truth.status();
  const std::string ids = flags.out + ".ids.ibin", scores = flags.out + ".dist.fbin";
  const std::vector<int32_t> rows(truth->rows.begin(), truth->rows.end());
  if (absl::Status s = WriteI32(ids, truth->k, rows); !s.ok()) return s;
  if (absl::Status s = WriteF32(scores, truth->k, truth->scores); !s.ok()) return s;
  session.out << "wrote " << ids << " and " << scores << ": " << FormatCount(queries->rows())
              << " queries x " << truth->k << " of " << FormatCount(base->rows()) << " rows, "
              << Name(*metric) << ", " << FormatSeconds(absl::ToDoubleSeconds(absl::Now() - start))
              << "\n";
  return absl::OkStatus();
}

}  // namespace

void RegisterTruth(CLI::App& app, Session& session) {
  auto flags = std::make_shared<TruthFlags>();
  flags->options.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  CLI::App* command = app.add_subcommand(
      "truth",
      "Compute the exact nearest rows of every query, ties by row number: PREFIX.ids.ibin and "
      "PREFIX.dist.fbin (L2: squared distances, ascending; else descending). Needs no server");
  command->add_option("--base", flags->base, "File of base vectors")->required()->type_name("F");
  command->add_option("--queries", flags->queries, "File of query vectors")
      ->required()
      ->type_name("F");
  command->add_option("--metric", flags->metric, "cosine, dot or l2")->required()->type_name("M");
  command->add_option("-k", flags->options.k, "Rows per query, 1 to the rows of the base (100)")
      ->type_name("K");
  command->add_option("--dim", flags->options.dim, "Compare this prefix only (default: D)")
      ->type_name("DIM");
  command->add_option("--threads", flags->options.threads, "Threads (default: all CPUs)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command->add_option("--out", flags->out, "Path of the files without their endings")
      ->required()
      ->type_name("PREFIX");
  AddConnectionFlags(command, &session);
  command->callback([flags, &session] { session.status = Truth(*flags, session); });
}

}  // namespace nestor
