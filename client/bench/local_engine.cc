#include "client/bench/local_engine.h"

#include <array>
#include <cstring>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/bench/float_rows.h"
#include "client/bench/index_engine.h"
#include "index/build.h"
#include "index/plan.h"

namespace nestor {
namespace {

constexpr uint64_t kSnapshot = 1;

absl::StatusOr<Dtype> DtypeOf(const VectorFile& file) {
  switch (file.element()) {
    case Element::kF32:
      return Dtype::kF32;
    case Element::kF16:
      return Dtype::kF16;
    case Element::kI8:
      return Dtype::kI8;
    default:
      return absl::InvalidArgumentError(absl::StrCat("base ", file.path(), " holds ",
                                                     Name(file.element()),
                                                     "; a dtype must be chosen for it"));
  }
}

// The rows of a file as a build reads them: ids are row numbers.
class FileSource : public BuildSource {
 public:
  FileSource(const VectorFile& file, const VectorSchema& schema)
      : file_(file),
        schema_(schema),
        as_stored_(DtypeOf(file).ok() && *DtypeOf(file) == schema.dtype) {}

  uint64_t size() const override { return file_.rows(); }
  Row At(uint64_t i) const override { return {.id = i, .row = i, .born = kSnapshot}; }
  absl::Status Read(uint64_t first, uint64_t n, std::byte* out) const override {
    const size_t bytes = schema_.dim * DtypeBytes(schema_.dtype);
    std::vector<float> values(schema_.dim);
    for (uint64_t i = first; i < first + n; ++i, out += bytes) {
      const std::string what = absl::StrCat(file_.path(), " row ", i);
      RowsOf(file_).read(i, 1, values.data());
      if (absl::Status s = ValidateVector(schema_, values.data(), what); !s.ok()) return s;
      if (as_stored_) {
        std::memcpy(out, file_.RowBytes(i).data(), bytes);
        continue;
      }
      absl::Status s = EncodeVector(schema_.dtype, values.data(), schema_.dim, out);
      if (!s.ok()) return absl::Status(s.code(), absl::StrCat(what, ": ", s.message()));
    }
    return absl::OkStatus();
  }

