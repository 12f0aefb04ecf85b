// What is found by slot, so that any source of candidates (lists, a graph, brute force) can refine
// and rescore them: a record of the row's later shells, scales and norms; its exact vector; id, row
// number and place in its list.
//
// Slots lie in blocks that never move. One writer; a reader may touch a slot once it has seen it
// published through its list. A slot whose row no reader can see any more may be given back (Free)
// and is then taken again. A record is a run of whole cache lines:
//   floats: scale of each shell, aux (shells.h) at each nesting dim; padding to 64 bytes
//   shell 1, shell 2, .. row-major, each padded to 64 bytes
// Where the first shell is all that is in memory, the floats alone, without padding.
#ifndef NESTOR_INDEX_ROWS_H_
#define NESTOR_INDEX_ROWS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "index/base/pages.h"
#include "index/point_id.h"
#include "index/schema.h"
#include "index/shells.h"

namespace nestor {

struct Run;

// Where a slot's row lies in its list. Kept as one word, so that a reader beside a writer who moves
// the row gets a run and a position that belong together.
struct Place {
  Run* run = nullptr;
  uint32_t position = 0;  // below kMaxPositions

  static constexpr uint32_t kMaxPositions = 1u << 16;

  friend bool operator==(const Place&, const Place&) = default;
};

class RowStore {
 public:
  static constexpr uint32_t kBlockShift = 14;
  static constexpr uint32_t kBlockSlots = 1u << kBlockShift;

  RowStore(const VectorSchema& schema, const ShellLayout& layout, IdKind id_kind,
           bool exact_in_memory);
  ~RowStore();

  // Makes room for `n` slots from the current limit on. False when slots run out. `bulk`: they will
  // be filled at once.
  bool Grow(uint32_t n, bool bulk);
  uint32_t limit() const { return limit_.load(std::memory_order_acquire); }
  // One slot: one that was given back, else a new one. False when slots run out.
  bool Take(uint32_t* slot);
  // Nobody reads the slot, and nobody will by the row that it has.
  void Free(uint32_t slot);
  uint32_t free_slots() const { return free_slots_.load(std::memory_order_relaxed); }

  // Writes everything of a row that is kept by slot. `exact` is the stored vector.
  void Fill(uint32_t slot, const PointId& id, uint64_t row, const std::byte* exact,
            const RowCode& code, const double* squares);

  const float* scales(uint32_t slot) const { return reinterpret_cast<const float*>(record(slot)); }
  const float* aux(uint32_t slot) const { return scales(slot) + layout_.shells(); }
  // Shell s >= 1 of the row.
  const std::byte* shell(uint32_t slot, size_t s) const { return record(slot) + shell_offsets_[s]; }
  const std::byte* record(uint32_t slot) const {
    return BlockOf(slot).records.data() + size_t{slot & (kBlockSlots - 1)} * record_bytes_;
  }
  // nullptr where exact vectors are not in memory.
  const std::byte* exact(uint32_t slot) const {
    if (exact_stride_ == 0) return nullptr;
    return BlockOf(slot).exact.data() + size_t{slot & (kBlockSlots - 1)} * exact_stride_;
  }
  PointId id(uint32_t slot) const;
  // Order of two slots' ids, without copying strings.
  bool IdLess(uint32_t a, uint32_t b) const;
  uint64_t row(uint32_t slot) const { return BlockOf(slot).rows()[slot & (kBlockSlots - 1)]; }
  Place place(uint32_t slot) const {
    const uint64_t word =
        BlockOf(slot).places()[slot & (kBlockSlots - 1)].load(std::memory_order_acquire);
    return {reinterpret_cast<Run*>(word & kRunBits), static_cast<uint32_t>(word >> 48)};
  }
  void SetPlace(uint32_t slot, Place place) {
    const uint64_t word = reinterpret_cast<uint64_t>(place.run) | uint64_t{place.position} << 48;
    BlockOf(slot).places()[slot & (kBlockSlots - 1)].store(word, std::memory_order_release);
  }
  // Of the row, for as long as it has the slot.
  uint32_t list(uint32_t slot) const { return BlockOf(slot).lists()[slot & (kBlockSlots - 1)]; }
  void SetList(uint32_t slot, uint32_t list) {
    BlockOf(slot).lists()[slot & (kBlockSlots - 1)] = list;
  }

  bool exact_in_memory() const { return exact_stride_ != 0; }
  size_t record_bytes() const { return record_bytes_; }
  size_t header_bytes() const { return header_bytes_; }
  size_t exact_bytes() const { return exact_stride_; }
  // Of one id, without what a string has outside of itself.
  size_t id_bytes() const {
    return id_kind_ == IdKind::kNum ? sizeof(uint64_t) : sizeof(std::string);
  }
  size_t string_bytes() const { return string_bytes_.load(std::memory_order_relaxed); }
  static constexpr size_t kPlaceBytes = sizeof(uint64_t) + sizeof(uint32_t);

 private:
  // User addresses of x86-64 have 47 bits.
  static constexpr uint64_t kRunBits = (uint64_t{1} << 48) - 1;

  struct Block {
    PageBuffer records;
    PageBuffer exact;
    PageBuffer fixed;  // places, lists, row numbers, numeric ids
    std::unique_ptr<std::string[]> strings;

    std::atomic<uint64_t>* places() const {
      return reinterpret_cast<std::atomic<uint64_t>*>(fixed.data());
    }
    uint32_t* lists() const { return reinterpret_cast<uint32_t*>(places() + kBlockSlots); }
    uint64_t* rows() const { return reinterpret_cast<uint64_t*>(lists() + kBlockSlots); }
    uint64_t* numbers() const { return rows() + kBlockSlots; }
  };

  Block& BlockOf(uint32_t slot) const {
    return *blocks_[slot >> kBlockShift].load(std::memory_order_relaxed);
  }

  const VectorSchema schema_;
  const ShellLayout layout_;
  const IdKind id_kind_;
  size_t header_bytes_ = 0;
  size_t record_bytes_ = 0;
  std::vector<size_t> shell_offsets_;  // in a record; [0] unused
  size_t exact_stride_ = 0;            // 0 = not in memory
  std::atomic<uint32_t> limit_{0};
  std::atomic<size_t> string_bytes_{0};
  std::vector<uint32_t> free_;  // the writer's
  std::atomic<uint32_t> free_slots_{0};
  PageBuffer directory_;
  std::atomic<Block*>* blocks_ = nullptr;  // in directory_
};

}  // namespace nestor

#endif  // NESTOR_INDEX_ROWS_H_
