#include "client/cli/server_engine.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "client/cli/names.h"
#include "client/cli/plan_message.h"

namespace nestor {
namespace {

// What the replies of a pass say of their cost; filled by several threads.
class Costs {
 public:
  template <typename Response>
  void Add(const Response& response) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (static_cast<size_t>(response.stages_size()) > stages_.size())
      stages_.resize(static_cast<size_t>(response.stages_size()));
    for (int i = 0; i < response.stages_size(); ++i) {
      const v1::Stage& stage = response.stages(i);
      StageMean& sum = stages_[static_cast<size_t>(i)];
      sum.name = stage.name();
      sum.in += static_cast<double>(stage.in());
      sum.out += static_cast<double>(stage.out());
      sum.bytes += static_cast<double>(stage.bytes());
      sum.multiply_adds += static_cast<double>(stage.multiply_adds());
      sum.micros += stage.micros();
      sum.store_reads += static_cast<double>(stage.store_reads());
    }
    if (plan_.empty() && response.has_plan_used()) plan_ = ToText(response.plan_used());
  }

  std::vector<StageMean> Means(uint64_t answered) const {
    std::vector<StageMean> means = stages_;
    const double n = static_cast<double>(answered);
    for (StageMean& mean : means) {
      for (double* value :
           {&mean.in, &mean.out, &mean.bytes, &mean.multiply_adds, &mean.micros, &mean.store_reads})
        *value /= n;
    }
    return means;
  }

  // The plan that ran, or the setting where there was none.
  std::string PlanOr(const std::string& setting) const { return plan_.empty() ? setting : plan_; }

