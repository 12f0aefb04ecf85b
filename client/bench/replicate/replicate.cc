#include "client/bench/replicate/replicate.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/bench/replicate/csv.h"
#include "client/bench/replicate/encoder.h"
#include "client/bench/replicate/findings.h"
#include "client/bench/replicate/grid.h"
#include "client/bench/replicate/methods.h"
#include "client/bench/replicate/plots.h"
#include "client/bench/write_files.h"

namespace nestor {
absl::StatusOr<Replication> Replicate(const ReplicateOptions& options, const Told& told) {
  if (options.nesting.size() < 3) {
    return absl::InvalidArgumentError(absl::StrCat(
        "replicate: a nesting of ", options.nesting.size(), " dims is too short, it takes 3"));
  }
  const VectorSchema schema{.dim = options.nesting.back(), .nesting = options.nesting};
  if (absl::Status s = ValidateSchema(schema); !s.ok()) return s;
  const Grid trained{.nesting = options.nesting};
  told("encoders");
  const absl::StatusOr<EncoderSet> encoders =
      LoadEncoders(options.data, trained.IndexNesting(), options.threads);
  if (!encoders.ok()) return encoders.status();
  Grid grid = GridOf(options.nesting, encoders->nested->rows());
  grid.threads = options.threads;

  Replication replication;
  std::vector<Trial>& runs = replication.runs;
  for (const auto& method :
       {RunLists, RunExactAndCascades, RunOtherMetrics, RunCodes, RunCodesInLists, RunGraphs}) {
    if (absl::Status s = method(*encoders, grid, told, &runs); !s.ok()) return s;
  }
  const absl::StatusOr<ClusterTable> clusters = MeasureClusters(*encoders->nested, grid, told);
  if (!clusters.ok()) return clusters.status();
  const absl::StatusOr<std::vector<ListEquality>> lists =
      CompareLists(*encoders->nested, grid, told);
  if (!lists.ok()) return lists.status();
  const absl::StatusOr<std::vector<FlatEquality>> flat = CompareFlat(*encoders->nested, grid, told);
  if (!flat.ok()) return flat.status();

  replication.findings = {PrefixesAgainstRigid(runs, grid),
                          ListsByOperations(runs, grid),
                          ListsByLatency(runs, grid),
                          ClustersByDim(*clusters),
                          OneIndexManyDims(runs, grid),
                          CodesByBytes(runs, grid),
                          CodesByDim(runs, grid),
                          CodesInLists(runs, grid),
                          GraphsOverCodes(runs, grid),
                          AdaptiveRetrieval(runs, grid),
                          DecoupledLists(runs, grid, *lists),
                          Normalisation(runs, grid, *flat)};
  return replication;
}

absl::Status WriteReplication(const Replication& replication, const ReplicateOptions& options) {
  std::vector<std::pair<std::string, std::string>> files = {
      {"runs.csv", CsvOf(replication.runs)},
      {"findings.md", FindingsMarkdown(replication.findings)}};
  const uint64_t rows = replication.runs.empty() ? 0 : replication.runs.front().rows;
  for (auto& [name, plot] : PlotsOf(replication.runs, GridOf(options.nesting, rows))) {
    files.emplace_back(name, SvgOf(plot));
  }
  return WriteFiles(options.out, files);
}

}  // namespace nestor
