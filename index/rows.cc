#include "index/rows.h"

#include <cstring>
#include <utility>

namespace nestor {
namespace {

constexpr size_t kMaxBlocks = (uint64_t{1} << 32) >> RowStore::kBlockShift;
// The last slot number stands for "none".
constexpr uint64_t kMaxSlots = 0xffffffffu;

size_t RoundUp64(size_t n) { return (n + 63) / 64 * 64; }

// Where the first shell is all that is in memory, every byte counts and no shells follow that have
// to begin a line.
size_t HeaderBytes(const VectorSchema& schema, const ShellLayout& layout) {
  const size_t bytes = (layout.shells() + schema.nesting.size()) * sizeof(float);
  return layout.shells() == 1 && layout.dim() < schema.dim ? bytes : RoundUp64(bytes);
}

}  // namespace

RowStore::RowStore(const VectorSchema& schema, const ShellLayout& layout, IdKind id_kind,
                   bool exact_in_memory)
    : schema_(schema),
      layout_(layout),
      id_kind_(id_kind),
      header_bytes_(HeaderBytes(schema, layout)),
      exact_stride_(exact_in_memory ? schema.dim * DtypeBytes(schema.dtype) : 0),
      directory_(kMaxBlocks * sizeof(std::atomic<Block*>), /*huge=*/false),
      blocks_(reinterpret_cast<std::atomic<Block*>*>(directory_.data())) {
  record_bytes_ = header_bytes_;
  shell_offsets_.push_back(0);
  for (size_t s = 1; s < layout.shells(); ++s) {
    shell_offsets_.push_back(record_bytes_);
    record_bytes_ += layout.row_bytes(s);
  }
}

RowStore::~RowStore() {
  const uint64_t blocks = (uint64_t{limit()} + kBlockSlots - 1) >> kBlockShift;
  for (uint64_t b = 0; b < blocks; ++b) delete blocks_[b].load(std::memory_order_relaxed);
}

bool RowStore::Grow(uint32_t n, bool bulk) {
  const uint64_t limit = uint64_t{this->limit()} + n;
  if (limit > kMaxSlots) return false;
  const uint64_t blocks = (limit + kBlockSlots - 1) >> kBlockShift;
  for (uint64_t b = (uint64_t{this->limit()} + kBlockSlots - 1) >> kBlockShift; b < blocks; ++b) {
    // A small collection pays for the pages that it touches, not for huge ones.
    const bool huge = b > 0 || (bulk && n >= kBlockSlots / 2);
    auto block = std::make_unique<Block>();
    block->records = PageBuffer(kBlockSlots * record_bytes_, huge);
    block->exact = PageBuffer(kBlockSlots * exact_stride_, huge);
    const bool numeric = id_kind_ == IdKind::kNum;
    block->fixed = PageBuffer(kBlockSlots * (kPlaceBytes + 8 + (numeric ? 8 : 0)), huge);
    if (!numeric) block->strings = std::make_unique<std::string[]>(kBlockSlots);
    blocks_[b].store(block.release(), std::memory_order_release);
  }
  limit_.store(static_cast<uint32_t>(limit), std::memory_order_release);
  return true;
}

bool RowStore::Take(uint32_t* slot) {
  if (free_.empty()) {
    *slot = limit();
    return Grow(1, /*bulk=*/false);
  }
  *slot = free_.back();
  free_.pop_back();
  free_slots_.store(static_cast<uint32_t>(free_.size()), std::memory_order_relaxed);
  return true;
}

void RowStore::Free(uint32_t slot) {
  SetPlace(slot, {});
  free_.push_back(slot);
  free_slots_.store(static_cast<uint32_t>(free_.size()), std::memory_order_relaxed);
}

void RowStore::Fill(uint32_t slot, const PointId& id, uint64_t row, const std::byte* exact,
                    const RowCode& code, const double* squares) {
  Block& block = BlockOf(slot);
  const uint32_t i = slot & (kBlockSlots - 1);
  std::byte* record = block.records.data() + size_t{i} * record_bytes_;
  auto* floats = reinterpret_cast<float*>(record);
  for (size_t s = 0; s < layout_.shells(); ++s) floats[s] = code.scale(s);
  floats += layout_.shells();
  for (size_t d = 0; d < schema_.nesting.size(); ++d) floats[d] = AuxOf(schema_.metric, squares[d]);
  for (size_t s = 1; s < layout_.shells(); ++s) {
    std::memcpy(record + shell_offsets_[s], code.shell(s), layout_.row_bytes(s));
  }
  if (exact_stride_ != 0) std::memcpy(block.exact.data() + i * exact_stride_, exact, exact_stride_);
  block.rows()[i] = row;
  if (id_kind_ == IdKind::kNum) {
    block.numbers()[i] = std::get<uint64_t>(id);
  } else {
    std::string& string = block.strings[i];
    const size_t before = string.empty() ? 0 : sizeof(std::string) + string.size();
    string = std::get<std::string>(id);
    // Unsigned: what wraps around here comes back.
    string_bytes_.fetch_add(sizeof(std::string) + string.size() - before,
                            std::memory_order_relaxed);
  }
}

PointId RowStore::id(uint32_t slot) const {
  const Block& block = BlockOf(slot);
  const uint32_t i = slot & (kBlockSlots - 1);
  if (id_kind_ == IdKind::kNum) return block.numbers()[i];
  return block.strings[i];
}

bool RowStore::IdLess(uint32_t a, uint32_t b) const {
  const Block& block_a = BlockOf(a);
  const Block& block_b = BlockOf(b);
  const uint32_t i = a & (kBlockSlots - 1);
  const uint32_t j = b & (kBlockSlots - 1);
  if (id_kind_ == IdKind::kNum) return block_a.numbers()[i] < block_b.numbers()[j];
  return block_a.strings[i] < block_b.strings[j];
}

}  // namespace nestor
