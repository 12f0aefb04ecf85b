// Inverted lists: each a chain of runs with what a scan streams. A run is filled from the front by
// one writer; readers take its count (acquire) and read only what lies before it. A run never moves
// or shrinks: Rewrite gives a list new ones, and those that it had stay until no reader has them.
#ifndef NESTOR_INDEX_LISTS_H_
#define NESTOR_INDEX_LISTS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "index/base/pages.h"
#include "index/codes/layout.h"
#include "index/kernels/kernels.h"
#include "index/schema.h"
#include "index/shells.h"

namespace nestor {

struct FreeAligned {
  void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{64}); }
};

// Arrays of `capacity` rows (a multiple of 16). The interleaved first shell, scales and aux are
// read by every scan; slots only for rows that pass the threshold, sequences only where max_born
// and the marks of the dead leave it open whether such a row is visible.
struct alignas(64) Run {
  uint32_t capacity = 0;
  std::byte* shell = nullptr;  // capacity / 16 blocks of ShellLayout::block_bytes()
  float* scales = nullptr;     // of the first shell
  float* aux = nullptr;  // [nesting dims up to the first shell's end][capacity]; null under DOT
  uint32_t* slots = nullptr;
  std::atomic<uint16_t>* marks = nullptr;  // a bit a row that has died, a word a block
  std::atomic<uint64_t>* born = nullptr;
  std::atomic<uint64_t>* dead = nullptr;
  std::atomic<uint32_t> count{0};
  // Together they tell a reader that every row is visible to it without a look at each.
  std::atomic<uint64_t> max_born{0};
  std::atomic<uint32_t> dead_count{0};
  std::atomic<Run*> next{nullptr};
  std::unique_ptr<std::byte, FreeAligned> memory;  // null: a part of what Reserve took
  // By column of the lists, where one is in use, a code's blocks (CodeColumn), apart from the rest:
  // a scan of one reads nothing of the others.
  std::byte* codes[kMaxCodes] = {};
  // Null: a part of what Reserve or AddColumn took.
  std::unique_ptr<std::byte, FreeAligned> code_memory[kMaxCodes];

  // The writer's. A reader whose snapshot holds the death sees it.
  void MarkDead(uint32_t position, uint64_t seq);
  // Whether a reader of this snapshot sees the row, of a position below the count that it took.
  bool Visible(uint32_t position, uint64_t snapshot) const {
    if (max_born.load(std::memory_order_relaxed) > snapshot &&
        born[position].load(std::memory_order_acquire) > snapshot) {
      return false;
    }
    const uint16_t mark = marks[position / kBlockRows].load(std::memory_order_acquire);
    return (mark >> position % kBlockRows & 1) == 0 ||
           snapshot < dead[position].load(std::memory_order_acquire);
  }
};

// A code as runs hold it: its blocks (codes/layout.h), behind them, under L2 where it is of
// residuals, a float a row: OpqQuantizer::HalfSquare.
struct CodeColumn {
  CodeLayout layout;
  bool half_squares = false;

  size_t bytes(uint32_t capacity) const {
    return capacity / kBlockRows * layout.block_bytes() +
           (half_squares ? capacity * sizeof(float) : 0);
  }
  // Null where there are none.
  float* HalfSquares(const Run& run, size_t number) const {
    if (!half_squares) return nullptr;
    return reinterpret_cast<float*>(run.codes[number] +
                                    run.capacity / kBlockRows * layout.block_bytes());
  }
};

class Lists {
 public:
  // `nesting_dims`: how many nesting dims lie within the first shell. Without `keep_shell` rows are
  // listed, but cannot be scanned.
  Lists(uint32_t lists, const ShellLayout& layout, size_t nesting_dims, Metric metric,
        bool keep_shell);
  ~Lists();

