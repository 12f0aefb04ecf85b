#include "index/multi/token_rows.h"

#include <utility>

namespace nestor {
namespace {

constexpr uint64_t kMaxSlots = uint64_t{1} << 32;

}  // namespace

TokenRows::TokenRows()
    : directory_((kMaxSlots >> kPartShift) * sizeof(std::atomic<Entry*>), /*huge=*/false),
      parts_(reinterpret_cast<std::atomic<Entry*>*>(directory_.data())) {}

TokenRows::~TokenRows() {
  for (uint32_t p = 0; p < part_count_; ++p) delete[] parts_[p].load(std::memory_order_relaxed);
}

void TokenRows::Grow(uint32_t limit) {
  for (; (uint64_t{part_count_} << kPartShift) < limit; ++part_count_) {
    parts_[part_count_].store(new Entry[kPartSlots], std::memory_order_release);
    bytes_.fetch_add(sizeof(Entry) * kPartSlots, std::memory_order_relaxed);
  }
}

void TokenRows::Put(uint32_t slot, std::shared_ptr<const TokenBlock> block) {
  Entry& entry =
      parts_[slot >> kPartShift].load(std::memory_order_relaxed)[slot & (kPartSlots - 1)];
  // Unsigned: what wraps around here comes back.
  bytes_.fetch_add(block->bytes() - (entry == nullptr ? 0 : entry->bytes()),
                   std::memory_order_relaxed);
  tokens_.fetch_add(block->tokens() - (entry == nullptr ? 0 : entry->tokens()),
                    std::memory_order_relaxed);
  entry = std::move(block);
}

}  // namespace nestor
