// The scan stage by a code in place of the first shell (codes/query.h says what the sums are).
#ifndef NESTOR_INDEX_SCAN_CODES_H_
#define NESTOR_INDEX_SCAN_CODES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "index/code_table.h"
#include "index/codes/query.h"
#include "index/stages.h"

namespace nestor {

// Buffers of one thread, reused from query to query.
class CodeScan {
 public:
  // Keys of all rows of the lists by a code; the best `keep` visible ones become candidates. Their
  // keys are as those of a scan of the code's dims; their sums are not to be carried on from.
  //
  // Cost: bytes are those of codes, half squares, the rotation, the centroids and the means of the
  // lists; multiply_adds count the query's products with the last three, and each table lookup.
  absl::Status Run(const SearchContext& context, const CodeTable::Entry& entry,
                   std::span<const uint32_t> lists, uint32_t keep, StageBuffers* buffers,
                   Candidates* candidates, StageCost* cost);

 private:
  OpqQuery query_;
  std::vector<const float*> means_;
  std::vector<float> list_terms_;  // <q, mean> of the lists
};

}  // namespace nestor

#endif  // NESTOR_INDEX_SCAN_CODES_H_
