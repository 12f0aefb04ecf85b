#include "index/ivf_index.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "index/base/crash_point.h"
#include "index/base/release_held.h"
#include "index/ivf_rep.h"

namespace nestor {

IvfIndex::IvfIndex(std::unique_ptr<Rep> rep) : rep_(std::move(rep)) {}
IvfIndex::~IvfIndex() = default;

std::unique_ptr<IvfIndex> IvfIndex::Create(const VectorSchema& schema, const IndexSpec& spec,
                                           IdKind id_kind, std::shared_ptr<const Model> model,
                                           std::vector<std::shared_ptr<const Code>> codes) {
  return std::unique_ptr<IvfIndex>(new IvfIndex(
      std::make_unique<Rep>(schema, spec, id_kind, std::move(model), std::move(codes))));
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
    uint32_t position = 0;
    for (uint32_t i = 0; i < counts[l]; ++i, ++position) {
      if (position == run->capacity) {
        run = run->next.load(std::memory_order_relaxed);
        position = 0;
      }
      rep_->rows_.SetPlace(firsts[l] + i, {run, position});
      rep_->rows_.SetList(firsts[l] + i, l);
    }
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
  const Place place = rep_->rows_.place(slot);
  rep_->rows_.Fill(slot, id, row, vector, encoded->code, encoded->squares.data());
  rep_->lists_.Fill(place.run, place.position, slot, born, encoded->code, encoded->squares.data());
  rep_->FillCodes(place.run, place.position, rep_->rows_.list(slot), encoded.get());
  if (rep_->graph_ != nullptr) {
    rep_->graph_->Fill(slot, row, encoded->values.data(), rep_->exact_int8());
  }
}

void IvfIndex::Publish() {
  uint64_t rows = 0;
  uint64_t last_born = 0;
  for (uint32_t l = 0; l < rep_->lists_.size(); ++l) {
    for (Run* run = rep_->lists_.First(l); run != nullptr;
         run = run->next.load(std::memory_order_relaxed)) {
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
      const float key = rep_->distances_.empty() ? sums[i] : sums[i] - rep_->distances_[first + i];
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
  uint32_t slot = kNoSlot;
  if (!rep.rows_.Take(&slot)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the index has used all ", rep.rows_.limit(), " slots"));
  }
  uint32_t position = 0;
  Run* run = rep.lists_.RunToAppend(list, &position);
  rep.rows_.SetPlace(slot, {run, position});
  rep.rows_.SetList(slot, list);
  rep.rows_.Fill(slot, id, row, vector, rep.append_buffer_->code,
                 rep.append_buffer_->squares.data());
  rep.lists_.Fill(run, position, slot, born, rep.append_buffer_->code,
                  rep.append_buffer_->squares.data());
  rep.FillCodes(run, position, list, rep.append_buffer_.get());
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

void IvfIndex::MarkDead(uint32_t slot, uint64_t dead, bool held) {
  const Place place = rep_->rows_.place(slot);
  place.run->MarkDead(place.position, dead);
  if (rep_->graph_ != nullptr) rep_->graph_->MarkDead(slot, dead);
  if (held) {
    rep_->held_slots_.push_back({slot, dead});
  } else {
    rep_->dead_slots_.push_back({slot, dead});
  }
  rep_->alive_.fetch_sub(1, std::memory_order_relaxed);
}

void IvfIndex::ReleaseHeld(uint64_t up_to) {
  nestor::ReleaseHeld(up_to, &rep_->held_slots_, &rep_->dead_slots_);
}

void IvfIndex::ReclaimSlots(uint64_t horizon) {
  Rep& rep = *rep_;
  std::deque<Rep::DeadSlot>& dead = rep.dead_slots_;
  for (; !dead.empty() && dead.front().dead <= horizon; dead.pop_front()) {
    const uint32_t slot = dead.front().slot;
    const uint32_t list = rep.rows_.list(slot);
    rep.rows_.SetPlace(slot, {});
    // A rewrite then copies a dozen rows for each that is gone, 3 us.
    constexpr uint32_t kPart = 12;
    constexpr uint32_t kLeast = 3;
    const uint32_t due = std::max(rep.lists_.capacity(list) / kPart, kLeast);
    if (++rep.gone_[list] == due) rep.lists_to_rewrite_.push_back(list);
    if (rep.graph_ == nullptr || rep.unlinked_.erase(slot) > 0) rep.rows_.Free(slot);
  }
  if (rep.graph_ == nullptr) return;
  for (const uint32_t slot : rep.graph_->TakeFreedSlots()) {
    if (rep.rows_.place(slot).run == nullptr) {
      rep.rows_.Free(slot);
    } else {
      rep.unlinked_.insert(slot);
    }
  }
}

bool IvfIndex::RewriteLists(uint64_t max_rows, uint64_t ticket) {
  Rep& rep = *rep_;
  for (uint64_t copied = 0; !rep.lists_to_rewrite_.empty() && copied < max_rows;) {
    const uint32_t list = rep.lists_to_rewrite_.back();
    rep.lists_to_rewrite_.pop_back();
    rep.gone_[list] = 0;
    rep.lists_.Rewrite(
        list, ticket,
        // A place is a row's as long as the row says so.
        [&rep](Run* run, uint32_t position) {
          return rep.rows_.place(run->slots[position]) == Place{run, position};
        },
        [&rep, &copied](uint32_t slot, Run* run, uint32_t position) {
          rep.rows_.SetPlace(slot, {run, position});
          ++copied;
        });
    Pass(CrashPoint::kListRewritten);
  }
  return !rep.lists_to_rewrite_.empty();
}

void IvfIndex::FreeLists(uint64_t oldest) {
  rep_->lists_.FreeRetired(oldest);
  auto& columns = rep_->retired_columns_;
  for (; !columns.empty() && columns.front().ticket < oldest; columns.pop_front()) {
    rep_->lists_.RemoveColumn(columns.front().column);
  }
}

const VectorSchema& IvfIndex::schema() const { return rep_->schema_; }
const IndexSpec& IvfIndex::spec() const { return rep_->spec_; }
const std::shared_ptr<const Model>& IvfIndex::shared_model() const { return rep_->model_; }
std::shared_ptr<const CodeTable> IvfIndex::codes() const { return rep_->codes(); }

IndexShape IvfIndex::Shape() const {
  return {.rows = rep_->alive_.load(std::memory_order_relaxed),
          .lists = rep_->model_->lists,
          .coarse_dim = rep_->model_->coarse_dim,
          .shells = ShellsInMemory(rep_->spec_),
          .reach = rep_->model_->reach,
          .graph = rep_->spec_.graph,
          .has_lists = !rep_->spec_.no_lists};
}

IndexMemory IvfIndex::MemoryOf(uint64_t rows, uint64_t capacity) const {
  const Rep& rep = *rep_;
  IndexMemory memory;
  memory.first_shell = capacity * rep.lists_.shell_bytes();
  memory.later_shells = rows * (rep.rows_.record_bytes() - rep.rows_.header_bytes());
  memory.norms_scales =
      capacity * rep.lists_.norms_scales_bytes() + rows * rep.rows_.header_bytes();
  memory.sequences = capacity * 2 * sizeof(uint64_t) + capacity / 8;  // and the marks of the dead
  memory.map = capacity * sizeof(uint32_t) + rows * RowStore::kPlaceBytes;
  memory.ids = rows * (sizeof(uint64_t) + rep.rows_.id_bytes());
  memory.exact_vectors = rows * rep.rows_.exact_bytes();
  return memory;
}

IndexMemory IvfIndex::Memory() const {
  const Rep& rep = *rep_;
  const size_t capacity = rep.lists_.capacity_rows();
  const size_t slots = rep.rows_.limit();
  IndexMemory memory = MemoryOf(slots, capacity);
  const size_t strings = rep.rows_.string_bytes();
  if (strings != 0) memory.ids = slots * sizeof(uint64_t) + strings;
  memory.model = rep.coarse_.bytes();
  for (const CodeTable::Entry& entry : rep.codes()->ready) {
    memory.code_parts.push_back(capacity / kBlockRows * entry.layout.bytes(kBlockRows) +
                                entry.code->memory_bytes());
    memory.codes += memory.code_parts.back();
  }
  if (rep.graph_ != nullptr) memory.graph_parts = rep.graph_->Memory();
  memory.graph = memory.graph_parts.Total();
  return memory;
}

uint64_t IvfIndex::row_bytes() const {
  const Rep& rep = *rep_;
  uint64_t block = MemoryOf(kBlockRows, kBlockRows).Total();
  for (const CodeTable::Entry& entry : rep.codes()->ready) block += entry.layout.bytes(kBlockRows);
  return block / kBlockRows + (rep.graph_ == nullptr ? 0 : rep.graph_->node_bytes());
}

Graph* IvfIndex::graph() const { return rep_->graph_.get(); }
uint32_t IvfIndex::slot_limit() const { return rep_->rows_.limit(); }
uint32_t IvfIndex::free_slots() const { return rep_->rows_.free_slots(); }
uint64_t IvfIndex::free_bytes() const { return MemoryOf(free_slots(), /*capacity=*/0).Total(); }
PointId IvfIndex::IdAt(uint32_t slot) const { return rep_->rows_.id(slot); }
uint64_t IvfIndex::RowAt(uint32_t slot) const { return rep_->rows_.row(slot); }
uint32_t IvfIndex::ListAt(uint32_t slot) const { return rep_->rows_.list(slot); }
const std::byte* IvfIndex::VectorAt(uint32_t slot) const { return rep_->rows_.exact(slot); }

uint64_t IvfIndex::BornAt(uint32_t slot) const {
  const Place place = rep_->rows_.place(slot);
  return place.run->born[place.position].load(std::memory_order_acquire);
}

uint64_t IvfIndex::DeadAt(uint32_t slot) const {
  const Place place = rep_->rows_.place(slot);
  return place.run->dead[place.position].load(std::memory_order_acquire);
}

}  // namespace nestor
