#include "client/bench/multi/study.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "absl/strings/str_cat.h"
#include "client/bench/multi/coded_documents.h"
#include "client/bench/multi/ranking.h"
#include "client/bench/multi/token_baselines.h"
#include "client/bench/multi/token_engine.h"
#include "client/bench/plan_space.h"
#include "index/multi/maxsim.h"
#include "index/multi/multi_spec.h"
#include "index/plan.h"
#include "index/train.h"

namespace nestor {
namespace {

constexpr char kMeanVectors[] = "mean vectors";
constexpr uint32_t kMostCodeDim = 1280;

// The dims of the largest prefix that a code is learnt on.
uint32_t CodeDim(const VectorSchema& schema) {
  uint32_t best = 0;
  for (const uint32_t dim : schema.nesting) {
    if (dim <= kMostCodeDim && dim % kOpqDimsAByte == 0) best = dim;
  }
  return best;
}

// Lists, a graph and a code, each by what a collection would choose.
IndexSpec SpecOf(const VectorSchema& schema) {
  IndexSpec spec;
  spec.graph.emplace();
  spec = ChooseForFdes(spec, schema);
  if (const uint32_t dim = CodeDim(schema); dim > 0) {
    spec.codes = {{.dim = dim, .bytes = dim / kOpqDimsAByte, .bits = 8}};
  }
  return spec;
}

// Of mean vectors: so many candidates from a graph, then as Nestor goes on.
std::string MeanPlan(uint32_t dim, uint32_t candidates, uint32_t k) {
  return absl::StrCat("graph=", dim, ":", candidates, ",maxsim=", dim, ":",
                      std::min(2 * k, candidates), ",rescore");
}

std::vector<std::string> MeanPlans(uint32_t dim, uint32_t k) {
  std::vector<std::string> plans;
  for (const uint32_t factor : {1, 2, 4, 8, 16, 32, 64, 128, 256, 512}) {
    plans.push_back(MeanPlan(dim, std::min(factor * k, kMaxEf), k));
  }
  return plans;
}

double ScoreRate(const CodedDocuments& documents, size_t first, double seconds) {
  const TokenData& data = documents.data();
  const auto query = *MaxSimQuery::Make(data.queries[0], data.queries.dim, data.queries.dim, {});
  const auto begin = std::chrono::steady_clock::now();
  double ops = 0, sum = 0;
  std::chrono::duration<double> spent{};
  do {
    for (size_t i = 0; i < first; ++i) {
      const TokenBlock& block = *documents.block(i);
      sum += query->ScoreCodes(block.codes());
      ops += 2.0 * static_cast<double>(query->size() * block.tokens() * data.queries.dim);
    }
    spent = std::chrono::steady_clock::now() - begin;
  } while (spent.count() < seconds && sum < 1e300);
  return ops / spent.count() / 1e9;
}

MaxSimRates MeasureRates(const CodedDocuments& documents) {
  constexpr size_t kHot = 64;
  constexpr int kRounds = 5;  // the best of them
  constexpr double kSeconds = 0.05;
  const size_t all = documents.data().documents.size();
  MaxSimRates rates;
  for (int round = 0; round < kRounds; ++round) {
    rates.hot_gops = std::max(rates.hot_gops, ScoreRate(documents, std::min(kHot, all), kSeconds));
    rates.all_gops = std::max(rates.all_gops, ScoreRate(documents, all, kSeconds));
  }
  return rates;
}

absl::StatusOr<std::vector<Measurement>> MeasureQuality(const Study& study, const Grader& grader,
                                                        Engine* nestor, Engine* means,
                                                        const CompareOptions& options) {
  std::vector<std::string> plans = {"exact", study.comparison.default_plan->plan};
  for (const AtRecall& at : study.comparison.at_recalls) {
    if (at.recall != 0.95) continue;
    for (const Measurement& m : at.fastest) {
      if (m.source.has_value() && m.engine == nestor->facts().name) plans.push_back(m.plan);
    }
  }
  std::vector<Candidate> candidates;
  for (const std::string& plan : plans) {
    candidates.push_back({nestor, plan});
    const absl::StatusOr<Plan> parsed = ParsePlan(plan);
    if (!parsed.ok()) continue;
    candidates.push_back({means, MeanPlan(study.token_dim, LastKeep(*parsed), options.k)});
  }
  return MeasureAlternating(grader, candidates, {.k = options.k, .threads = options.threads}, 1);
}

}  // namespace

absl::StatusOr<Study> RunStudy(const StudyOptions& options,
                               const std::function<void(absl::string_view)>& told) {
  BoundFaissThreads(options.build_threads);
  told("tokens");
  absl::StatusOr<TokenData> data = ReadTokenData(options.data, options.queries);
  if (data.ok() && options.documents > 0) {
    told("exact neighbours");
    data = FirstDocuments(*data, options.documents);
  }
  if (data.ok() && options.end > 0) {
    told("exact neighbours");
    data = CutTokens(*data, options.begin, options.end);
  }
  if (!data.ok()) return data.status();
  Study study{.documents = data->documents.size(),
              .tokens = data->documents.offsets.back(),
              .token_dim = data->documents.dim,
              .queries = static_cast<uint32_t>(data->queries.size()),
              .fde = options.fde};
  study.fde.dim = study.token_dim;
  if (study.fde.projection == FdeProjection::kIdentity) study.fde.d_proj = study.token_dim;
  if (options.candidates) {
    absl::StatusOr<std::vector<CandidateRow>> rows =
        MeasureCandidates(*data, options.build_threads, told);
    if (!rows.ok()) return rows.status();
    study.candidates = *std::move(rows);
  }
  if (!options.search) return study;
  const CodedDocuments documents(*data);
  const absl::StatusOr<std::unique_ptr<FdeEncoder>> fdes = FdeEncoder::Make(study.fde);
  if (!fdes.ok()) return fdes.status();
  const MeanEncoder mean_encoder(study.token_dim);

  told("build nestor");
  const VectorSchema& schema = (*fdes)->schema();
  const auto nestor = TokenEngine::Build(documents, **fdes,
                                         {.spec = SpecOf(schema),
                                          .threads = options.build_threads,
                                          .code_iterations = options.code_iterations});
  if (!nestor.ok()) return nestor.status();
  told("build mean vectors");
  const uint32_t k = options.compare.k;
  TokenEngineOptions mean_options{.name = kMeanVectors,
                                  .spec = {.no_lists = true},
                                  .threads = options.build_threads,
                                  .settings = MeanPlans(study.token_dim, k)};
  mean_options.spec.graph = {.dim = study.token_dim};
  const auto means = TokenEngine::Build(documents, mean_encoder, mean_options);
  if (!means.ok()) return means.status();
  told("build search by token");
  const auto tokens = TokenHeuristicEngine::Build(documents, options.build_threads, nullptr);
  if (!tokens.ok()) return tokens.status();
  BruteForceEngine brute_force(documents);

  const std::vector<Engine*> engines = {nestor->get(), means->get(), tokens->get(), &brute_force};
  for (const Engine* engine : engines) study.engines.push_back(engine->facts());
  told("rates");
  study.rates = MeasureRates(documents);
  CompareOptions compare = options.compare;
  std::string phase;
  compare.progress = [&](const std::string& now, double) {
    if (now != phase) told(now);
    phase = now;
  };
  const IvfIndex& index = (*nestor)->index();
  const PlanSources sources{.lists = index.model().lists,
                            .codes = index.spec().codes,
                            .graph_dim = index.spec().graph->dim,
                            .token_dims = documents.schema().token.nesting};
  const Grader grader = GraderOf(*data);
  absl::StatusOr<Comparison> comparison = Compare(
      grader, engines, PlanSpaceOf(schema.nesting, index.spec().shells, sources, k), compare);
  if (!comparison.ok()) return comparison.status();
  study.comparison = *std::move(comparison);
  told("quality");
  auto quality = MeasureQuality(study, grader, nestor->get(), means->get(), options.compare);
  if (!quality.ok()) return quality.status();
  study.quality = *std::move(quality);
  return study;
}

}  // namespace nestor
