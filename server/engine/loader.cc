#include "server/engine/loader.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "index/base/crash_point.h"
#include "index/base/mutex.h"
#include "index/model.h"
#include "index/multi/stored_fde.h"
#include "server/engine/stored_codes.h"
#include "server/engine/stored_graphs.h"
#include "server/engine/validate.h"
#include "server/storage/keys.h"

namespace nestor {
namespace {

constexpr uint32_t kNoList = 0xffffffffu;
// Rows that one thread loads at a time.
constexpr size_t kChunk = 8192;

const std::byte* Bytes(absl::string_view text) {
  return reinterpret_cast<const std::byte*>(text.data());
}

// One list of the server's, no graph and no codes: what is not built yet takes writes as fast as it
// can.
IndexSpec SpecBeforeBuild(const CollectionSpec& spec) {
  IndexSpec wanted = spec.index;
  wanted.graph.reset();
  wanted.no_lists = false;
  wanted.codes.clear();
  wanted.list_attribute.clear();
  wanted.centroids = CentroidOrigin::kTrained;
  return ResolveSpec(wanted, spec.schema, 0);
}

class Loader {
 public:
  Loader(Store* store, uint32_t uid, const CollectionSpec& spec, int threads,
         const std::function<bool()>& go_on)
      : store_(store),
        uid_(uid),
        spec_(spec),
        threads_(std::max(1, threads)),
        go_on_(go_on),
        cleanup_(store) {}

  absl::StatusOr<LoadedCollection> Load();

 private:
  absl::Status ReadState();
  absl::Status ReadCodec();
  absl::Status ReadGeneration();
  absl::Status ReadRows();
  absl::Status ReadPostings();
  absl::Status ReadPoints();
  absl::Status ReadChunk(size_t begin, size_t end);
  absl::Status LoadPoint(size_t i, absl::string_view value);
  absl::Status ReadGraph();
  absl::Status LinkGraph();
  absl::Status Mend();
  absl::Status RemoveOtherGenerations(Family family);

  // A row that has no posting.
  struct Unlisted {
    uint64_t row;
    uint64_t born;
    PointId id;
    std::string attributes;
    std::string stored;
  };

  Store* const store_;
  const uint32_t uid_;
  const CollectionSpec& spec_;
  const int threads_;
  const std::function<bool()>& go_on_;

  LoadedCollection loaded_;
  std::shared_ptr<const PointCodec> codec_;
  GenerationRecord record_;
  std::shared_ptr<const Model> model_;
  IvfIndex* index_ = nullptr;
  bool graph_is_stored_ = false;
  IdMap* ids_ = nullptr;
  std::vector<uint64_t> rows_;   // live, ascending
  std::vector<uint32_t> lists_;  // of rows_[i]
  std::vector<uint32_t> slots_;  // of rows_[i], kNoSlot: unlisted

