// What an index is made of, for the files that implement it.
#ifndef NESTOR_INDEX_IVF_REP_H_
#define NESTOR_INDEX_IVF_REP_H_

#include <atomic>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "index/base/mutex.h"
#include "index/candidates.h"
#include "index/coarse.h"
#include "index/code.h"
#include "index/code_table.h"
#include "index/graph/graph.h"
#include "index/graph_stage.h"
#include "index/ivf_index.h"
#include "index/kernels/kernels.h"
#include "index/lists.h"
#include "index/rows.h"
#include "index/scan_codes.h"
#include "index/shells.h"
#include "index/stages.h"

namespace nestor {

class RowsOfNodes : public NodeRows {
 public:
  explicit RowsOfNodes(const RowStore& rows) : rows_(rows) {}
  bool Visible(uint32_t slot, uint64_t snapshot) const override {
    const Place place = rows_.place(slot);
    if (place.run == nullptr) return false;  // gone
    return place.run->born[place.position].load(std::memory_order_acquire) <= snapshot &&
           snapshot < place.run->dead[place.position].load(std::memory_order_acquire);
  }
  bool Gone(uint32_t slot, uint64_t oldest) const override {
    const Place place = rows_.place(slot);
    if (place.run == nullptr) return true;
    return place.run->dead[place.position].load(std::memory_order_acquire) <= oldest;
  }
  uint64_t RowOf(uint32_t slot) const override { return rows_.row(slot); }

 private:
  const RowStore& rows_;
};

// Everything of one index. Constant after construction but for lists, rows, the counters and what
// is the writer's.
class IvfIndex::Rep {
 public:
  Rep(const VectorSchema& schema, const IndexSpec& spec, IdKind id_kind,
      std::shared_ptr<const Model> model, std::vector<std::shared_ptr<const Code>> codes)
      : schema_(schema),
        spec_(spec),
        layout_(ShellsInMemory(spec), spec.codec),
        model_(std::move(model)),
        coarse_(schema_, ShellLayout(spec.shells, spec.codec), model_),
        lists_(model_->lists, layout_,
               static_cast<size_t>(NestingIndex(schema, layout_.end(0))) + 1, schema.metric,
               /*keep_shell=*/!spec.no_lists),
        rows_(schema_, layout_, id_kind, spec.exact_vectors == ExactVectors::kMemory) {
    if (spec.graph.has_value()) {
      graph_ = std::make_unique<Graph>(schema.metric, *spec.graph, node_rows_);
    }
    auto table = std::make_shared<CodeTable>();
    for (auto& code : codes) table->ready.push_back(AddColumn(std::move(code)));
    SetCodes(std::move(table));
    gone_.resize(lists_.size());
    const bool l2 = schema.metric == Metric::kL2;
    if (model_->trained() && (l2 || !model_->no_centroid.empty())) {
      for (uint32_t l = 0; l < model_->lists; ++l) {
        const float* c = model_->centroids.data() + size_t{l} * model_->coarse_dim;
        distances_.push_back(!model_->has_centroid(l) ? std::numeric_limits<float>::infinity()
                             : l2 ? AuxOf(Metric::kL2, kernels_.dot_f64(c, c, model_->coarse_dim))
                                  : 0);
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

  // Any thread. Never null.
  std::shared_ptr<const CodeTable> codes() const {
    MutexLock lock(&codes_mutex_);
    return codes_;
  }
  // The writer's: from here on rows that come are coded by it.
  CodeTable::Entry AddColumn(std::shared_ptr<const Code> code) {
    const CodeColumn layout{CodeLayout(code->spec()), code->half_squares()};
    const size_t column = lists_.AddColumn(layout);
    filled_.push_back({std::move(code), column, layout, /*since=*/0});
    return filled_.back();
  }
  void SetCodes(std::shared_ptr<const CodeTable> codes) {
    MutexLock lock(&codes_mutex_);
    codes_ = std::move(codes);
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
    std::vector<float> prepared;
    std::vector<uint8_t> bytes;
  };
  // The codes of the row whose vector was encoded last.
  void FillCodes(Run* run, uint32_t position, uint32_t list, Encoded* encoded) const {
    for (const CodeTable::Entry& entry : filled_) {
      const float half_square =
          entry.code->Encode(encoded->values.data(), list, &encoded->prepared, &encoded->bytes);
      lists_.FillCode(run, position, entry.column, encoded->bytes.data(), half_square);
    }
  }

  const VectorSchema schema_;
  const IndexSpec spec_;
  const ShellLayout layout_;  // what is in memory of it
  const std::shared_ptr<const Model> model_;
  const Kernels& kernels_ = ActiveKernels();
  const CoarseTable coarse_;
  Lists lists_;
  RowStore rows_;
  const RowsOfNodes node_rows_{rows_};
  std::unique_ptr<Graph> graph_;
  std::unique_ptr<StoredGraph> stored_graph_;  // until Reserve
  // By list, what its centroid's product with a row is lessened by: under L2 half the centroid's
  // square; infinite where there is no centroid. Empty: all 0.
  std::vector<float> distances_;
  mutable Mutex codes_mutex_;
  std::shared_ptr<const CodeTable> codes_ ABSL_GUARDED_BY(codes_mutex_);
  // The writer's.
  std::vector<CodeTable::Entry> filled_;  // by which a row that comes is coded
  struct RetiredColumn {
    size_t column = 0;
    uint64_t ticket = 0;
  };
  std::deque<RetiredColumn> retired_columns_;
  std::shared_ptr<std::atomic<double>> building_progress_;  // of codes_->building
  std::unique_ptr<Encoded> append_buffer_;
  struct DeadSlot {
    uint32_t slot = 0;
    uint64_t dead = 0;
  };
  std::deque<DeadSlot> dead_slots_;         // ascending by `dead`
  std::deque<DeadSlot> held_slots_;         // likewise
  absl::flat_hash_set<uint32_t> unlinked_;  // the graph has let go of them, the lists have not
  std::vector<uint32_t> gone_;              // by list: places whose rows no reader sees any more
  std::vector<uint32_t> lists_to_rewrite_;  // those with many such places
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
  std::vector<bool> is_named;  // by list; false between searches
  std::vector<uint32_t> slots;
  CodeScan code_scan;
  GraphBuffers graph;
  SearchResult result;  // of SearchMany
};

}  // namespace nestor

#endif  // NESTOR_INDEX_IVF_REP_H_
