// What the scans share, whatever rows are scored by: the walk over lists, runs and chunks of rows,
// what of them a search sees, and the threshold that most rows fail.
#ifndef NESTOR_INDEX_SCAN_LISTS_H_
#define NESTOR_INDEX_SCAN_LISTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "absl/status/status.h"
#include "index/stages.h"

namespace nestor {

// Rows whose sums are held at once; the threshold is looked at between chunks.
inline constexpr uint32_t kChunkRows = 256;

// What a score function has made of a chunk.
struct ScoredRows {
  const float* aux = nullptr;  // as KeyKind takes it; null where it takes none
  // The slots of the sums, where rows that are not visible were left out; null: the chunk's rows.
  const uint32_t* slots = nullptr;
  uint32_t count = 0;
};

// Sums that no threshold lets pass, for the rows of a chunk that are dead at the snapshot: cheaper
// than to ask of each row that passes.
void DropDead(const Run& run, uint32_t first, uint32_t rows, uint64_t snapshot, float* sums);

// Rows of the lists, in the order given, are scored by
//   ScoredRows score(const Run& run, size_t l, uint32_t first, uint32_t rows, bool all_visible,
//                    float* sums)
// rows from `first` (a multiple of 16) of lists[l] at a time, `sums` with room for kChunkRows; the
// best `keep` visible ones become candidates.
template <typename Score>
absl::Status ScanLists(const SearchContext& context, std::span<const uint32_t> lists, uint32_t keep,
                       KeyKind key_kind, StageBuffers* buffers, Candidates* candidates,
                       uint64_t* rows_seen, Score score) {
  constexpr uint32_t kNoList = 0xffffffffu;
  // How many candidates may gather before they are cut to `keep`: few enough that the threshold
  // rises early.
  const size_t shrink_at = size_t{keep} + std::clamp<size_t>(keep, 64, 4096);
  // The filter writes whole vectors of 16 behind the last candidate.
  candidates->Reserve(shrink_at + kChunkRows + 16);
  candidates->size = 0;
  buffers->sums.resize(std::max<size_t>(buffers->sums.size(), kChunkRows));
  float* sums = buffers->sums.data();
  float threshold = -std::numeric_limits<float>::infinity();
  const uint64_t snapshot = context.query.snapshot;
  const uint32_t skip_list = context.query.skip_slot < context.rows.limit()
                                 ? context.rows.list(context.query.skip_slot)
                                 : kNoList;
  StopPoll poll(context.query);
  for (size_t l = 0; l < lists.size(); ++l) {
    if (absl::Status s = poll.Check(); !s.ok()) return s;
    const uint32_t list = lists[l];
    if (l + 2 < lists.size()) context.lists.Prefetch(lists[l + 2]);
    for (const Run* run = context.lists.First(list); run != nullptr;
         run = run->next.load(std::memory_order_acquire)) {
      const uint32_t count = run->count.load(std::memory_order_acquire);
      const bool none_dead = run->dead_count.load(std::memory_order_acquire) == 0;
      // All but the dead are visible.
      const bool all_born =
          run->max_born.load(std::memory_order_relaxed) <= snapshot && list != skip_list;
      const bool all_visible = none_dead && all_born;
      *rows_seen += count;
      for (uint32_t first = 0; first < count; first += kChunkRows) {
        const uint32_t rows = std::min(kChunkRows, count - first);
        const ScoredRows scored = score(*run, l, first, rows, all_visible, sums);
        const uint32_t* slots = scored.slots != nullptr ? scored.slots : run->slots + first;
        bool all_seen = all_visible || scored.slots != nullptr;
        if (all_born && !all_seen) {
          DropDead(*run, first, rows, snapshot, sums);
          all_seen = true;
        }
        const size_t base = candidates->size;
        uint32_t* positions = candidates->slots.data() + base;
        const size_t passed = context.kernels.filter(sums, scored.aux, key_kind, scored.count,
                                                     threshold, candidates->keys.data() + base,
                                                     candidates->sums.data() + base, positions);
        if (passed == 0) continue;
        if (all_seen) {
          for (size_t i = 0; i < passed; ++i) positions[i] = slots[positions[i]];
          candidates->size += passed;
        } else {
          for (size_t i = 0; i < passed; ++i) {
            const uint32_t position = first + positions[i];
            if (!Visible(*run, position, context.query)) continue;
            const size_t out = candidates->size++;
            candidates->keys[out] = candidates->keys[base + i];
            candidates->sums[out] = candidates->sums[base + i];
            candidates->slots[out] = run->slots[position];
          }
        }
        if (candidates->size >= shrink_at) threshold = candidates->KeepBest(context.kernels, keep);
      }
    }
  }
  candidates->KeepBest(context.kernels, keep);
  return absl::OkStatus();
}

}  // namespace nestor

#endif  // NESTOR_INDEX_SCAN_LISTS_H_
