#include "client/bench/multi/token_engine.h"

#include <chrono>
#include <span>
#include <utility>

#include "client/bench/index_engine.h"
#include "index/build.h"
#include "index/multi/token_search.h"
#include "index/plan.h"

namespace nestor {
namespace {

constexpr uint64_t kSnapshot = 1;

// The encodings as a build reads them, made anew each time: all at once may not fit into memory.
class EncodedSource : public BuildSource {
 public:
  EncodedSource(const TokenMatrices& documents, const TokenEncoder& encoder)
      : documents_(documents), encoder_(encoder) {}

  uint64_t size() const override { return documents_.size(); }
  Row At(uint64_t i) const override { return {.id = i, .row = i, .born = kSnapshot}; }
  absl::Status Read(uint64_t first, uint64_t n, std::byte* out) const override {
    auto* floats = reinterpret_cast<float*>(out);
    for (uint64_t i = first; i < first + n; ++i, floats += encoder_.schema().dim) {
      absl::Status s = encoder_.Encode(documents_[i], FdeSide::kDocument, floats);
      if (!s.ok()) return s;
    }
    return absl::OkStatus();
  }

 private:
  const TokenMatrices& documents_;
  const TokenEncoder& encoder_;
};

class TokensInMemory : public TokenSource {
 public:
  explicit TokensInMemory(const TokenMatrices& documents) : documents_(documents) {}
  absl::Status ReadTokens(
      std::span<const uint64_t> rows,
      absl::FunctionRef<void(size_t, std::span<const float>)> visit) const override {
    for (size_t i = 0; i < rows.size(); ++i) visit(i, documents_[rows[i]]);
    return absl::OkStatus();
  }

 private:
  const TokenMatrices& documents_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TokenEngine>> TokenEngine::Build(const CodedDocuments& documents,
                                                                const TokenEncoder& encoder,
                                                                const TokenEngineOptions& options) {
  IndexSpec spec = options.spec;
  spec.exact_vectors = ExactVectors::kStore;  // what is scored exactly are the tokens
  absl::StatusOr<TimedIndex> built =
      BuildTimed(encoder.schema(), spec, EncodedSource(documents.data().documents, encoder),
                 {.threads = options.threads,
                  .code_iterations = options.code_iterations,
                  .code_rows = options.code_rows},
                 options.progress);
  if (!built.ok()) return built.status();
  std::unique_ptr<TokenEngine> engine(
      new TokenEngine(documents, encoder, std::move(built->index), options.settings));
  engine->facts_.name = options.name;
  engine->facts_.build_s = built->seconds;
  engine->facts_.build_phases = std::move(built->phases);
  return engine;
}

TokenEngine::TokenEngine(const CodedDocuments& documents, const TokenEncoder& encoder,
                         std::unique_ptr<IvfIndex> index, std::vector<std::string> settings)
    : documents_(documents),
      encoder_(encoder),
      index_(std::move(index)),
      settings_(std::move(settings)),
      facts_(FactsOf(*index_)) {
  facts_.index_bytes.emplace_back("tokens", documents.bytes());
  rows_.Grow(index_->slot_limit());
  for (const uint32_t slot : index_->SlotsAt(kSnapshot)) {
    rows_.Put(slot, documents.block(index_->RowAt(slot)));
  }
}

absl::StatusOr<EnginePass> TokenEngine::Run(const std::string& setting,
                                            const PassOptions& options) {
  const VectorSchema& schema = index_->schema();
  const TokenSchema& token_schema = documents_.schema();
  const bool exact = setting == "exact";
  Plan plan;
  if (setting == "default") {
    plan = DefaultTokenPlan(schema, token_schema.token, index_->Shape(), options.k);
  } else if (!exact) {
    const absl::StatusOr<Plan> parsed = ParsePlan(setting);
    if (!parsed.ok()) return parsed.status();
    plan = *parsed;
  }
  if (!exact) {
    absl::Status valid = ValidatePlan(plan, schema, options.k, &token_schema.token);
    if (!valid.ok()) return valid;
  }
  const TokenMatrices& queries = documents_.data().queries;
  const TokensInMemory stored(documents_.data().documents);
  std::vector<SearchWorker> workers(static_cast<size_t>(options.threads));
  absl::StatusOr<Pass> pass = RunPass(
      options, static_cast<uint32_t>(queries.size()), /*with_scores=*/true,
      [&](int thread, uint32_t q, std::span<uint64_t> ids, std::span<float> scores) {
        SearchWorker& worker = workers[static_cast<size_t>(thread)];
        const auto begin = std::chrono::steady_clock::now();
        PreparedTokens query;
        query.tokens.assign(queries[q].begin(), queries[q].end());
        query.fde.resize(schema.dim);
        absl::Status status = encoder_.Encode(query.tokens, FdeSide::kQuery, query.fde.data());
        if (!status.ok()) return status;
        const std::chrono::duration<double, std::micro> encoded =
            std::chrono::steady_clock::now() - begin;
        const SearchQuery by_fde{.vector = query.fde, .limit = options.k, .snapshot = kSnapshot};
        TokenSearch search(*index_, rows_, token_schema, stored, query, by_fde);
        SearchResult& result = worker.result;
        status = exact ? search.Exact(&result, nullptr)
                       : search.Search(plan, &worker.scratch, &result, nullptr);
        if (!status.ok()) return status;
        for (size_t i = 0; i < result.hits.size(); ++i) {
          ids[i] = index_->RowAt(result.hits[i].slot);
          scores[i] = result.hits[i].score;
        }
        result.stages.insert(result.stages.begin(), StageCost{.name = "encode",
                                                              .dim = schema.dim,
                                                              .in = query.tokens.size(),
                                                              .micros = encoded.count()});
        worker.Sum(result);
        return absl::OkStatus();
      });
  if (!pass.ok()) return pass.status();
  // Scores that are not exact must not count.
  if (!exact && !plan.rescore) pass->scores.clear();
  const uint64_t answered = pass->answered;
  return EnginePass{.pass = *std::move(pass),
                    .plan = exact ? "exact" : FormatPlan(plan),
                    .stages = StageMeans(workers, answered)};
}

}  // namespace nestor
