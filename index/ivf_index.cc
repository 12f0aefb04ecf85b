#include "index/ivf_index.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/coarse.h"
#include "index/exact.h"
#include "index/graph/graph.h"
#include "index/graph_stage.h"
#include "index/kernels/kernels.h"
#include "index/lists.h"
#include "index/rows.h"
#include "index/shells.h"
#include "index/stages.h"

namespace nestor {
namespace {

size_t NestingDimsUpTo(const VectorSchema& schema, uint32_t dim) {
  return static_cast<size_t>(NestingIndex(schema, dim)) + 1;
}

// Times a stage into its cost.
class StageTimer {
 public:
  explicit StageTimer(StageCost* cost) : cost_(cost), start_(std::chrono::steady_clock::now()) {}
  ~StageTimer() {
    cost_->micros =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start_)
            .count();
  }

 private:
  StageCost* cost_;
  std::chrono::steady_clock::time_point start_;
};

class RowsOfNodes : public NodeRows {
 public:
  explicit RowsOfNodes(const RowStore& rows) : rows_(rows) {}
  bool Visible(uint32_t slot, uint64_t snapshot) const override {
    const Place& place = rows_.place(slot);
    return place.run->born[place.position].load(std::memory_order_acquire) <= snapshot &&
           snapshot < place.run->dead[place.position].load(std::memory_order_acquire);
  }
  bool Gone(uint32_t slot, uint64_t oldest) const override {
    const Place& place = rows_.place(slot);
    return place.run->dead[place.position].load(std::memory_order_acquire) <= oldest;
  }
  uint64_t RowOf(uint32_t slot) const override { return rows_.row(slot); }

 private:
  const RowStore& rows_;
};

}  // namespace

// Everything of one index. Constant after construction but for lists, rows and the counters.
class IvfIndex::Rep {
 public:
  Rep(const VectorSchema& schema, const IndexSpec& spec, IdKind id_kind,
      std::shared_ptr<const Model> model)
      : schema_(schema),
        spec_(spec),
        layout_(spec.shells, spec.codec),
        model_(std::move(model)),
        coarse_(schema_, layout_, model_),
        lists_(model_->lists, layout_, NestingDimsUpTo(schema, layout_.end(0)), schema.metric,
               /*keep_shell=*/!spec.no_lists),
        rows_(schema_, layout_, id_kind, spec.exact_vectors == ExactVectors::kMemory) {
    if (spec.graph.has_value()) {
      graph_ = std::make_unique<Graph>(schema.metric, *spec.graph, node_rows_);
    }
    if (model_->trained() && schema.metric == Metric::kL2) {
      for (uint32_t l = 0; l < model_->lists; ++l) {
        const float* c = model_->centroids.data() + size_t{l} * model_->coarse_dim;
        half_squares_.push_back(AuxOf(Metric::kL2, kernels_.dot_f64(c, c, model_->coarse_dim)));
      }
    }
  }

  bool exact_int8() const { return schema_.dtype == Dtype::kI8; }
  // Whether the query is made of int8 values, as the rows are.
  bool IsIntegral(const SearchQuery& query) const {
    return exact_int8() && nestor::IsIntegral(query.vector.data(), schema_.dim);
  }
  SearchContext ContextOf(const SearchQuery& query) const {
    return {schema_, layout_, lists_, rows_, kernels_, query, KeyKindOf(schema_.metric)};
  }

  // What of a vector every Fill needs.
  struct Encoded {
    explicit Encoded(const Rep& rep) : code(&rep.layout_, rep.exact_int8()) {
      values.resize(rep.schema_.dim);
      squares.resize(rep.schema_.nesting.size());
    }
    void Encode(const Rep& rep, const std::byte* vector) {
      DecodeVector(rep.schema_.dtype, vector, rep.schema_.dim, values.data());
      code.Encode(values.data());
      PrefixSquares(rep.schema_, values.data(), squares.data());
    }
    std::vector<float> values;
    std::vector<double> squares;
    RowCode code;
  };

