// nestor bench [--data DIR] | --local --base F --queries F ... | --collection NAME --queries F ...
// | --collection NAME --tokens F --offsets F ... | multi ... | replicate ...
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/bench/baseline_engine.h"
#include "client/bench/compare.h"
#include "client/bench/local_engine.h"
#include "client/bench/suite.h"
#include "client/bench/time_model.h"
#include "client/cli/bench_flags.h"
#include "client/cli/bench_report.h"
#include "client/cli/commands.h"
#include "client/cli/names.h"
#include "client/cli/progress.h"
#include "client/cli/server_engine.h"

namespace nestor {
namespace {

constexpr char kSampleDir[] = "tests/data";

// Progress of one phase after the other.
class Phases {
 public:
  explicit Phases(Session& session) : session_(session) {}

  void Update(const std::string& phase, double fraction) {
    if (phase != phase_) {
      progress_.reset();
      progress_ =
          std::make_unique<Progress>(session_.err, session_.err_is_terminal, phase, absl::Now());
      phase_ = phase;
    }
    progress_->Update(absl::Now(), fraction, "");
  }
  void End() {
    progress_.reset();
    phase_.clear();
  }

 private:
  Session& session_;
  std::string phase_;
  std::unique_ptr<Progress> progress_;
};

// Beside this program.
absl::StatusOr<std::string> BaselinesProgram() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return absl::InternalError(absl::StrCat("read /proc/self/exe: ", error.message()));
  const std::filesystem::path program = self.parent_path() / "nestor-baselines";
  if (!std::filesystem::exists(program)) {
    return absl::NotFoundError(absl::StrCat("baselines need ", program.string(),
                                            ", which is built with nestor and not shipped; "
                                            "--baselines none goes without"));
  }
  return program.string();
}

// --plan, with --local and --batch each in batches too, also of one query (what it takes where no
// other search fills the wait for memory), and with --exact brute force at every nesting dim, of
// token matrices at all dims.
std::vector<std::string> PlansOf(const BenchFlags& flags, const Dataset& set) {
  std::vector<std::string> plans;
  for (const std::string& plan : flags.compare.plans) {
    plans.push_back(plan);
    if (!flags.local || flags.batch == 0) continue;
    if (flags.batch > 1) plans.push_back(absl::StrCat("batch=1 ", plan));
    plans.push_back(absl::StrCat("batch=", flags.batch, " ", plan));
  }
  for (uint32_t dim : set.nesting()) {
    if (flags.exact && (!set.of_tokens() || dim == set.dim())) {
      plans.push_back(absl::StrCat("exact=", dim));
    }
  }
  return plans;
}

void Print(const BenchReport& report, const BenchFlags& flags, Session& session) {
  if (!flags.json) {
    session.out << BenchText(report) << "\n" << std::flush;
    return;
  }
  for (const Json& line : BenchJson(report)) session.out << ToLine(line) << "\n";
  session.out << std::flush;
}

BenchReport ReportOf(const Dataset& set, const CompareOptions& options) {
  return {.set = set.files().name,
          .rows = set.has_base() ? set.base().rows() : 0,
          .dim = set.dim(),
          .queries = set.queries(),
          .metric = set.files().metric,
          .k = options.k,
          .threads = options.threads};
}

// `levels` is measured when it is first needed.
absl::StatusOr<BenchReport> BenchLocal(const BenchFlags& flags, const DatasetFiles& files,
                                       std::vector<MemoryLevel>* levels, Session& session) {
  Phases phases(session);
  absl::StatusOr<LocalEngineOptions> local = LocalOptions(flags);
  if (!local.ok()) return local.status();
  if (local->spec.graph && local->spec.graph->dim == 0) local->spec.graph->dim = files.graph_dim;
  const absl::StatusOr<std::unique_ptr<Dataset>> set =
      Dataset::Load(files, flags.compare.k, flags.build_threads,
                    [&](double fraction) { phases.Update("truth", fraction); });
  if (!set.ok()) return set.status();
  local->progress = [&](double fraction) { phases.Update("build", fraction); };
  const absl::StatusOr<std::unique_ptr<LocalEngine>> nestor = LocalEngine::Build(**set, *local);
  if (!nestor.ok()) return nestor.status();
  std::vector<Engine*> engines = {nestor->get()};
  std::vector<std::unique_ptr<BaselineEngine>> baselines;
  for (const std::string& name : flags.baselines) {
    if (name == "none") continue;
    const absl::StatusOr<std::string> program = BaselinesProgram();
    if (!program.ok()) return program.status();
    phases.Update(absl::StrCat("build ", name), 0);
    absl::StatusOr<std::unique_ptr<BaselineEngine>> baseline =
        BaselineEngine::Build(*program, name, **set, flags.build_threads);
    if (!baseline.ok()) return baseline.status();
    engines.push_back(baseline->get());
    baselines.push_back(*std::move(baseline));
  }
  const IvfIndex& index = (*nestor)->index();
  CompareOptions options = flags.compare;
  options.plans = PlansOf(flags, **set);
  options.progress = [&](const std::string& phase, double f) { phases.Update(phase, f); };
  const IndexSpec& spec = index.spec();
  const PlanSources sources{.lists = spec.no_lists ? 0 : index.model().lists,
                            .codes = spec.codes,
                            .graph_dim = spec.graph ? spec.graph->dim : 0};
  absl::StatusOr<Comparison> comparison =
      Compare((*set)->grader(), engines,
              PlanSpaceOf((*set)->nesting(), ShellsInMemory(spec), sources, options.k), options);
  phases.End();
  if (!comparison.ok()) return comparison.status();
  if (levels->empty()) *levels = MeasureLevels();
  BenchReport report = ReportOf(**set, options);
  for (const Engine* engine : engines) report.engines.push_back(engine->facts());
  report.comparison = *std::move(comparison);
  const double code_bytes = spec.codec == ShellCodec::kInt8  ? 1
                            : spec.codec == ShellCodec::kF16 ? 2
                                                             : 4;
  report.local = LocalFigures{
      .levels = *levels,
      .streamed = {.coarse_per_dim = static_cast<double>(index.model().lists),
                   .scan_per_dim = code_bytes * static_cast<double>((*set)->base().rows())}};
  Print(report, flags, session);
  return report;
}

absl::Status BenchCollection(const BenchFlags& flags, Session& session) {
  Client client(session.client);
  const absl::StatusOr<v1::Collection> collection = client.GetCollection(flags.collection);
  if (!collection.ok()) return collection.status();
  const v1::CollectionSpec& spec = collection->spec();
  if (spec.id_kind() == v1::ID_KIND_STR) {
    return absl::InvalidArgumentError(
        absl::StrCat("bench: collection ", flags.collection,
                     " has string ids; the truth names points by number"));
  }
  const bool multi = spec.kind() == v1::VECTOR_KIND_MULTI;
  if (multi == flags.tokens.empty()) {
    return UsageError(absl::StrCat(
        "bench: collection ", flags.collection, " is ",
        multi ? "multi: its queries are those of --tokens and --offsets, not of --queries"
              : "single: its queries are those of --queries; --tokens is for token matrices"));
  }
  DatasetFiles files = flags.files;
  if (multi) files.queries = flags.tokens;
  files.name = absl::StrCat("collection ", flags.collection);
  const absl::StatusOr<Metric> metric = ParseMetric(ToName(spec.metric()));
  if (!metric.ok()) return metric.status();
  files.metric = *metric;
  files.nesting = {spec.nesting().begin(), spec.nesting().end()};
  if (files.nesting.empty()) files.nesting = {spec.dim()};
  Phases phases(session);
  const auto ask = [&](const Dataset& asking) -> absl::StatusOr<TruthTable> {
    phases.Update("truth", 0);
    const auto exact = ServerEngine::Connect(client, spec, asking, /*batch=*/0);
    if (!exact.ok()) return exact.status();
    return (*exact)->Truth(flags.compare.k, flags.build_threads);
  };
  const absl::StatusOr<std::unique_ptr<Dataset>> set = Dataset::Load(
      files, flags.compare.k, flags.build_threads,
      [&](double fraction) { phases.Update("truth", fraction); }, ask);
  if (!set.ok()) return set.status();
  const absl::StatusOr<std::unique_ptr<ServerEngine>> server =
      ServerEngine::Connect(client, spec, **set, flags.batch);
  if (!server.ok()) return server.status();
  CompareOptions options = flags.compare;
  options.plans = PlansOf(flags, **set);
  options.progress = [&](const std::string& phase, double f) { phases.Update(phase, f); };
  absl::StatusOr<Comparison> comparison =
      Compare((*set)->grader(), {server->get()}, (*server)->Space(options.k), options);
  phases.End();
  if (!comparison.ok()) return comparison.status();
  BenchReport report = ReportOf(**set, options);
  report.rows = (*server)->rows();
  report.dim = (*server)->dim();
  report.engines = {(*server)->facts()};
  report.comparison = *std::move(comparison);
  Print(report, flags, session);
  return absl::OkStatus();
}

absl::Status Bench(BenchFlags& flags, Session& session) {
  if (absl::Status s = CheckBenchFlags(flags); !s.ok()) return s;
  if (flags.labels.size() == 2) {
    flags.files.base_labels = flags.labels[0];
    flags.files.query_labels = flags.labels[1];
  }
  if (!flags.collection.empty()) return BenchCollection(flags, session);
  std::vector<DatasetFiles> sets;
  if (flags.local) {
    const absl::StatusOr<Metric> metric = ParseMetric(flags.metric);
    if (!metric.ok()) return UsageError(metric.status().message());
    flags.files.metric = *metric;
    flags.files.name = flags.files.base;
    sets = {flags.files};
  } else {
    if (flags.baselines.empty()) flags.baselines = {kHnswlib, kFaissIvfFlat};
    flags.index.graph = true;
    if (flags.data.empty()) {
      sets = SampleSets(std::filesystem::exists(kSampleDir) ? kSampleDir : NESTOR_SAMPLE_DIR);
    } else {
      sets = FullSets(flags.data, flags.scaled.empty() ? flags.data + "/scaled" : flags.scaled);
    }
  }
  std::vector<MemoryLevel> levels;
  std::vector<BenchReport> reports;
  for (const DatasetFiles& files : sets) {
    absl::StatusOr<BenchReport> report = BenchLocal(flags, files, &levels, session);
    if (!report.ok()) return report.status();
    reports.push_back(*std::move(report));
  }
  if (!flags.json && !flags.local) {
    session.out << MachineText() << "; recall@" << flags.compare.k << ", " << flags.compare.threads
                << (flags.compare.threads == 1 ? " thread" : " threads") << "\n"
                << BenchSummary(reports);
  }
  return absl::OkStatus();
}

}  // namespace

void RegisterBench(CLI::App& app, Session& session) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command = app.add_subcommand(
      "bench",
      "Measure recall and speed: of the index in this process (--local), of a server's collection "
      "(--collection), or, with neither, of the sample sets or those of --data, with lists and "
      "graph. Sweeps plans of lists, of lists scanned by the codes that --code names, and of the "
      "graph, each apart; the fastest with recall 0.90, 0.95 and 0.99 are chosen on "
      "the even queries and reported on the odd ones");
  AddBenchFlags(command, flags.get());
  AddConnectionFlags(command, &session);
  command->require_subcommand(0, 1);
  RegisterMulti(*command, session);
  RegisterReplicate(*command, session);
  command->callback([flags, command, &session] {
    if (command->get_subcommands().empty()) session.status = Bench(*flags, session);
  });
}

}  // namespace nestor