 private:
  std::mutex mutex_;
  std::vector<StageMean> stages_;
  std::string plan_;
};

std::string GraphText(const v1::IndexSpec& spec) {
  const v1::GraphSpec& graph = spec.graph();
  return spec.has_graph() ? absl::StrCat(" graph=", graph.dim(), ":", graph.degree(), ":",
                                         graph.ef_construction())
                          : "";
}

// " codes=opq256x32b4,..", or nothing.
std::string CodesText(const v1::IndexSpec& spec) {
  std::string text;
  for (const v1::CodeSpec& code : spec.codes()) {
    absl::StrAppend(&text, text.empty() ? " codes=" : ",", ToText(code));
  }
  return text;
}

// Scores are exact, and may count towards recall, after an exact search or a rescore.
bool ScoresAreExact(bool exact, bool has_plan, const v1::Plan& plan) {
  return exact || !has_plan || plan.rescore();
}

template <typename Request>
absl::Status SetHow(const std::string& setting, Request* request) {
  if (setting == "default") return absl::OkStatus();
  if (absl::StartsWith(setting, "exact")) {
    absl::string_view dim = setting;
    uint32_t number = 0;
    if (absl::ConsumePrefix(&dim, "exact=") && !absl::SimpleAtoi(dim, &number)) {
      return absl::InvalidArgumentError(absl::StrCat("'", setting, "' is not exact=DIM"));
    }
    request->mutable_exact()->set_dim(number);
    return absl::OkStatus();
  }
  absl::StatusOr<v1::Plan> plan = PlanFromText(setting);
  if (!plan.ok()) return plan.status();
  *request->mutable_plan() = *std::move(plan);
  return absl::OkStatus();
}

// Queries travel in f16 where the file has them so.
v1::Dtype WireDtype(const Dataset& set) {
  return set.query_file().element() == Element::kF16 ? v1::DTYPE_F16 : v1::DTYPE_F32;
}

void AppendQuery(const Dataset& set, uint32_t q, std::string* data) {
  const auto append = [data](std::span<const std::byte> bytes) {
    data->append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  if (WireDtype(set) != v1::DTYPE_F16) return append(std::as_bytes(set.query(q)));
  for (uint64_t row = set.first_row(q); row < set.first_row(q + 1); ++row) {
    append(set.query_file().RowBytes(row));
  }
}

uint32_t TokensOf(const Dataset& set, uint32_t q) {
  return static_cast<uint32_t>(set.first_row(q + 1) - set.first_row(q));
}

void SetQuery(const Dataset& set, uint32_t q, v1::Vector* vector) {
  if (!set.of_tokens()) {
    const std::span<const float> query = set.query(q);
    vector->mutable_floats()->mutable_values()->Assign(query.begin(), query.end());
    return;
  }
  v1::MultiVector* multi = vector->mutable_multi();
  multi->set_count(TokensOf(set, q));
  multi->mutable_tokens()->set_dtype(WireDtype(set));
  AppendQuery(set, q, multi->mutable_tokens()->mutable_data());
}

std::vector<uint32_t> IndexedNesting(const v1::CollectionSpec& collection, const Dataset& set) {
  if (!set.of_tokens()) return set.nesting();
  const auto& fde = collection.muvera().fde_nesting();
  return {fde.begin(), fde.end()};
}

}  // namespace

ServerEngine::ServerEngine(Client& client, const v1::CollectionSpec& collection, const Dataset& set,
                           uint32_t batch)
    : client_(client),
      collection_(collection.name()),
      set_(set),
      batch_(batch),
      nesting_(IndexedNesting(collection, set)) {}

absl::StatusOr<std::unique_ptr<ServerEngine>> ServerEngine::Connect(
    Client& client, const v1::CollectionSpec& collection, const Dataset& set, uint32_t batch) {
  absl::StatusOr<v1::Index> index = client.GetIndex(collection.name());
  if (!index.ok()) return index.status();
  std::unique_ptr<ServerEngine> engine(new ServerEngine(client, collection, set, batch));
  engine->index_ = *std::move(index);
  const v1::Index& built = engine->index_;
  const v1::IndexMemory& memory = built.memory();
  engine->facts_ = {
      .name = "nestor",
      .index_bytes = {{"first_shell", memory.first_shell()},
                      {"later_shells", memory.later_shells()},
                      {"norms_scales", memory.norms_scales()},
                      {"ids", memory.ids()},
                      {"map", memory.map()},
                      {"sequences", memory.seqs()},
                      {"exact_vectors", memory.exact_vectors()},
                      {"model", memory.centroids()},
                      {"codes", memory.codes()},
                      {"graph", memory.graph()},
                      {"tokens", memory.token_codes()}},
      .index = absl::StrCat("collection ", collection.name(), ": ",
                            set.of_tokens() ? absl::StrCat("fde_dim=", engine->dim(), " ") : "",
                            "lists=", built.lists(), " coarse_dim=", built.spec().coarse_dim(),
                            " shells=", absl::StrJoin(built.spec().shells(), ","),
                            " codec=", ToName(built.spec().shell_codec()), GraphText(built.spec()),
                            CodesText(built.spec()), " unbuilt=", built.unbuilt())};
  if (built.spec().has_graph()) {
    const v1::GraphSpec& graph = built.spec().graph();
    engine->facts_.graph = {graph.dim(), graph.degree(), graph.ef_construction()};
  }
  return engine;
}

PlanSpace ServerEngine::Space(uint32_t k) const {
  std::vector<uint32_t> shells(index_.spec().shells().begin(), index_.spec().shells().end());
  if (shells.empty()) shells.push_back(dim());
  const v1::IndexSpec& spec = index_.spec();
  if (spec.memory_dim() != 0) {
    std::erase_if(shells, [&](uint32_t bound) { return bound > spec.memory_dim(); });
  }
  std::vector<OpqSpec> codes;
  for (const v1::Code& code : index_.codes()) {
    if (code.state() != v1::Code::STATE_READY) continue;
    codes.push_back({code.spec().dim(), code.spec().bytes(), code.spec().bits()});
  }
  PlanSources sources{.lists = spec.no_lists() ? 0 : index_.lists(),
                      .codes = std::move(codes),
                      .graph_dim = spec.has_graph() ? spec.graph().dim() : 0};
  if (set_.of_tokens()) sources.token_dims = set_.nesting();
  return PlanSpaceOf(nesting_, shells, sources, k);
}

absl::StatusOr<TruthTable> ServerEngine::Truth(uint32_t k, int threads) {
  v1::SearchRequest request;
  request.set_collection(collection_);
  request.set_limit(k);
  request.mutable_exact();
  absl::StatusOr<EnginePass> exact = RunSingly(request, {.k = k, .threads = threads});
  if (!exact.ok()) return exact.status();
  Pass& pass = exact->pass;
  if (std::find(pass.ids.begin(), pass.ids.end(), kNoId) != pass.ids.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("collection ", collection_, " has ", rows(), " points, fewer than k, ", k));
  }
  return TruthTable{.depth = k, .ids = std::move(pass.ids), .scores = std::move(pass.scores)};
}