  Mutex mutex_;
  Batch cleanup_ ABSL_GUARDED_BY(mutex_);
  std::vector<Unlisted> unlisted_ ABSL_GUARDED_BY(mutex_);
};

absl::Status Loader::ReadState() {
  absl::StatusOr<std::optional<std::string>> value = store_->Get(Family::kMeta, StateKey(uid_));
  if (!value.ok()) return value.status();
  if (!value->has_value()) return absl::DataLossError("the state record is missing");
  absl::StatusOr<StateRecord> state = ParseState(**value);
  if (!state.ok()) return state.status();
  loaded_.state = *state;
  return absl::OkStatus();
}

absl::Status Loader::ReadCodec() {
  std::shared_ptr<const FdeModel> fde;
  if (spec_.multi.has_value()) {
    const absl::StatusOr<std::optional<std::string>> value =
        store_->Get(Family::kMeta, FdeKey(uid_));
    if (!value.ok()) return value.status();
    if (!value->has_value()) return absl::DataLossError("the FDE model is missing");
    absl::StatusOr<std::shared_ptr<const FdeModel>> parsed = ParseFde(**value);
    if (!parsed.ok()) return parsed.status();
    fde = *std::move(parsed);
    if (fde->spec() != spec_.multi->fde) {
      return absl::DataLossError("the FDE model is of another shape than its collection");
    }
  }
  codec_ = std::make_shared<const PointCodec>(spec_, std::move(fde));
  return absl::OkStatus();
}

absl::Status Loader::ReadGeneration() {
  absl::StatusOr<std::optional<std::string>> value =
      store_->Get(Family::kMeta, GenerationKey(uid_));
  if (!value.ok()) return value.status();
  std::vector<std::shared_ptr<const Code>> codes;
  if (!value->has_value()) {
    record_.spec = SpecBeforeBuild(spec_);
    model_ = Model::Untrained();
  } else {
    absl::StatusOr<GenerationRecord> record = ParseGeneration(**value);
    if (!record.ok()) return record.status();
    record_ = *std::move(record);
    absl::StatusOr<std::optional<std::string>> bytes =
        store_->Get(Family::kModels, ModelKey(uid_, record_.generation));
    if (!bytes.ok()) return bytes.status();
    if (!bytes->has_value()) {
      return absl::DataLossError(
          absl::StrCat("the model of generation ", record_.generation, " is missing"));
    }
    absl::StatusOr<std::shared_ptr<const Model>> model = ParseModel(**bytes, spec_.schema);
    if (!model.ok()) return model.status();
    model_ = *std::move(model);
    absl::Status status = ValidateIndexSpec(record_.spec, spec_);
    if (status.ok() && record_.spec.own_lists() &&
        (record_.spec.lists != model_->lists ||
         (model_->trained() && record_.spec.coarse_dim != model_->coarse_dim))) {
      status = absl::InvalidArgumentError(absl::StrCat(
          "the model has ", model_->lists, " lists and coarse_dim ", model_->coarse_dim,
          ", the spec ", record_.spec.lists, " and ", record_.spec.coarse_dim));
    }
    if (!status.ok()) {
      return absl::DataLossError(
          absl::StrCat("generation ", record_.generation, ": ", status.message()));
    }
    absl::StatusOr<std::vector<std::shared_ptr<const Code>>> stored = ReadCodes(
        *store_, uid_, record_.generation, spec_.schema.metric, record_.spec.codes, model_->lists);
    if (!stored.ok()) return stored.status();
    codes = *std::move(stored);
  }
  record_.spec.exact_vectors = spec_.index.exact_vectors;
  loaded_.generation =
      std::make_shared<Generation>(record_, StoredPoints(store_, uid_, codec_),
                                   IvfIndex::Create(spec_.schema, record_.spec, spec_.id_kind,
                                                    std::move(model_), std::move(codes)),
                                   spec_.id_kind);
  index_ = loaded_.generation->index.get();
  ids_ = &loaded_.generation->ids;
  return absl::OkStatus();
}

absl::Status Loader::ReadGraph() {
  if (index_->graph() == nullptr) return absl::OkStatus();
  absl::StatusOr<std::optional<StoredGraph>> stored =
      nestor::ReadGraph(*store_, uid_, record_.generation, spec_.schema);
  if (!stored.ok()) return stored.status();
  if (!stored->has_value()) return absl::OkStatus();
  if ((*stored)->head.spec != *record_.spec.graph) {
    return absl::DataLossError("the stored graph has another shape than its generation");
  }
  graph_is_stored_ = true;
  index_->SetStoredGraph(**std::move(stored));
  return absl::OkStatus();
}

absl::Status Loader::LinkGraph() {
  if (index_->graph() == nullptr) return absl::OkStatus();
  if (!graph_is_stored_) {
    loaded_.inserted_nodes = rows_.size();
    return index_->LinkGraph(threads_, [this](double) { return go_on_(); });
  }
  const absl::StatusOr<uint64_t> inserted = index_->AdoptGraph(&loaded_.generation->points);
  if (!inserted.ok()) return inserted.status();
  loaded_.inserted_nodes = *inserted;
  return absl::OkStatus();
}

absl::Status Loader::ReadRows() {
  Scan scan = store_->NewScan(Family::kIds, UidBegin(uid_), UidBegin(uid_ + 1), {.bulk = true});
  for (; scan.Valid(); scan.Next()) {
    absl::StatusOr<uint64_t> row = ParseRow(scan.value());
    if (!row.ok()) return row.status();
    rows_.push_back(*row);
  }
  if (!scan.status().ok()) return scan.status();
  std::sort(rows_.begin(), rows_.end());
  if (const auto twice = std::adjacent_find(rows_.begin(), rows_.end()); twice != rows_.end()) {
    return absl::DataLossError(absl::StrCat("two ids name row ", *twice));
  }
  if (!rows_.empty() && rows_.back() >= loaded_.state.next_row) {
    return absl::DataLossError(
        absl::StrCat("row ", rows_.back(), " lies above the next row ", loaded_.state.next_row));
  }
  return absl::OkStatus();
}

absl::Status Loader::ReadPostings() {
  const uint32_t lists = index_->model().lists;
  lists_.assign(rows_.size(), record_.generation == 0 ? 0 : kNoList);
  if (record_.generation > 0) {
    Scan scan = store_->NewScan(Family::kPostings, GenerationBegin(uid_, record_.generation),
                                GenerationBegin(uid_, record_.generation + 1), {.bulk = true});
    for (; scan.Valid(); scan.Next()) {
      absl::StatusOr<PostingKeyParts> posting = ParsePostingKey(scan.key());
      if (!posting.ok()) return posting.status();
      const auto it = std::lower_bound(rows_.begin(), rows_.end(), posting->row);
      if (it == rows_.end() || *it != posting->row) {
        MutexLock lock(&mutex_);
        cleanup_.Delete(Family::kPostings, scan.key());
        ++loaded_.orphan_postings;
        continue;
      }
      uint32_t& list = lists_[it - rows_.begin()];
      if (posting->list >= lists) {
        return absl::DataLossError(
            absl::StrCat("row ", posting->row, " lies in list ", posting->list, " of ", lists));
      }
      if (list != kNoList) {
        return absl::DataLossError(
            absl::StrCat("row ", posting->row, " lies in lists ", list, " and ", posting->list));
      }
      list = posting->list;
    }
    if (!scan.status().ok()) return scan.status();
  }

  std::vector<uint32_t> counts(lists, 0);
  for (uint32_t list : lists_) {
    if (list != kNoList) ++counts[list];
  }
  std::vector<uint32_t> next = index_->Reserve(counts);
  slots_.reserve(rows_.size());
  for (uint32_t list : lists_) slots_.push_back(list == kNoList ? kNoSlot : next[list]++);
  ids_->Reserve(rows_.size());
  TokenRows* const tokens = loaded_.generation->tokens.get();
  if (tokens != nullptr) tokens->Grow(index_->slot_limit());
  return absl::OkStatus();
}

// Splits the key range of `points` at live rows, so that every key, orphans too, lies in one chunk.
absl::Status Loader::ReadPoints() {
  const size_t chunks = std::max<size_t>(1, (rows_.size() + kChunk - 1) / kChunk);
  std::atomic<size_t> next_chunk{0};
  Mutex mutex;
  absl::Status result;
  const auto work = [&] {
    for (size_t chunk; (chunk = next_chunk.fetch_add(1)) < chunks;) {
      absl::Status status = ReadChunk(chunk * kChunk, std::min(rows_.size(), (chunk + 1) * kChunk));
      if (status.ok()) continue;
      next_chunk.store(chunks);
      MutexLock lock(&mutex);
      result.Update(status);
    }
  };
  std::vector<std::thread> threads;
  for (size_t t = 1; t < std::min<size_t>(threads_, chunks); ++t) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return result;
}

absl::Status Loader::ReadChunk(size_t begin, size_t end) {
  if (!go_on_()) return absl::CancelledError("loading was stopped");
  const std::string first = begin == 0 ? UidBegin(uid_) : PointKey(uid_, rows_[begin]);
  const std::string last = end == rows_.size() ? UidBegin(uid_ + 1) : PointKey(uid_, rows_[end]);
  Scan scan = store_->NewScan(Family::kPoints, first, last, {.bulk = true});
  size_t i = begin;
  for (; scan.Valid(); scan.Next()) {
    absl::StatusOr<uint64_t> row = ParsePointKey(scan.key());
    if (!row.ok()) return row.status();
    if (i < end && rows_[i] < *row) break;
    if (i == end || rows_[i] != *row) {
      MutexLock lock(&mutex_);
      cleanup_.Delete(Family::kPoints, scan.key());
      ++loaded_.orphan_rows;
      continue;
    }
    if (absl::Status status = LoadPoint(i, scan.value()); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("row ", *row, ": ", status.message()));
    }
    ++i;
  }
  if (!scan.status().ok()) return scan.status();
  if (i < end) return absl::DataLossError(absl::StrCat("row ", rows_[i], " is missing"));
  return absl::OkStatus();
}

absl::Status Loader::LoadPoint(size_t i, absl::string_view value) {
  absl::StatusOr<PointView> point = ParsePoint(value);
  if (!point.ok()) return point.status();
  const bool is_num = std::holds_alternative<uint64_t>(point->id);
  if (is_num != (spec_.id_kind == IdKind::kNum)) {
    return absl::DataLossError("the id has another kind than the collection's ids");
  }
  PointCodec::Space space;
  absl::StatusOr<EncodedPoint> encoded = codec_->Decode(point->vector, &space);
  // It could be encoded when it was written.
  if (!encoded.ok()) return absl::DataLossError(encoded.status().message());
  if (point->seq > loaded_.state.seq) {
    return absl::DataLossError(
        absl::StrCat("sequence ", point->seq, " lies above the last, ", loaded_.state.seq));
  }
  if (slots_[i] == kNoSlot) {
    MutexLock lock(&mutex_);
    unlisted_.push_back({rows_[i], point->seq, point->id, std::string(point->attributes),
                         std::string(point->vector)});
    return absl::OkStatus();
  }
  index_->Fill(slots_[i], point->id, rows_[i], point->seq, Bytes(encoded->indexed));
  TokenRows* const tokens = loaded_.generation->tokens.get();
  if (tokens != nullptr) tokens->Put(slots_[i], std::move(encoded->tokens));
  if (!ids_->Put(point->id, slots_[i], point->seq)) {
    return absl::DataLossError("its id has another live row");
  }
  return absl::OkStatus();
}

absl::Status Loader::Mend() {
  MutexLock lock(&mutex_);
  std::sort(unlisted_.begin(), unlisted_.end(),
            [](const Unlisted& a, const Unlisted& b) { return a.row < b.row; });
  PointCodec::Space space;
  for (const Unlisted& row : unlisted_) {
    absl::StatusOr<EncodedPoint> point = codec_->Decode(row.stored, &space);
    if (!point.ok()) return point.status();
    const uint32_t list = loaded_.generation->ListOf(row.attributes, Bytes(point->indexed));
    const absl::Status appended = loaded_.generation
                                      ->Append(list, row.id, row.row, row.born,
                                               Bytes(point->indexed), std::move(point->tokens))
                                      .status();
    if (!appended.ok()) return appended;
    cleanup_.Put(Family::kPostings, PostingKey(uid_, record_.generation, list, row.row), "");
  }
  loaded_.mended_postings = unlisted_.size();
  return absl::OkStatus();
}

absl::Status Loader::RemoveOtherGenerations(Family family) {
  const std::string current = GenerationBegin(uid_, record_.generation);
  const std::string later = GenerationBegin(uid_, record_.generation + 1);
  const std::pair<std::string, std::string> ranges[] = {{UidBegin(uid_), current},
                                                        {later, UidBegin(uid_ + 1)}};
  MutexLock lock(&mutex_);
  for (const auto& [begin, end] : ranges) {
    Scan scan = store_->NewScan(family, begin, end);
    if (scan.Valid()) cleanup_.DeleteRange(family, begin, end);
    if (!scan.status().ok()) return scan.status();
  }
  return absl::OkStatus();
}

absl::StatusOr<LoadedCollection> Loader::Load() {
  if (absl::Status status = ReadState(); !status.ok()) return status;
  if (absl::Status status = ReadCodec(); !status.ok()) return status;
  if (absl::Status status = ReadGeneration(); !status.ok()) return status;
  if (absl::Status status = ReadGraph(); !status.ok()) return status;
  if (absl::Status status = ReadRows(); !status.ok()) return status;
  if (absl::Status status = ReadPostings(); !status.ok()) return status;
  if (absl::Status status = ReadPoints(); !status.ok()) return status;
  index_->Publish();
  if (absl::Status status = LinkGraph(); !status.ok()) return status;
  if (absl::Status status = Mend(); !status.ok()) return status;
  for (Family family : {Family::kPostings, Family::kModels, Family::kGraphs}) {
    if (absl::Status status = RemoveOtherGenerations(family); !status.ok()) return status;
  }
  MutexLock lock(&mutex_);
  Pass(CrashPoint::kLoaded);
  // Synced, so that it cannot come back beside a later build's generation of the same number.
  if (!cleanup_.empty()) {
    absl::Status status = store_->Write(std::move(cleanup_), /*sync=*/true);
    if (!status.ok()) return status;
  }
  Pass(CrashPoint::kCleanedUp);
  return std::move(loaded_);
}

}  // namespace

std::shared_ptr<Generation> NewGeneration(const CollectionSpec& spec, StoredPoints points) {
  return std::make_shared<Generation>(
      GenerationRecord(), std::move(points),
      IvfIndex::Create(spec.schema, SpecBeforeBuild(spec), spec.id_kind, Model::Untrained()),
      spec.id_kind);
}

absl::StatusOr<LoadedCollection> LoadCollection(Store* store, uint32_t uid,
                                                const CollectionSpec& spec, int threads,
                                                const std::function<bool()>& go_on) {
  absl::StatusOr<LoadedCollection> loaded = Loader(store, uid, spec, threads, go_on).Load();
  if (!loaded.ok()) {
    return absl::Status(loaded.status().code(), absl::StrCat("collection \"", spec.name,
                                                             "\": ", loaded.status().message()));
  }
  return loaded;
}

}  // namespace nestor