  const VectorSchema schema_;
  const IndexSpec spec_;
  const ShellLayout layout_;
  const std::shared_ptr<const Model> model_;
  const Kernels& kernels_ = ActiveKernels();
  const CoarseTable coarse_;
  Lists lists_;
  RowStore rows_;
  const RowsOfNodes node_rows_{rows_};
  std::unique_ptr<Graph> graph_;
  std::unique_ptr<StoredGraph> stored_graph_;  // until Reserve
  std::vector<float> half_squares_;            // of the centroids, under L2
  std::unique_ptr<Encoded> append_buffer_;     // the writer's
  std::atomic<uint64_t> alive_{0};
  const uint64_t number_ = ++last_number_;  // unique in the process

 private:
  static inline std::atomic<uint64_t> last_number_{0};
};

struct SearchScratch::Buffers {
  QueryCode coarse_code;
  QueryCode code;
  StageBuffers stage;
  Candidates candidates;
  std::vector<float> coarse_keys;
  std::vector<float> coarse_sums;
  std::vector<uint32_t> lists;
  std::vector<uint32_t> slots;
  GraphBuffers graph;
};

SearchScratch::SearchScratch() : buffers_(std::make_unique<Buffers>()) {}
SearchScratch::~SearchScratch() = default;
SearchScratch::SearchScratch(SearchScratch&&) noexcept = default;