absl::StatusOr<EnginePass> ServerEngine::Run(const std::string& setting,
                                             const PassOptions& options) {
  v1::SearchRequest single;
  v1::BatchSearchRequest batch;
  absl::Status status = batch_ == 0 ? SetHow(setting, &single) : SetHow(setting, &batch);
  if (!status.ok()) return status;
  single.set_collection(collection_);
  single.set_limit(options.k);
  batch.set_collection(collection_);
  batch.set_limit(options.k);
  absl::StatusOr<EnginePass> done =
      batch_ == 0 ? RunSingly(single, options) : RunInBatches(batch, options);
  if (done.ok() && done->plan.empty()) done->plan = setting;
  return done;
}

absl::StatusOr<EnginePass> ServerEngine::RunSingly(const v1::SearchRequest& request,
                                                   const PassOptions& options) {
  Costs costs;
  absl::StatusOr<Pass> pass =
      RunPass(options, set_.queries(), /*with_scores=*/true,
              [&](int, uint32_t q, std::span<uint64_t> ids, std::span<float> scores) {
                thread_local v1::SearchRequest own;
                own = request;
                SetQuery(set_, q, own.mutable_vector());
                const absl::StatusOr<v1::SearchResponse> response = client_.Search(own);
                if (!response.ok()) return response.status();
                const bool exact = ScoresAreExact(request.has_exact(), response->has_plan_used(),
                                                  response->plan_used()) &&
                                   response->score_dim() == set_.dim();
                const size_t n = std::min(ids.size(), static_cast<size_t>(response->hits_size()));
                for (size_t i = 0; i < n; ++i) {
                  const v1::Hit& hit = response->hits(static_cast<int>(i));
                  ids[i] = hit.id().num();
                  // A score that is not exact must not count: NaN is as good as nothing.
                  scores[i] = exact ? hit.score() : std::numeric_limits<float>::quiet_NaN();
                }
                costs.Add(*response);
                return absl::OkStatus();
              });
  if (!pass.ok()) return pass.status();
  return EnginePass{
      .pass = *std::move(pass), .plan = costs.PlanOr(""), .stages = costs.Means(pass->answered)};
}

absl::StatusOr<EnginePass> ServerEngine::RunInBatches(const v1::BatchSearchRequest& request,
                                                      const PassOptions& options) {
  Costs costs;
  const std::vector<uint32_t> queries = QueriesOf(options.half, set_.queries());
  // Made before the clock runs, as in process the queries are there too.
  std::vector<v1::BatchSearchRequest> requests((queries.size() + batch_ - 1) / batch_, request);
  absl::flat_hash_map<uint32_t, const v1::BatchSearchRequest*> by_first_query;
  for (size_t i = 0; i < queries.size(); ++i) {
    v1::BatchSearchRequest& to = requests[i / batch_];
    if (i % batch_ == 0) by_first_query[queries[i]] = &to;
    to.mutable_queries()->set_dtype(WireDtype(set_));
    AppendQuery(set_, queries[i], to.mutable_queries()->mutable_data());
    if (set_.of_tokens()) to.add_counts(TokensOf(set_, queries[i]));
  }
  absl::StatusOr<Pass> pass = RunBatches(
      options, set_.queries(), batch_,
      [&](int, std::span<const uint32_t> some, std::span<uint64_t> ids) {
        const absl::StatusOr<v1::BatchSearchResponse> response =
            client_.BatchSearch(*by_first_query.at(some[0]));
        if (!response.ok()) return response.status();
        if (static_cast<size_t>(response->counts_size()) != some.size()) {
          return absl::InternalError(absl::StrCat("BatchSearch answered ", response->counts_size(),
                                                  " of ", some.size(), " queries"));
        }
        costs.Add(*response);
        int hit = 0;
        for (size_t i = 0; i < some.size(); ++i) {
          const uint32_t count = response->counts(static_cast<int>(i));
          for (uint32_t h = 0; h < count && hit < response->ids().nums_size(); ++h, ++hit) {
            if (h < options.k) ids[i * options.k + h] = response->ids().nums(hit);
          }
        }
        return absl::OkStatus();
      });
  if (!pass.ok()) return pass.status();
  return EnginePass{
      .pass = *std::move(pass), .plan = costs.PlanOr(""), .stages = costs.Means(pass->answered)};
}

}  // namespace nestor
