// nestor bench multi --data DIR [--out DIR]
#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/bench/multi/study.h"
#include "client/bench/write_files.h"
#include "client/cli/bench_report.h"
#include "client/cli/commands.h"

namespace nestor {
namespace {

struct MultiFlags {
  StudyOptions study;
  std::string out;
  std::string part = "all";
  std::string dims;  // BEGIN:END
  bool identity = false;
};

std::string TokensText(const Study& study) {
  const FdeSpec& fde = study.fde;
  return absl::StrFormat(
      "%d documents of %.1f tokens of %d dims, %d queries; FDEs: k_sim %d, d_proj %d, %d "
      "repetitions, %d dims%s\n",
      study.documents, static_cast<double>(study.tokens) / static_cast<double>(study.documents),
      study.token_dim, study.queries, fde.k_sim, fde.d_proj, fde.repetitions, fde.dims(),
      fde.fill_empty ? ", filled" : "");
}

std::string RatesText(const MaxSimRates& rates) {
  return absl::StrFormat(
      "MaxSim on int8 codes: %.0f Gop/s out of the cache, %.0f over all documents\n",
      rates.hot_gops, rates.all_gops);
}

std::string QualityText(const Study& study) {
  std::string text = absl::StrFormat("all %d queries, one pass:\n%-14s %9s %8s %8s  plan\n",
                                     study.queries, "engine", "recall", "MRR", "QPS");
  for (const Measurement& m : study.quality) {
    absl::StrAppendFormat(&text, "%-14s %9.4f %8.4f %8.0f  %s\n", m.engine, m.recall,
                          m.mrr.value_or(0), m.qps, m.plan);
  }
  return text;
}

absl::Status RunMulti(MultiFlags& flags, Session& session) {
  const absl::Time begin = absl::Now();
  const auto told = [&](absl::string_view what) {
    session.err << static_cast<int>(absl::ToDoubleSeconds(absl::Now() - begin)) << " s  " << what
                << "\n"
                << std::flush;
  };
  if (!flags.dims.empty()) {
    const std::pair<absl::string_view, absl::string_view> bounds =
        absl::StrSplit(flags.dims, absl::MaxSplits(':', 1));
    if (!absl::SimpleAtoi(bounds.first, &flags.study.begin) ||
        !absl::SimpleAtoi(bounds.second, &flags.study.end) ||
        flags.study.end <= flags.study.begin) {
      return UsageError(absl::StrCat("--dims ", flags.dims, ": not BEGIN:END, as 0:32"));
    }
  }
  if (flags.identity) flags.study.fde.projection = FdeProjection::kIdentity;
  flags.study.candidates = flags.part != "search";
  flags.study.search = flags.part != "candidates";
  const absl::StatusOr<Study> study = RunStudy(flags.study, told);
  if (!study.ok()) return study.status();
  const BenchReport report{.set = flags.study.data,
                           .rows = study->documents,
                           .dim = study->fde.dims(),
                           .queries = study->queries,
                           .metric = Metric::kDot,
                           .k = flags.study.compare.k,
                           .threads = flags.study.compare.threads,
                           .engines = study->engines,
                           .comparison = study->comparison};
  session.out << MachineText() << "\n"
              << TokensText(*study) << "\n"
              << CandidatesText(study->candidates) << std::flush;
  if (flags.study.search) {
    session.out << RatesText(study->rates) << BenchText(report) << "\n"
                << QualityText(*study) << std::flush;
  }
  if (flags.out.empty()) return absl::OkStatus();
  return WriteFiles(flags.out, FilesOf(*study));
}

}  // namespace

void RegisterMulti(CLI::App& bench, Session& session) {
  auto flags = std::make_shared<MultiFlags>();
  StudyOptions& study = flags->study;
  study.compare.random_plans = 60;
  study.compare.climb_plans = 60;
  study.compare.min_runs = 200;
  CLI::App* command = bench.add_subcommand(
      "multi",
      "Measure searches of token matrices in this process: how many candidates FDEs of several "
      "shapes need, then lists, codes and graph on FDEs beside brute-force MaxSim, mean vectors "
      "and a search by token, all of them ending in MaxSim");
  command->add_option("--data", study.data, "Folder of tokens, as mv30k")
      ->required()
      ->type_name("DIR");
  command->add_option("--out", flags->out, "Folder that tables and charts are written into")
      ->type_name("DIR");
  command->add_option("--max-queries", study.queries, "The first N queries (default 1000)")
      ->check(CLI::Range(2, 1000000))
      ->type_name("N");
  command
      ->add_option("--max-documents", study.documents,
                   "The first N documents; their exact neighbours are computed (default: all)")
      ->check(CLI::Range(10, 1000000000))
      ->type_name("N");
  command->add_option("--k-sim", study.fde.k_sim, "Of the FDEs that are searched")
      ->capture_default_str()
      ->type_name("N");
  command->add_option("--d-proj", study.fde.d_proj, "Likewise")
      ->capture_default_str()
      ->type_name("N");
  command->add_option("--repetitions", study.fde.repetitions, "Likewise")
      ->capture_default_str()
      ->type_name("N");
  command->add_flag("--identity", flags->identity, "FDEs of tokens that are not projected");
  command->add_flag("--fill", study.fde.fill_empty, "FDEs whose empty blocks are filled");
  command
      ->add_option("--dims", flags->dims,
                   "Only these dims of the tokens; their exact neighbours are computed")
      ->type_name("BEGIN:END");
  command->add_option("--part", flags->part, "Only the table of candidates, or only the searches")
      ->capture_default_str()
      ->check(CLI::IsMember({"all", "candidates", "search"}))
      ->type_name("PART");
  command->add_option("--random-plans", study.compare.random_plans, "Of each sweep")
      ->capture_default_str()
      ->check(CLI::Range(0, 100000))
      ->type_name("N");
  command->add_option("--climb-plans", study.compare.climb_plans, "For each recall, at most")
      ->capture_default_str()
      ->check(CLI::Range(0, 100000))
      ->type_name("N");
  command->add_option("--build-threads", study.build_threads, "Threads that build (default 1)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command->callback([flags, &session] { session.status = RunMulti(*flags, session); });
}

}  // namespace nestor