IvfIndex::IvfIndex(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
IvfIndex::~IvfIndex() = default;

std::unique_ptr<IvfIndex> IvfIndex::Create(const VectorSchema& schema, const IndexSpec& spec,
                                           IdKind id_kind, std::shared_ptr<const Model> model) {
  return std::unique_ptr<IvfIndex>(
      new IvfIndex(std::make_unique<Rep>(schema, spec, id_kind, std::move(model))));
}

void IvfIndex::SetStoredGraph(StoredGraph stored) {
  rep_->stored_graph_ = std::make_unique<StoredGraph>(std::move(stored));
}

std::vector<uint32_t> IvfIndex::Reserve(std::span<const uint32_t> counts) {
  std::vector<uint32_t> firsts(counts.size());
  std::exclusive_scan(counts.begin(), counts.end(), firsts.begin(), uint32_t{0});
  const uint32_t total = counts.empty() ? 0 : firsts.back() + counts.back();
  rep_->rows_.Grow(total, /*bulk=*/true);
  rep_->lists_.Reserve(counts);
  if (rep_->stored_graph_ != nullptr) {
    rep_->graph_->Reserve(total, std::move(*std::exchange(rep_->stored_graph_, nullptr)));
  } else if (rep_->graph_ != nullptr) {
    rep_->graph_->Reserve(total);
  }
  for (uint32_t l = 0; l < counts.size(); ++l) {
    Run* run = rep_->lists_.First(l);
    for (uint32_t i = 0; i < counts[l]; ++i) rep_->rows_.place(firsts[l] + i) = {run, i, l};
  }
  return firsts;
}

void IvfIndex::Fill(uint32_t slot, const PointId& id, uint64_t row, uint64_t born,
                    const std::byte* vector) {
  // Each filling thread keeps a buffer; the number tells it from one of an index that is gone.
  thread_local std::unique_ptr<Rep::Encoded> encoded;
  thread_local uint64_t encoded_for = 0;
  if (encoded_for != rep_->number_) {
    encoded = std::make_unique<Rep::Encoded>(*rep_);
    encoded_for = rep_->number_;
  }
  encoded->Encode(*rep_, vector);
  const Place& place = rep_->rows_.place(slot);
  rep_->rows_.Fill(slot, id, row, vector, encoded->code, encoded->squares.data());
  rep_->lists_.Fill(place.run, place.position, slot, born, encoded->code, encoded->squares.data());
  if (rep_->graph_ != nullptr) {
    rep_->graph_->Fill(slot, row, encoded->values.data(), rep_->exact_int8());
  }
}

void IvfIndex::Publish() {
  uint64_t rows = 0;
  uint64_t last_born = 0;
  for (uint32_t l = 0; l < rep_->lists_.size(); ++l) {
    Run* run = rep_->lists_.First(l);
    if (run == nullptr) continue;
    // Only the last block of a reserved run may have empty places: those no slot points to.
    uint32_t count = 0;
    uint64_t max_born = 0;
    while (count < run->capacity &&
           run->dead[count].load(std::memory_order_relaxed) == kNeverDead) {
      max_born = std::max(max_born, run->born[count].load(std::memory_order_relaxed));
      ++count;
    }
    last_born = std::max(last_born, max_born);
    run->max_born.store(max_born, std::memory_order_relaxed);
    run->count.store(count, std::memory_order_release);
    rows += count;
  }
  rep_->alive_.store(rows, std::memory_order_relaxed);
  if (rep_->graph_ != nullptr) rep_->graph_->Publish(last_born);
}

absl::Status IvfIndex::LinkGraph(int threads, const std::function<bool(double)>& progress) {
  return rep_->graph_ == nullptr ? absl::OkStatus() : rep_->graph_->LinkAll(threads, progress);
}

absl::StatusOr<uint64_t> IvfIndex::AdoptGraph(const VectorSource* source) {
  Rep& rep = *rep_;
  const std::vector<uint32_t> missing = rep.graph_->Adopt();
  std::vector<std::byte> fetched(rep.schema_.dim * DtypeBytes(rep.schema_.dtype));
  std::vector<float> values(rep.schema_.dim);
  for (const uint32_t slot : missing) {
    const uint64_t row = rep.rows_.row(slot);
    const std::byte* vector = rep.rows_.exact(slot);
    if (vector == nullptr) {
      if (absl::Status s = source->Fetch({&row, 1}, fetched.data()); !s.ok()) return s;
      vector = fetched.data();
    }
    DecodeVector(rep.schema_.dtype, vector, rep.schema_.dim, values.data());
    absl::Status inserted =
        rep.graph_->Insert(slot, values.data(), rep.exact_int8(), row, BornAt(slot));
    if (!inserted.ok()) return inserted;
  }
  rep.graph_->EnsureReachable();
  return missing.size();
}

uint32_t IvfIndex::Assign(const std::byte* vector) const {
  const Model& model = *rep_->model_;
  if (!model.trained()) return 0;
  std::vector<float> prefix(model.coarse_dim);
  DecodeVector(rep_->schema_.dtype, vector, model.coarse_dim, prefix.data());
  constexpr uint32_t kChunk = 64;
  const float* rows[kChunk];
  float sums[kChunk];
  uint32_t best = 0;
  float best_key = -std::numeric_limits<float>::infinity();
  for (uint32_t first = 0; first < model.lists; first += kChunk) {
    const uint32_t n = std::min(kChunk, model.lists - first);
    for (uint32_t i = 0; i < n; ++i)
      rows[i] = model.centroids.data() + size_t{first + i} * model.coarse_dim;
    rep_->kernels_.dots_f32(prefix.data(), rows, n, model.coarse_dim, sums);
    for (uint32_t i = 0; i < n; ++i) {
      const float key =
          rep_->half_squares_.empty() ? sums[i] : sums[i] - rep_->half_squares_[first + i];
      if (key > best_key) {
        best_key = key;
        best = first + i;
      }
    }
  }
  return best;
}

absl::StatusOr<uint32_t> IvfIndex::Append(uint32_t list, const PointId& id, uint64_t row,
                                          uint64_t born, const std::byte* vector) {
  Rep& rep = *rep_;
  if (rep.append_buffer_ == nullptr) rep.append_buffer_ = std::make_unique<Rep::Encoded>(rep);
  rep.append_buffer_->Encode(rep, vector);
  const uint32_t slot = rep.rows_.limit();
  if (!rep.rows_.Grow(1, /*bulk=*/false)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the index has used all ", slot, " slots; rebuild it"));
  }
  uint32_t position = 0;
  Run* run = rep.lists_.RunToAppend(list, &position);
  rep.rows_.place(slot) = {run, position, list};
  rep.rows_.Fill(slot, id, row, vector, rep.append_buffer_->code,
                 rep.append_buffer_->squares.data());
  rep.lists_.Fill(run, position, slot, born, rep.append_buffer_->code,
                  rep.append_buffer_->squares.data());
  if (rep.graph_ != nullptr) {
    absl::Status linked =
        rep.graph_->Insert(slot, rep.append_buffer_->values.data(), rep.exact_int8(), row, born);
    if (!linked.ok()) return linked;
  }
  run->max_born.store(born, std::memory_order_relaxed);
  run->count.store(position + 1, std::memory_order_release);
  rep.alive_.fetch_add(1, std::memory_order_relaxed);
  return slot;
}

void IvfIndex::MarkDead(uint32_t slot, uint64_t dead) {
  const Place& place = rep_->rows_.place(slot);
  place.run->dead[place.position].store(dead, std::memory_order_release);
  place.run->dead_count.fetch_add(1, std::memory_order_release);
  if (rep_->graph_ != nullptr) rep_->graph_->MarkDead(slot, dead);
  rep_->alive_.fetch_sub(1, std::memory_order_relaxed);
}

absl::Status IvfIndex::ChooseByLists(const SearchContext& context, const Plan& plan,
                                     SearchScratch::Buffers* buffers, SearchResult* result) const {
  const Rep& rep = *rep_;
  SearchScratch::Buffers& b = *buffers;
  const SearchQuery& query = context.query;
  if (rep.spec_.no_lists) {
    return absl::FailedPreconditionError(
        absl::StrCat("the plan ", FormatPlan(plan), " needs lists; this index has a graph only"));
  }
  // Coarse. One list needs no choice.
  const uint32_t lists = rep.lists_.size();
  const uint32_t probes = std::min(plan.coarse.probes, lists);
  if (lists == 1) {
    b.lists.assign(1, 0);
  } else {
    StageCost& cost = result->stages.emplace_back();
    StageTimer timer(&cost);
    b.coarse_keys.resize(rep.coarse_.padded_lists());
    b.coarse_sums.resize(rep.coarse_.padded_lists());
    rep.coarse_.Score(rep.kernels_, query.vector.data(), plan.coarse.dim, &b.coarse_code,
                      b.coarse_sums.data(), b.coarse_keys.data());
    const float* keys = b.coarse_keys.data();
    const float threshold = SelectThreshold(rep.kernels_, keys, lists, probes);
    b.lists.clear();
    for (uint32_t l = 0; l < lists; ++l) {
      if (keys[l] >= threshold) b.lists.push_back(l);
    }
    // Nearest first: the scan's threshold rises early.
    std::sort(b.lists.begin(), b.lists.end(), [keys](uint32_t x, uint32_t y) {
      return keys[x] != keys[y] ? keys[x] > keys[y] : x < y;
    });
    if (b.lists.size() > probes) b.lists.resize(probes);
    cost.name = "coarse";
    cost.dim = plan.coarse.dim;
    cost.in = lists;
    cost.out = b.lists.size();
    cost.bytes = rep.coarse_.BytesAt(plan.coarse.dim);
    cost.multiply_adds = uint64_t{lists} * plan.coarse.dim;
  }

  StageCost& cost = result->stages.emplace_back();
  StageTimer timer(&cost);
  cost.name = "scan";
  cost.dim = plan.scan.dim;
  b.code.Encode(rep.layout_, query.vector.data(), rep.IsIntegral(query),
                plan.refine.empty() ? plan.scan.dim : plan.refine.back().dim);
  return Scan(context, b.lists, plan.scan.dim, plan.scan.keep, &b.code, &b.stage, &b.candidates,
              &cost);
}

absl::Status IvfIndex::Search(const SearchQuery& query, const Plan& plan, SearchScratch* scratch,
                              SearchResult* result) const {
  const Rep& rep = *rep_;
  SearchScratch::Buffers& b = *scratch->buffers_;
  const SearchContext context = rep.ContextOf(query);
  result->stages.clear();
  if (!plan.graph.has_value()) {
    if (absl::Status s = ChooseByLists(context, plan, &b, result); !s.ok()) return s;
    return Conclude(context, plan, plan.scan.dim, &b, result);
  }
  if (absl::Status s = GraphStage::Check(rep.graph_.get(), plan); !s.ok()) return s;
  {
    StageCost& cost = result->stages.emplace_back();
    StageTimer timer(&cost);
    const bool integral = rep.IsIntegral(query);
    GraphStage stage(context, *rep.graph_, rep.node_rows_, *plan.graph, integral, &b.graph);
    while (stage.Gather()) {
      if (absl::Status s = stage.Score(); !s.ok()) return s;
    }
    stage.Finish(&b.candidates, &cost);
    EncodeShells(context, plan, integral, &b);
  }
  return Conclude(context, plan, plan.graph->dim, &b, result);
}

absl::Status IvfIndex::SearchPair(const std::array<SearchQuery, 2>& queries, const Plan& plan,
                                  SearchScratch* scratch,
                                  std::array<SearchResult, 2>* results) const {
  const Rep& rep = *rep_;
  if (!plan.graph.has_value()) {
    for (size_t i = 0; i < 2; ++i) {
      absl::Status s = Search(queries[i], plan, scratch, &(*results)[i]);
      if (!s.ok()) return s;
    }
    return absl::OkStatus();
  }
  if (absl::Status s = GraphStage::Check(rep.graph_.get(), plan); !s.ok()) return s;
  if (scratch->second_ == nullptr) scratch->second_ = std::make_unique<SearchScratch::Buffers>();
  SearchScratch::Buffers* const buffers[] = {scratch->buffers_.get(), scratch->second_.get()};
  const SearchContext contexts[] = {rep.ContextOf(queries[0]), rep.ContextOf(queries[1])};
  StageCost both;
  StageCost costs[2];
  {
    StageTimer timer(&both);
    const bool integral[] = {rep.IsIntegral(queries[0]), rep.IsIntegral(queries[1])};
    GraphStage stages[] = {
        {contexts[0], *rep.graph_, rep.node_rows_, *plan.graph, integral[0], &buffers[0]->graph},
        {contexts[1], *rep.graph_, rep.node_rows_, *plan.graph, integral[1], &buffers[1]->graph}};
    bool more[] = {stages[0].Gather(), stages[1].Gather()};
    while (more[0] || more[1]) {
      for (size_t i = 0; i < 2; ++i) {
        if (!more[i]) continue;
        if (absl::Status s = stages[i].Score(); !s.ok()) return s;
        more[i] = stages[i].Gather();
      }
    }
    for (size_t i = 0; i < 2; ++i) {
      stages[i].Finish(&buffers[i]->candidates, &costs[i]);
      EncodeShells(contexts[i], plan, integral[i], buffers[i]);
    }
  }
  for (size_t i = 0; i < 2; ++i) {
    costs[i].micros = both.micros / 2;
    SearchResult& result = (*results)[i];
    result.stages.clear();
    result.stages.push_back(costs[i]);
    absl::Status s = Conclude(contexts[i], plan, plan.graph->dim, buffers[i], &result);
    if (!s.ok()) return s;
  }
  return absl::OkStatus();
}

void IvfIndex::EncodeShells(const SearchContext& context, const Plan& plan, bool integral,
                            SearchScratch::Buffers* buffers) const {
  if (plan.refine.empty()) return;
  buffers->code.Encode(rep_->layout_, context.query.vector.data(), integral,
                       plan.refine.back().dim);
}

absl::Status IvfIndex::Conclude(const SearchContext& context, const Plan& plan, uint32_t done,
                                SearchScratch::Buffers* buffers, SearchResult* result) const {
  const Rep& rep = *rep_;
  SearchScratch::Buffers& b = *buffers;
  for (const Plan::Stage& stage : plan.refine) {
    StageCost& cost = result->stages.emplace_back();
    StageTimer timer(&cost);
    cost.name = "refine";
    cost.dim = stage.dim;
    Refine(context, done, stage.dim, stage.keep, &b.code, &b.stage, &b.candidates, &cost);
    done = stage.dim;
  }

  if (!plan.rescore) {
    HitsFromKeys(context, done, b.candidates, &result->hits);
    result->score_dim = done;
    return absl::OkStatus();
  }
  StageCost& cost = result->stages.emplace_back();
  StageTimer timer(&cost);
  cost.name = "rescore";
  cost.dim = rep.schema_.dim;
  cost.in = b.candidates.size;
  cost.bytes = b.candidates.size * rep.schema_.dim * DtypeBytes(rep.schema_.dtype);
  cost.multiply_adds = b.candidates.size * rep.schema_.dim;
  b.slots.assign(b.candidates.slots.begin(),
                 b.candidates.slots.begin() + static_cast<ptrdiff_t>(b.candidates.size));
  ExactScorer scorer(context, rep.schema_.dim, &b.stage, &b.candidates);
  if (absl::Status s = scorer.Add(b.slots); !s.ok()) return s;
  if (absl::Status s = scorer.Finish(&result->hits); !s.ok()) return s;
  cost.out = result->hits.size();
  result->score_dim = rep.schema_.dim;
  return absl::OkStatus();
}

absl::Status IvfIndex::SearchExact(const SearchQuery& query, uint32_t dim, SearchScratch* scratch,
                                   SearchResult* result) const {
  const Rep& rep = *rep_;
  SearchScratch::Buffers& b = *scratch->buffers_;
  const SearchContext context = rep.ContextOf(query);
  result->stages.clear();
  StageCost& cost = result->stages.emplace_back();
  StageTimer timer(&cost);
  ExactScorer scorer(context, dim, &b.stage, &b.candidates);
  constexpr size_t kChunk = 256;
  StopPoll poll(query);
  b.slots.clear();
  uint64_t rows = 0;
  for (uint32_t l = 0; l < rep.lists_.size(); ++l) {
    for (const Run* run = rep.lists_.First(l); run != nullptr;
         run = run->next.load(std::memory_order_acquire)) {
      const uint32_t count = run->count.load(std::memory_order_acquire);
      for (uint32_t i = 0; i < count; ++i) {
        if (!Visible(*run, i, query)) continue;
        b.slots.push_back(run->slots[i]);
        if (b.slots.size() < kChunk) continue;
        if (absl::Status s = poll.Check(); !s.ok()) return s;
        if (absl::Status s = scorer.Add(b.slots); !s.ok()) return s;
        rows += b.slots.size();
        b.slots.clear();
      }
    }
  }
  if (absl::Status s = scorer.Add(b.slots); !s.ok()) return s;
  rows += b.slots.size();
  if (absl::Status s = scorer.Finish(&result->hits); !s.ok()) return s;
  cost.name = "exact";
  cost.dim = dim;
  cost.in = rows;
  cost.out = result->hits.size();
  cost.bytes = rows * dim * DtypeBytes(rep.schema_.dtype);
  cost.multiply_adds = rows * dim;
  result->score_dim = dim;
  return absl::OkStatus();
}

const VectorSchema& IvfIndex::schema() const { return rep_->schema_; }
const IndexSpec& IvfIndex::spec() const { return rep_->spec_; }
const Model& IvfIndex::model() const { return *rep_->model_; }

IndexShape IvfIndex::Shape() const {
  return {.rows = rep_->alive_.load(std::memory_order_relaxed),
          .lists = rep_->model_->lists,
          .coarse_dim = rep_->model_->coarse_dim,
          .shells = rep_->spec_.shells,
          .reach = rep_->model_->reach,
          .graph = rep_->spec_.graph,
          .has_lists = !rep_->spec_.no_lists};
}

IndexMemory IvfIndex::Memory() const {
  const Rep& rep = *rep_;
  const size_t capacity = rep.lists_.capacity_rows();
  const size_t slots = rep.rows_.limit();
  IndexMemory memory;
  memory.first_shell = capacity * rep.lists_.shell_bytes();
  memory.later_shells = slots * (rep.rows_.record_bytes() - rep.rows_.header_bytes());
  memory.norms_scales =
      capacity * rep.lists_.norms_scales_bytes() + slots * rep.rows_.header_bytes();
  memory.sequences = capacity * 2 * sizeof(uint64_t);
  memory.map = capacity * sizeof(uint32_t) + slots * sizeof(Place);
  const size_t strings = rep.rows_.string_bytes();
  memory.ids = slots * sizeof(uint64_t) + (strings != 0 ? strings : slots * sizeof(uint64_t));
  memory.exact_vectors = slots * rep.rows_.exact_bytes();
  memory.model = rep.coarse_.bytes();
  if (rep.graph_ != nullptr) memory.graph_parts = rep.graph_->Memory();
  memory.graph = memory.graph_parts.Total();
  return memory;
}

Graph* IvfIndex::graph() const { return rep_->graph_.get(); }
uint32_t IvfIndex::slot_limit() const { return rep_->rows_.limit(); }
PointId IvfIndex::IdAt(uint32_t slot) const { return rep_->rows_.id(slot); }
uint64_t IvfIndex::RowAt(uint32_t slot) const { return rep_->rows_.row(slot); }
uint32_t IvfIndex::ListAt(uint32_t slot) const { return rep_->rows_.place(slot).list; }
const std::byte* IvfIndex::VectorAt(uint32_t slot) const { return rep_->rows_.exact(slot); }

uint64_t IvfIndex::BornAt(uint32_t slot) const {
  const Place& place = rep_->rows_.place(slot);
  return place.run->born[place.position].load(std::memory_order_acquire);
}

uint64_t IvfIndex::DeadAt(uint32_t slot) const {
  const Place& place = rep_->rows_.place(slot);
  return place.run->dead[place.position].load(std::memory_order_acquire);
}

}  // namespace nestor