 private:
  const VectorFile& file_;
  const VectorSchema& schema_;
  const bool as_stored_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LocalEngine>> LocalEngine::Build(const Dataset& set,
                                                                const LocalEngineOptions& options) {
  VectorSchema schema{.dim = set.dim(), .nesting = set.nesting(), .metric = set.files().metric};
  if (options.dtype) {
    schema.dtype = *options.dtype;
  } else {
    const absl::StatusOr<Dtype> dtype = DtypeOf(set.base());
    if (!dtype.ok()) return dtype.status();
    schema.dtype = *dtype;
  }
  if (absl::Status s = ValidateSpec(options.spec, schema); !s.ok()) return s;
  const FileSource source(set.base(), schema);
  absl::StatusOr<TimedIndex> built = BuildTimed(schema, options.spec, source,
                                                {.threads = options.threads,
                                                 .code_iterations = options.code_iterations,
                                                 .code_rows = options.code_rows},
                                                options.progress);
  if (!built.ok()) return built.status();
  std::unique_ptr<LocalEngine> engine(new LocalEngine(set, std::move(built->index)));
  engine->facts_.build_s = built->seconds;
  engine->facts_.build_phases = std::move(built->phases);
  return engine;
}

LocalEngine::LocalEngine(const Dataset& set, std::unique_ptr<IvfIndex> index)
    : set_(set), index_(std::move(index)), facts_(FactsOf(*index_)) {}

absl::StatusOr<EnginePass> LocalEngine::Run(const std::string& setting,
                                            const PassOptions& options) {
  absl::string_view how = setting;
  uint32_t batch = 0;
  if (absl::ConsumePrefix(&how, "batch=")) {
    const size_t space = how.find(' ');
    if (space == how.npos || !absl::SimpleAtoi(how.substr(0, space), &batch) || batch == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("'", setting, "' is not batch=N PLAN with N queries, 1 at least"));
    }
    how.remove_prefix(space + 1);
  } else if (absl::StartsWith(how, "exact")) {
    return RunExact(setting, options);
  }
  Plan plan;
  if (how == "default") {
    plan = DefaultPlan(index_->schema(), index_->Shape(), options.k);
  } else {
    const absl::StatusOr<Plan> parsed = ParsePlan(how);
    if (!parsed.ok()) return parsed.status();
    plan = *parsed;
  }
  if (absl::Status s = ValidatePlan(plan, index_->schema(), options.k); !s.ok()) return s;
  if (batch > 0) return RunInBatches(plan, batch, options);
  return RunSingly(FormatPlan(plan), options,
                   [&](const SearchQuery& query, SearchScratch* scratch, SearchResult* result) {
                     return index_->Search(query, plan, scratch, result);
                   });
}

absl::StatusOr<EnginePass> LocalEngine::RunExact(const std::string& setting,
                                                 const PassOptions& options) {
  uint32_t dim_asked = index_->schema().dim;
  absl::string_view dim = setting;
  if (absl::ConsumePrefix(&dim, "exact=") && !absl::SimpleAtoi(dim, &dim_asked)) dim_asked = 0;
  if (NestingIndex(index_->schema(), dim_asked) < 0) {
    return absl::InvalidArgumentError(absl::StrCat("'", setting,
                                                   "' is not exact=DIM with DIM of the nesting ",
                                                   absl::StrJoin(index_->schema().nesting, ",")));
  }
  return RunSingly(absl::StrCat("exact=", dim_asked), options,
                   [&](const SearchQuery& query, SearchScratch* scratch, SearchResult* result) {
                     return index_->SearchExact(query, dim_asked, scratch, result);
                   });
}

absl::StatusOr<EnginePass> LocalEngine::RunSingly(std::string plan, const PassOptions& options,
                                                  const Searcher& search) {
  std::vector<SearchWorker> workers(static_cast<size_t>(options.threads));
  absl::StatusOr<Pass> pass = RunPass(
      options, set_.queries(), /*with_scores=*/false,
      [&](int thread, uint32_t q, std::span<uint64_t> ids, std::span<float>) {
        SearchWorker& worker = workers[static_cast<size_t>(thread)];
        const absl::Status status = search(QueryAt(q, options), &worker.scratch, &worker.result);
        if (!status.ok()) return status;
        Keep(worker.result, ids);
        worker.Sum(worker.result);
        return absl::OkStatus();
      });
  if (!pass.ok()) return pass.status();
  const uint64_t answered = pass->answered;
  return EnginePass{
      .pass = *std::move(pass), .plan = std::move(plan), .stages = StageMeans(workers, answered)};
}

absl::StatusOr<EnginePass> LocalEngine::RunInBatches(const Plan& plan, uint32_t batch,
                                                     const PassOptions& options) {
  struct Feed final : SearchFeed {
    absl::StatusOr<bool> Next(size_t lane, SearchQuery* query) override {
      if (next == queries.size()) return false;
      *query = engine->QueryAt(queries[next], *options);
      lanes[lane] = next++;
      return true;
    }
    void Take(size_t lane, const SearchResult& result) override {
      engine->Keep(result, ids.subspan(lanes[lane] * options->k, options->k));
      worker->Sum(result);
    }
    const LocalEngine* engine;
    const PassOptions* options;
    SearchWorker* worker;
    std::span<const uint32_t> queries;
    std::span<uint64_t> ids;
    size_t next = 0;
    std::array<size_t, kLanes> lanes{};
  };
  std::vector<SearchWorker> workers(static_cast<size_t>(options.threads));
  absl::StatusOr<Pass> pass =
      RunBatches(options, set_.queries(), batch,
                 [&](int thread, std::span<const uint32_t> queries, std::span<uint64_t> ids) {
                   Feed feed;
                   feed.engine = this;
                   feed.options = &options;
                   feed.worker = &workers[static_cast<size_t>(thread)];
                   feed.queries = queries;
                   feed.ids = ids;
                   return index_->SearchMany(plan, &feed, &feed.worker->scratch);
                 });
  if (!pass.ok()) return pass.status();
  const uint64_t answered = pass->answered;
  return EnginePass{.pass = *std::move(pass),
                    .plan = absl::StrCat("batch=", batch, " ", FormatPlan(plan)),
                    .stages = StageMeans(workers, answered)};
}

SearchQuery LocalEngine::QueryAt(uint32_t q, const PassOptions& options) const {
  return {.vector = set_.query(q), .limit = options.k, .snapshot = kSnapshot};
}

void LocalEngine::Keep(const SearchResult& result, std::span<uint64_t> ids) const {
  for (size_t i = 0; i < result.hits.size(); ++i) ids[i] = index_->RowAt(result.hits[i].slot);
}

}  // namespace nestor
