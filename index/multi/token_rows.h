// The token blocks of an index's rows, by slot. One writer; a reader may ask for a slot whose row
// it sees. A slot that is taken again gives up the block that it had.
#ifndef NESTOR_INDEX_MULTI_TOKEN_ROWS_H_
#define NESTOR_INDEX_MULTI_TOKEN_ROWS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "index/base/pages.h"
#include "index/multi/token_block.h"

namespace nestor {

class TokenRows {
 public:
  TokenRows();
  ~TokenRows();
  TokenRows(const TokenRows&) = delete;
  TokenRows& operator=(const TokenRows&) = delete;

  // Makes room for slots below `limit`, by the writer.
  void Grow(uint32_t limit);
  // The slot is below that limit. Different slots may be put on different threads.
  void Put(uint32_t slot, std::shared_ptr<const TokenBlock> block);

  const std::shared_ptr<const TokenBlock>& At(uint32_t slot) const {
    return parts_[slot >> kPartShift].load(std::memory_order_acquire)[slot & (kPartSlots - 1)];
  }
  // Of all blocks, also of dead rows.
  size_t tokens() const { return tokens_.load(std::memory_order_relaxed); }
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kPartShift = 12;
  static constexpr uint32_t kPartSlots = 1u << kPartShift;
  using Entry = std::shared_ptr<const TokenBlock>;

  PageBuffer directory_;
  std::atomic<Entry*>* parts_ = nullptr;  // in directory_, of kPartSlots each
  uint32_t part_count_ = 0;               // the writer's
  std::atomic<size_t> tokens_{0};
  std::atomic<size_t> bytes_{0};
};

}  // namespace nestor

#endif  // NESTOR_INDEX_MULTI_TOKEN_ROWS_H_