  uint32_t size() const { return static_cast<uint32_t>(heads_.size()); }
  const Run* First(uint32_t list) const {
    return heads_[list].first.load(std::memory_order_acquire);
  }
  // The list's first run, without what it points to.
  void Prefetch(uint32_t list) const {
    const auto* run = reinterpret_cast<const std::byte*>(First(list));
    __builtin_prefetch(run);
    __builtin_prefetch(run + 64);
  }
  Run* First(uint32_t list) { return heads_[list].first.load(std::memory_order_acquire); }

  // Runs for each list with counts[l] rows, all side by side in one stretch of memory. Only on
  // empty lists.
  void Reserve(std::span<const uint32_t> counts);

  // The run with room for one more row of this list, and the position in it. The row becomes
  // visible with count = position + 1.
  Run* RunToAppend(uint32_t list, uint32_t* position);

  // Writes the row's part of a run: codes of the first shell, scale, aux, slot, born, alive.
  void Fill(Run* run, uint32_t position, uint32_t slot, uint64_t born, const RowCode& code,
            const double* squares) const;
  // And of one code, before a reader may scan the row by it. `half_square` only where it is kept.
  void FillCode(Run* run, uint32_t position, size_t column, const uint8_t* bytes,
                float half_square) const;

  // A column for a code in all runs, those to come too; its number. Zeros in the places of rows
  // that are there: no reader may know of it before they are filled. kMaxCodes: all are in use.
  size_t AddColumn(const CodeColumn& column);
  // No reader knows of it any more.
  void RemoveColumn(size_t column);

  // Rows, of all runs of the list together.
  uint32_t capacity(uint32_t list) const { return heads_[list].capacity; }

  // Gives the list new runs, with the places that `keep` names only, in the same order; `moved`
  // hears of each before readers do. The old runs stay as they are until FreeRetired is told of a
  // greater ticket than `ticket`.
  void Rewrite(uint32_t list, uint64_t ticket,
               absl::FunctionRef<bool(Run* run, uint32_t position)> keep,
               absl::FunctionRef<void(uint32_t slot, Run* run, uint32_t position)> moved);
  // No reader has the runs that were retired with lesser tickets than `oldest`.
  void FreeRetired(uint64_t oldest);

  size_t capacity_rows() const { return capacity_rows_.load(std::memory_order_relaxed); }
  // Bytes of a row of capacity, by part.
  size_t shell_bytes() const { return block_bytes_ / 16; }
  size_t norms_scales_bytes() const { return sizeof(float) * (1 + aux_dims_); }

 private:
  struct Head {
    std::atomic<Run*> first{nullptr};
    // The writer's:
    Run* last = nullptr;
    uint32_t capacity = 0;  // of all runs
  };
  struct Retired {
    Run* first = nullptr;  // of a chain
    uint64_t ticket = 0;
  };
  // A run with memory of its own.
  Run* NewRun(uint32_t capacity);
  void Link(Head* head, Run* run);
  void FreeChain(Run* run);
  void CopyRow(const Run& from, uint32_t position, Run* to, uint32_t at) const;
  // Of every list, and those that readers may still have.
  void ForEachRun(absl::FunctionRef<void(Run* run)> visit);
  // Places a run's arrays at `stream` and `sequences`; returns the bytes of `stream` used.
  size_t Lay(Run* run, uint32_t capacity, std::byte* stream, std::byte* sequences) const;
  size_t StreamBytes(uint32_t capacity) const;

  const ShellLayout layout_;
  const size_t block_bytes_;  // 0 where the shell is not kept
  const size_t aux_dims_;     // 0 under DOT
  const Metric metric_;
  // The writer's, as is all of a column that readers do not reach by way of its code.
  struct Column {
    std::optional<CodeColumn> layout;  // absent: not in use
    std::vector<PageBuffer> reserved;  // memory of the runs of Reserve and AddColumn
  };
  Column columns_[kMaxCodes];
  std::deque<Head> heads_;  // own their chains
  std::deque<Retired> retired_;
  std::vector<PageBuffer> reserved_;  // memory of the runs of Reserve
  std::atomic<size_t> capacity_rows_{0};
};

}  // namespace nestor

#endif  // NESTOR_INDEX_LISTS_H_
