// Exact scores (semantics 12): a float pass over the stored values with a margin that covers its
// rounding, then double for the few that can be among the best; ordered by the double, ties by id.
// Used by rescore and by brute force.
#ifndef NESTOR_INDEX_EXACT_H_
#define NESTOR_INDEX_EXACT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "index/stages.h"

namespace nestor {

// Collects rows with their float keys and keeps those that may be among the best `limit`.
class ExactScorer {
 public:
  // `dim` is a nesting dim. The buffers are reused between searches.
  ExactScorer(const SearchContext& context, uint32_t dim, StageBuffers* buffers,
              Candidates* candidates);

  // Scores visible rows given by slot, their vectors read from memory or from the query's source.
  absl::Status Add(std::span<const uint32_t> slots);
  // Writes the best `limit` hits, best first.
  absl::Status Finish(std::vector<Hit>* hits);
  // Vectors read from the source so far.
  uint64_t store_reads() const { return store_reads_; }

 private:
  // Sets the buffers' pointers to the slots' vectors.
  absl::Status FetchVectors(std::span<const uint32_t> slots);
  // The same for the candidates, of those that the only call of Add fetched. False: there were
  // more, or they are in memory.
  bool FindFetched();
  void Cut();
  double ScoreF64(const std::byte* vector);
  // The lowest key that may still belong to the best, if the limit-th best key is `key`.
  float LowestKey(float key) const;

  const SearchContext& context_;
  const uint32_t dim_;
  const size_t nesting_;
  StageBuffers* const buffers_;
  Candidates* const candidates_;
  double query_norm_ = 0;     // |q[:dim]|
  float relative_error_ = 0;  // of a float sum, relative to the sum of absolute values
  float largest_norm_ = 0;    // of the rows seen (DOT)
  float threshold_;
  uint64_t store_reads_ = 0;
  int fetches_ = 0;
  size_t cut_at_;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_EXACT_H_
