// nestor load NAME FILE [--offsets F] [--ids F] [--attributes F.jsonl] [--no-build]
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/commands.h"
#include "client/cli/index_flags.h"
#include "client/cli/point_source.h"
#include "client/cli/progress.h"
#include "client/cli/run_build.h"
#include "client/cli/text.h"
#include "client/lib/status.h"

namespace nestor {
namespace {

struct LoadFlags {
  std::string name;
  SourceOptions source;
  float scale = 1;
  bool scaled = false;
  int in_flight = 4;
  bool no_build = false;
  IndexFlags index;
};

// Rows of the file that a batch holds, to name a row that failed.
class RowNumbers {
 public:
  // The next batch, from 1, begins where the one before it ended.
  void Add(uint64_t rows) { first_rows_.push_back(first_rows_.back() + rows); }
  uint64_t FirstRow(uint64_t batch) const { return first_rows_[batch - 1]; }
  uint64_t rows() const { return first_rows_.back(); }

 private:
  std::vector<uint64_t> first_rows_ = {0};
};

std::string Rates(uint64_t rows, uint64_t bytes, double seconds) {
  const double per = 1 / std::max(seconds, 1e-6);
  return absl::StrCat(FormatCount(static_cast<uint64_t>(static_cast<double>(rows) * per)),
                      " rows/s, ",
                      FormatBytes(static_cast<uint64_t>(static_cast<double>(bytes) * per)), "/s");
}

void PrintErrors(BulkUpsert& bulk, const RowNumbers& numbers, Session& session) {
  for (const BulkUpsert::RowError& error : bulk.TakeErrors()) {
    const uint64_t first = numbers.FirstRow(error.batch) + error.first_row;
    session.err << "row " << first;
    if (error.rows > 1) session.err << " to " << first + error.rows - 1;
    session.err << ": " << DescribeError(error.status) << "\n";
  }
}

// Streams the whole source; prints what became of its rows.
absl::Status Send(const LoadFlags& flags, PointSource& source, Client& client, Session& session) {
  BulkUpsert::Options options;
  options.max_in_flight = flags.in_flight;
  const std::unique_ptr<BulkUpsert> bulk = client.StartBulkUpsert(options);
  RowNumbers numbers;
  uint64_t bytes = 0;
  const absl::Time start = absl::Now();
  absl::StatusOr<BulkUpsert::Totals> totals;
  {
    Progress progress(session.err, session.err_is_terminal, "load", start);
    const auto show = [&](const BulkUpsert::Totals& done) {
      const absl::Time now = absl::Now();
      const uint64_t rows = done.rows_written + done.rows_failed;
      const uint64_t sent = std::max<uint64_t>(numbers.rows(), 1);
      const double share = static_cast<double>(rows) / static_cast<double>(sent);
      progress.Update(
          now, source.fraction() * share,
          absl::StrCat(FormatCount(rows),
                       source.rows() > 0 ? absl::StrCat("/", FormatCount(source.rows())) : "",
                       " rows, ",
                       Rates(rows, static_cast<uint64_t>(static_cast<double>(bytes) * share),
                             absl::ToDoubleSeconds(now - start))));
    };
    v1::StreamUpsertRequest batch;
    while (true) {
      const absl::StatusOr<bool> more = source.Next(&batch);
      if (!more.ok()) {
        // What was sent before the bad line is still accounted for.
        totals = bulk->Finish();
        if (totals.ok()) {
          session.err << FormatCount(totals->rows_written) << " rows before it were written\n";
        }
        return more.status();
      }
      if (!*more) break;
      numbers.Add(static_cast<uint64_t>(batch.ids().nums_size() + batch.ids().strs_size()));
      bytes += batch.vectors().data().size();
      if (absl::Status status = bulk->Write(std::move(batch)); !status.ok()) return status;
      show(bulk->totals());
    }
    totals = bulk->Finish();
    if (!totals.ok()) return totals.status();
    show(*totals);
  }
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  PrintErrors(*bulk, numbers, session);
  session.out << "loaded " << FormatCount(totals->rows_written) << " rows (" << FormatBytes(bytes)
              << ") into " << flags.name << " in " << FormatSeconds(seconds) << ": "
              << Rates(numbers.rows(), bytes, seconds) << "\n";
  if (totals->rows_failed > 0) {
    return absl::InvalidArgumentError(absl::StrCat("load ", flags.source.file, ": ",
                                                   totals->rows_failed, " of ", numbers.rows(),
                                                   " rows failed; nothing is built"));
  }
  return absl::OkStatus();
}

absl::Status Load(LoadFlags flags, Session& session) {
  if (flags.scaled) flags.source.scale = flags.scale;
  Client client(session.client);
  const absl::StatusOr<v1::Collection> collection = client.GetCollection(flags.name);
  if (!collection.ok()) return collection.status();
  const auto source = OpenPointSource(flags.source, collection->spec());
  if (!source.ok()) return source.status();
  if (absl::Status status = Send(flags, **source, client, session); !status.ok()) return status;
  if (flags.no_build) return absl::OkStatus();
  v1::BuildIndexRequest request;
  request.set_collection(flags.name);
  return RunBuild(std::move(request), flags.index, client, session);
}

}  // namespace

void RegisterLoad(CLI::App& app, Session& session) {
  auto flags = std::make_shared<LoadFlags>();
  CLI::App* command = app.add_subcommand(
      "load",
      "Upsert the points of a file into a collection, then build its index. Points whose ids are "
      "there are replaced");
  command->add_option("NAME", flags->name, "Collection")->required();
  command
      ->add_option("FILE", flags->source.file,
                   "Vectors: .fbin .f16bin .i8bin .u8bin .fvecs .npy (f4, f2, i1), or .jsonl with "
                   "{\"id\", \"vector\", \"attributes\"} a line")
      ->required();
  command
      ->add_option("--offsets", flags->source.offsets,
                   "Of a multi collection: FILE holds tokens, and point i is tokens [i] to [i + 1] "
                   "of these offsets (n + 1, from 0): .u64bin, .ibin or .npy")
      ->type_name("F");
  command
      ->add_option("--ids", flags->source.ids,
                   "Ids of the rows: .u64bin, .ibin, .npy, or text with one a line (default: row "
                   "numbers from 0)")
      ->type_name("F");
  command
      ->add_option("--attributes", flags->source.attributes,
                   "Attributes: line i is the JSON object of row i; timestamps in RFC 3339")
      ->type_name("F.jsonl");
  CLI::Option* scale =
      command
          ->add_option("--scale", flags->scale,
                       "Load values of i8 and u8 files as S x value, into a collection of floats")
          ->type_name("S");
  command
      ->add_option("--in-flight", flags->in_flight,
                   "Batches sent before the first reply, 1 to 64 (default 4)")
      ->check(CLI::Range(1, 64))
      ->type_name("N");
  command->add_flag("--no-build", flags->no_build, "Do not build the index at the end");
  AddIndexFlags(command, &flags->index);
  AddOwnListsFlags(command, &flags->index);
  AddConnectionFlags(command, &session);
  command->callback([flags, scale, &session] {
    flags->scaled = scale->count() > 0;
    session.status = Load(*flags, session);
  });
}

}  // namespace nestor
