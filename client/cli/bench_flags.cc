#include "client/cli/bench_flags.h"

#include <algorithm>
#include <thread>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "client/bench/baseline_engine.h"
#include "client/cli/session.h"
#include "index/plan.h"

namespace nestor {
namespace {

void AddFileFlags(CLI::App* command, BenchFlags* flags) {
  command->add_option("--base", flags->files.base, "Base vectors")->type_name("F")->group("Files");
  CLI::Option* queries = command->add_option("--queries", flags->files.queries, "Query vectors")
                             ->type_name("F")
                             ->group("Files");
  CLI::Option* tokens =
      command
          ->add_option("--tokens", flags->tokens,
                       "Of a multi collection: the tokens of its queries, one a row")
          ->type_name("F")
          ->excludes(queries)
          ->group("Files");
  CLI::Option* offsets =
      command
          ->add_option("--offsets", flags->files.offsets,
                       "Where the queries begin in the file of tokens (n + 1, from 0)")
          ->type_name("F")
          ->needs(tokens)
          ->group("Files");
  tokens->needs(offsets);
  CLI::Option* truth =
      command
          ->add_option("--truth", flags->files.truth,
                       "Row numbers of each query's nearest rows (`nestor truth`). Default: "
                       "computed from --base, or with --collection by exact searches")
          ->type_name("F.ids.ibin")
          ->group("Files");
  command
      ->add_option("--distances", flags->files.distances,
                   "Their scores: lets hits that tie with the k-th count where there is no --base")
      ->type_name("F")
      ->needs(truth)
      ->group("Files");
  command
      ->add_option("--labels", flags->labels,
                   "Labels of base rows and of queries: adds accuracy_1nn")
      ->delimiter(',')
      ->type_name("BASE.ibin,QUERY.ibin")
      ->group("Files");
  command
      ->add_option("--data", flags->data,
                   "The full sets under this directory: wnh/, text30k/ and, where made, scaled/")
      ->type_name("DIR")
      ->group("Files");
  command
      ->add_option(
          "--scaled", flags->scaled,
          "Where wnh200k.fbin and text200k.fbin with their truth are (default: DATA/scaled)")
      ->type_name("DIR")
      ->group("Files");
}

void AddMeasureFlags(CLI::App* command, BenchFlags* flags) {
  CompareOptions& compare = flags->compare;
  command->add_option("--metric", flags->metric, "cosine, dot or l2 (with --local)")
      ->type_name("M");
  command
      ->add_option("--nesting", flags->files.nesting,
                   "Prefix lengths, the last one D (with --local; default: 64, 128, .. and D)")
      ->delimiter(',')
      ->type_name("DIM,DIM,...");
  command
      ->add_option("--dtype", flags->dtype,
                   "Stored type: f32, f16, bf16 or i8 (default: the file's)")
      ->type_name("T");
  command->add_option("-k", compare.k, "Hits per query (default 10)")
      ->check(CLI::Range(1u, kMaxLimit))
      ->type_name("K");
  command->add_option("--threads", compare.threads, "Threads that search (default 1)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command
      ->add_option("--build-threads", flags->build_threads,
                   "Threads that build (default: all CPUs)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command
      ->add_option(
          "--plan", compare.plans,
          "Measure this plan on all queries, or 'default', or 'exact=DIM'; repeat the flag "
          "for more. Without one, plans are swept")
      ->allow_extra_args(false)
      ->type_name("P");
  command->add_flag("--exact", flags->exact, "Measure brute force at every nesting dim");
  command
      ->add_option(
          "--baselines", flags->baselines,
          "Engines to compare with: hnswlib, faiss-ivfflat, faiss-ivfpq (fast-scan of 4-bit "
          "codes, then refined), none. Default: the first two without --local, else none")
      ->delimiter(',')
      ->type_name("NAME,...");
  command
      ->add_option("--sweep", compare.random_plans,
                   "Random plans that a sweep starts from (default 200)")
      ->check(CLI::Range(1, 100000))
      ->type_name("N");
  command->add_option("--passes", compare.passes, "Passes whose median is reported (default 5)")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  command
      ->add_option(
          "--batch", flags->batch,
          "With --collection: send BatchSearch calls of so many queries; 0 = Search. "
          "With --local: measure each --plan in such batches and in those of one query, too")
      ->check(CLI::Range(0, 10000))
      ->type_name("N");
  command->add_flag("--json", flags->json, "Print one JSON object a line instead of tables");
}

}  // namespace

void AddBenchFlags(CLI::App* command, BenchFlags* flags) {
  flags->build_threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  CLI::Option* local =
      command->add_flag("--local", flags->local, "The index in this process on --base; no server");
  command->add_option("--collection", flags->collection, "A collection of the server")
      ->excludes(local)
      ->type_name("NAME");
  AddFileFlags(command, flags);
  AddMeasureFlags(command, flags);
  AddIndexFlags(command, &flags->index);
}

absl::Status CheckBenchFlags(const BenchFlags& flags) {
  for (const std::string& name : flags.baselines) {
    if (name != kHnswlib && name != kFaissIvfFlat && name != kFaissIvfPq && name != "none") {
      return UsageError(absl::StrCat("baseline '", name, "' is none of ", kHnswlib, ", ",
                                     kFaissIvfFlat, ", ", kFaissIvfPq, ", none"));
    }
  }
  if (!flags.labels.empty() && flags.labels.size() != 2) {
    return UsageError(
        absl::StrCat("--labels takes two files, BASE,QUERY; ", flags.labels.size(), " are given"));
  }
  const bool with_files = flags.local || !flags.collection.empty();
  const bool no_queries = flags.files.queries.empty() && flags.tokens.empty();
  if (!with_files && (!flags.files.base.empty() || !no_queries)) {
    return UsageError("files are given, but neither --local nor --collection");
  }
  if (with_files && no_queries) {
    return UsageError(flags.local ? "--queries is required" : "--queries or --tokens is required");
  }
  if (flags.local && !flags.tokens.empty()) {
    return UsageError("--tokens needs --collection; in process `nestor bench multi` takes tokens");
  }
  if (!flags.tokens.empty() && !flags.files.base.empty()) {
    return UsageError(
        "--base is of vectors; the truth of --tokens is that of --truth, or asked of the server");
  }
  if (flags.local && (flags.files.base.empty() || flags.metric.empty())) {
    return UsageError("--local needs --base and --metric");
  }
  if (flags.local && flags.batch > 0 && flags.compare.plans.empty()) {
    return UsageError("--local with --batch needs --plan: the plans that are run in batches");
  }
  if (!flags.collection.empty() && !flags.baselines.empty() && flags.baselines[0] != "none") {
    return UsageError("--baselines need --local: they run in a process beside this one");
  }
  return absl::OkStatus();
}

absl::StatusOr<LocalEngineOptions> LocalOptions(const BenchFlags& flags) {
  LocalEngineOptions options{.threads = flags.build_threads};
  options.spec.lists = flags.index.lists;
  options.spec.coarse_dim = flags.index.coarse_dim;
  options.spec.shells = flags.index.shells;
  if (WantsGraph(flags.index)) {
    options.spec.graph = {flags.index.graph_dim, flags.index.degree, flags.index.ef_construction};
  }
  options.spec.no_lists = flags.index.no_lists;
  options.spec.memory_dim = flags.index.memory_dim;
  for (const std::string& name : flags.index.codes) {
    const absl::StatusOr<OpqSpec> code = ParseOpqName(name);
    if (!code.ok()) return UsageError(code.status().message());
    options.spec.codes.push_back(*code);
  }
  if (!flags.index.codec.empty()) {
    const absl::StatusOr<ShellCodec> codec = ParseShellCodec(flags.index.codec);
    if (!codec.ok()) return UsageError(codec.status().message());
    options.spec.codec = *codec;
  }
  if (!flags.index.exact_vectors.empty() && flags.index.exact_vectors != "memory") {
    return UsageError(absl::StrCat("--exact-vectors ", flags.index.exact_vectors,
                                   ": in process there is no store, only memory"));
  }
  if (!flags.dtype.empty()) {
    const absl::StatusOr<Dtype> dtype = ParseDtype(flags.dtype);
    if (!dtype.ok()) return UsageError(dtype.status().message());
    options.dtype = *dtype;
  }
  return options;
}

}  // namespace nestor
