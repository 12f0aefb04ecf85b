// nestor-baselines: started by `nestor bench`, answers requests line by line (client/passes/wire.h)
// so that the engines of a comparison can alternate pass by pass.
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/baselines/baseline.h"
#include "client/files/vector_file.h"

namespace nestor {

absl::StatusOr<uint32_t> ParseSetting(absl::string_view setting, absl::string_view name) {
  absl::string_view value = setting;
  uint32_t number = 0;
  if (!absl::ConsumePrefix(&value, absl::StrCat(name, "=")) || !absl::SimpleAtoi(value, &number) ||
      number == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("setting '", setting, "' is not ", name, "=N with N of 1 or more"));
  }
  return number;
}

namespace {

struct Flags {
  std::string engine, base, queries, metric;
  uint32_t lists = 0;
};

absl::StatusOr<Matrix> ReadMatrix(const std::string& path, Metric metric) {
  const absl::StatusOr<VectorFile> file = VectorFile::Open(path);
  if (!file.ok()) return file.status();
  Matrix matrix{.rows = file->rows(), .dim = file->dim()};
  matrix.values.resize(matrix.rows * matrix.dim);
  for (uint64_t i = 0; i < matrix.rows; ++i) {
    const std::span<float> row = std::span(matrix.values).subspan(i * matrix.dim, matrix.dim);
    file->ReadF32(i, row);
    if (metric != Metric::kCosine) continue;
    double square = 0;
    for (float v : row) square += double{v} * v;
    for (float& v : row) v = static_cast<float>(v / std::sqrt(square));
  }
  return matrix;
}

absl::StatusOr<Pass> AnswerPass(Baseline& baseline, const Matrix& queries, absl::string_view line) {
  const absl::StatusOr<PassRequest> request = ParsePassRequest(line);
  if (!request.ok()) return request.status();
  if (absl::Status s = baseline.Set(request->setting); !s.ok()) return s;
  return RunPass(request->options, static_cast<uint32_t>(queries.rows), /*with_scores=*/false,
                 [&](int, uint32_t query, std::span<uint64_t> ids, std::span<float>) {
                   thread_local bool entered = false;
                   if (!entered) baseline.EnterThread();
                   entered = true;
                   return baseline.Answer(queries.row(query), ids);
                 });
}

absl::Status Serve(const Flags& flags) {
  const absl::StatusOr<Metric> metric = ParseMetric(flags.metric);
  if (!metric.ok()) return metric.status();
  const std::unique_ptr<Baseline> baseline = flags.engine == "hnswlib" ? MakeHnswlib(*metric)
                                             : flags.engine == "faiss-ivfpq"
                                                 ? MakeFaissIvfPq(*metric, flags.lists)
                                                 : MakeFaissIvfFlat(*metric, flags.lists);
  absl::StatusOr<Matrix> base = ReadMatrix(flags.base, *metric);
  if (!base.ok()) return base.status();
  const absl::StatusOr<Matrix> queries = ReadMatrix(flags.queries, *metric);
  if (!queries.ok()) return queries.status();
  if (base->dim != queries->dim) {
    return absl::InvalidArgumentError(absl::StrCat(flags.base, " has ", base->dim, " dims, ",
                                                   flags.queries, " has ", queries->dim));
  }
  bool built = false;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::string reply;
    if (absl::StartsWith(line, "build ") && !built) {
      const absl::StatusOr<int> threads = ParseBuildRequest(line);
      absl::StatusOr<BuildReply> result = threads.ok()
                                              ? baseline->Build(*base, *threads)
                                              : absl::StatusOr<BuildReply>(threads.status());
      built = result.ok();
      if (built) std::vector<float>().swap(base->values);  // both libraries keep copies
      reply = FormatReply(result);
    } else if (built) {
      reply = FormatReply(AnswerPass(*baseline, *queries, line));
    } else {
      reply = FormatReply(absl::StatusOr<Pass>(
          absl::FailedPreconditionError(absl::StrCat("'", line, "' before a build"))));
    }
    std::cout << reply << std::endl;
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace nestor

int main(int argc, char** argv) {
  // Threads of FAISS's builds that wait for each other by spinning take a hundred times as long
  // where others use the CPUs too. OpenMP reads this before main begins.
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) {
    setenv("OMP_WAIT_POLICY", "passive", 1);
    setenv("GOMP_SPINCOUNT", "0", 1);
    execv("/proc/self/exe", argv);  // where it fails, it is only slow
  }
  CLI::App app("nestor-baselines: other libraries, for `nestor bench`", "nestor-baselines");
  nestor::Flags flags;
  app.add_option("--engine", flags.engine, "hnswlib, faiss-ivfflat or faiss-ivfpq")
      ->required()
      ->check(CLI::IsMember({"hnswlib", "faiss-ivfflat", "faiss-ivfpq"}));
  app.add_option("--base", flags.base, "File of base vectors")->required();
  app.add_option("--queries", flags.queries, "File of query vectors")->required();
  app.add_option("--metric", flags.metric, "cosine, dot or l2")->required();
  app.add_option("--lists", flags.lists, "Lists of FAISS; 0 = by the number of rows");
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = nestor::Serve(flags);
  if (status.ok()) return 0;
  std::cerr << "nestor-baselines: " << status.message() << "\n";
  return 1;
}
