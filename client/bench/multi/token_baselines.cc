#include "client/bench/multi/token_baselines.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "client/bench/index_engine.h"
#include "index/build.h"
#include "index/multi/maxsim.h"
#include "index/plan.h"

namespace nestor {
namespace {

constexpr uint64_t kSnapshot = 1;

struct Scored {
  uint32_t document;
  double score;
};

// The best ones, best first.
void Keep(size_t keep, std::vector<Scored>* all) {
  keep = std::min(keep, all->size());
  std::partial_sort(all->begin(), all->begin() + static_cast<ptrdiff_t>(keep), all->end(),
                    [](const Scored& a, const Scored& b) {
                      if (a.score != b.score) return a.score > b.score;
                      return a.document < b.document;
                    });
  all->resize(keep);
}

absl::StatusOr<uint32_t> NumberAfter(absl::string_view name, absl::string_view setting) {
  absl::string_view number = setting;
  uint32_t value = 0;
  if (absl::ConsumePrefix(&number, name) && absl::SimpleAtoi(number, &value) && value > 0) {
    return value;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", setting, "' is not ", name, "N with N of 1 or more"));
}

// Scores documents by codes, and the best `keep` exactly; 0: by codes alone.
absl::Status Rank(const CodedDocuments& documents, uint32_t q, size_t keep,
                  std::vector<Scored>* candidates, std::span<uint64_t> ids,
                  std::span<float> scores) {
  const TokenData& data = documents.data();
  const auto query =
      MaxSimQuery::Make(data.queries[q], data.queries.dim, data.queries.dim, MaxSimOptions{});
  if (!query.ok()) return query.status();
  for (size_t i = 0; i < candidates->size(); ++i) {
    Scored& one = (*candidates)[i];
    // As Nestor's stage does.
    if (i + 2 < candidates->size()) documents.block((*candidates)[i + 2].document)->Prefetch();
    one.score = (*query)->ScoreCodes(documents.block(one.document)->codes());
  }
  Keep(keep == 0 ? ids.size() : keep, candidates);
  if (keep > 0) {
    for (Scored& one : *candidates) {
      const std::span<const float> tokens = data.documents[one.document];
      one.score = (*query)->Score(tokens.data(), tokens.size() / data.documents.dim);
    }
    Keep(ids.size(), candidates);
  }
  for (size_t i = 0; i < candidates->size(); ++i) {
    ids[i] = (*candidates)[i].document;
    scores[i] = static_cast<float>((*candidates)[i].score);
  }
  return absl::OkStatus();
}

// The tokens of all documents, one after the other, as a build reads them.
class TokenVectors : public BuildSource {
 public:
  explicit TokenVectors(const TokenMatrices& documents) : documents_(documents) {}

  uint64_t size() const override { return documents_.offsets.back(); }
  Row At(uint64_t i) const override { return {.id = i, .row = i, .born = kSnapshot}; }
  absl::Status Read(uint64_t first, uint64_t n, std::byte* out) const override {
    const size_t dim = documents_.dim;
    const auto some = std::as_bytes(std::span(documents_.values).subspan(first * dim, n * dim));
    std::copy(some.begin(), some.end(), out);
    return absl::OkStatus();
  }

 private:
  const TokenMatrices& documents_;
};

}  // namespace

BruteForceEngine::BruteForceEngine(const CodedDocuments& documents) : documents_(documents) {
  facts_ = {.name = "brute force",
            .index_bytes = {{"tokens", documents.bytes()}},
            .index = "int8 codes of all tokens"};
}

std::vector<std::string> BruteForceEngine::Settings(uint32_t k) const {
  return {"codes", absl::StrCat("keep=", 2 * k)};
}

absl::StatusOr<EnginePass> BruteForceEngine::Run(const std::string& setting,
                                                 const PassOptions& options) {
  uint32_t keep = 0;
  if (setting != "codes") {
    const absl::StatusOr<uint32_t> number = NumberAfter("keep=", setting);
    if (!number.ok()) return number.status();
    keep = *number;
  }
  const TokenData& data = documents_.data();
  absl::StatusOr<Pass> pass =
      RunPass(options, static_cast<uint32_t>(data.queries.size()), /*with_scores=*/true,
              [&](int, uint32_t q, std::span<uint64_t> ids, std::span<float> scores) {
                std::vector<Scored> all(data.documents.size());
                for (size_t i = 0; i < all.size(); ++i) all[i] = {static_cast<uint32_t>(i), 0};
                return Rank(documents_, q, keep, &all, ids, scores);
              });
  if (!pass.ok()) return pass.status();
  if (keep == 0) pass->scores.clear();
  return EnginePass{.pass = *std::move(pass), .plan = setting};
}

absl::StatusOr<std::unique_ptr<TokenHeuristicEngine>> TokenHeuristicEngine::Build(
    const CodedDocuments& documents, int threads, std::function<void(double fraction)> progress) {
  const uint32_t dim = documents.data().documents.dim;
  const VectorSchema schema{.dim = dim, .nesting = {dim}, .metric = Metric::kDot};
  IndexSpec spec{.exact_vectors = ExactVectors::kStore, .no_lists = true};
  spec.graph = {.dim = dim};
  absl::StatusOr<TimedIndex> built = BuildTimed(
      schema, spec, TokenVectors(documents.data().documents), {.threads = threads}, progress);
  if (!built.ok()) return built.status();
  std::unique_ptr<TokenHeuristicEngine> engine(
      new TokenHeuristicEngine(documents, std::move(built->index)));
  engine->facts_.build_s = built->seconds;
  return engine;
}

TokenHeuristicEngine::TokenHeuristicEngine(const CodedDocuments& documents,
                                           std::unique_ptr<IvfIndex> index)
    : documents_(documents), index_(std::move(index)), facts_(FactsOf(*index_)) {
  facts_.name = "token search";
  facts_.index_bytes.emplace_back("tokens", documents.bytes());
  const std::vector<size_t>& offsets = documents.data().documents.offsets;
  document_of_.resize(offsets.back());
  for (size_t i = 0; i + 1 < offsets.size(); ++i) {
    std::fill(document_of_.begin() + static_cast<ptrdiff_t>(offsets[i]),
              document_of_.begin() + static_cast<ptrdiff_t>(offsets[i + 1]),
              static_cast<uint32_t>(i));
  }
}

std::vector<std::string> TokenHeuristicEngine::Settings(uint32_t) const {
  std::vector<std::string> settings;
  for (const uint32_t n : {2, 4, 8, 16, 32, 64, 128, 256}) {
    settings.push_back(absl::StrCat("per_token=", n));
  }
  return settings;
}

absl::StatusOr<EnginePass> TokenHeuristicEngine::Run(const std::string& setting,
                                                     const PassOptions& options) {
  const absl::StatusOr<uint32_t> per_token = NumberAfter("per_token=", setting);
  if (!per_token.ok()) return per_token.status();
  const TokenMatrices& queries = documents_.data().queries;
  Plan plan;
  plan.graph = {.dim = queries.dim, .ef = std::max<uint32_t>(*per_token, 10)};
  std::vector<SearchWorker> workers(static_cast<size_t>(options.threads));
  absl::StatusOr<Pass> pass = RunPass(
      options, static_cast<uint32_t>(queries.size()), /*with_scores=*/true,
      [&](int thread, uint32_t q, std::span<uint64_t> ids, std::span<float> scores) {
        SearchWorker& worker = workers[static_cast<size_t>(thread)];
        std::vector<uint32_t> found;
        const std::span<const float> tokens = queries[q];
        for (size_t t = 0; t < tokens.size(); t += queries.dim) {
          const SearchQuery one{
              .vector = tokens.subspan(t, queries.dim), .limit = *per_token, .snapshot = kSnapshot};
          absl::Status s = index_->Search(one, plan, &worker.scratch, &worker.result);
          if (!s.ok()) return s;
          for (const Hit& hit : worker.result.hits) {
            found.push_back(document_of_[index_->RowAt(hit.slot)]);
          }
        }
        std::sort(found.begin(), found.end());
        found.erase(std::unique(found.begin(), found.end()), found.end());
        std::vector<Scored> candidates;
        for (const uint32_t document : found) candidates.push_back({document, 0});
        return Rank(documents_, q, 2 * options.k, &candidates, ids, scores);
      });
  if (!pass.ok()) return pass.status();
  return EnginePass{.pass = *std::move(pass), .plan = setting};
}

}  // namespace nestor
