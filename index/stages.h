// The stages of a search after the coarse one: free functions from candidates to fewer, better
// candidates. No virtual calls, and no allocation once the scratch is warm.
#ifndef NESTOR_INDEX_STAGES_H_
#define NESTOR_INDEX_STAGES_H_

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "index/candidates.h"
#include "index/ivf_index.h"
#include "index/kernels/kernels.h"
#include "index/lists.h"
#include "index/rows.h"
#include "index/shells.h"

namespace nestor {

// What a search reads: the parts of one index.
struct SearchContext {
  const VectorSchema& schema;
  const ShellLayout& layout;
  const Lists& lists;
  const RowStore& rows;
  const Kernels& kernels;
  const SearchQuery& query;
  KeyKind key_kind;
};

inline KeyKind KeyKindOf(Metric metric) {
  return metric == Metric::kCosine ? KeyKind::kTimes
         : metric == Metric::kL2   ? KeyKind::kMinus
                                   : KeyKind::kSum;
}

// Deadline and cancellation, cheap enough to ask once per list.
class StopPoll {
 public:
  explicit StopPoll(const SearchQuery& query);
  absl::Status Check();

 private:
  const SearchQuery& query_;
  const bool has_deadline_;
  uint32_t calls_ = 0;
};

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

struct ScoredSlot {
  double score = 0;
  uint32_t slot = 0;
};

// Buffers that the stages share.
struct StageBuffers {
  std::vector<ScoredSlot> scored;
  std::vector<float> sums;            // of a chunk of rows
  std::vector<const void*> pointers;  // to rows
  std::vector<int32_t> int_sums;
  std::vector<std::byte> gathered;  // pieces of interleaved rows; fetched vectors
  std::vector<float> decoded;
  std::vector<uint64_t> fetch_rows;
};

// Sums of all rows of the probed lists on q[:dim], the best `keep` visible ones as candidates.
absl::Status Scan(const SearchContext& context, std::span<const uint32_t> lists, uint32_t dim,
                  uint32_t keep, QueryCode* code, StageBuffers* buffers, Candidates* candidates,
                  StageCost* cost);

// Carries the candidates' sums on from `done` to `dim` dims and keeps the best.
void Refine(const SearchContext& context, uint32_t done, uint32_t dim, uint32_t keep,
            QueryCode* code, StageBuffers* buffers, Candidates* candidates, StageCost* cost);

// The final order without rescore: scores from keys at `dim`, ties by id.
void HitsFromKeys(const SearchContext& context, uint32_t dim, const Candidates& candidates,
                  std::vector<Hit>* hits);

// Whether row `position` of `run` is to be seen by this search.
inline bool Visible(const Run& run, uint32_t position, const SearchQuery& query) {
  return run.Visible(position, query.snapshot) && run.slots[position] != query.skip_slot;
}

}  // namespace nestor

#endif  // NESTOR_INDEX_STAGES_H_
