// How many candidates the encodings of several shapes need until they hold the true neighbours,
// beside what does without encodings. Exact scans: of quality alone, not of speed.
#ifndef NESTOR_CLIENT_BENCH_MULTI_CANDIDATE_TABLE_H_
#define NESTOR_CLIENT_BENCH_MULTI_CANDIDATE_TABLE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/bench/multi/token_data.h"

namespace nestor {

struct CandidateRow {
  static constexpr double kRecalls[] = {0.8, 0.9, 0.95};
  static constexpr uint32_t kCandidates[] = {10, 50, 100, 500, 1000};

  std::string source;  // "FDE", "mean vectors", "token search"
  uint32_t k_sim = 0;  // of FDEs
  uint32_t d_proj = 0;
  bool fill = false;
  uint32_t dims = 0;
  std::string codes;    // "f32", "int8", "opq1280x160b8"
  uint64_t bytes = 0;   // of a document
  size_t needed[3];     // candidates with each of kRecalls
  double recall_at[5];  // recall@10 in so many candidates
};

// `threads`: of the training of codes. `told` hears what begins.
absl::StatusOr<std::vector<CandidateRow>> MeasureCandidates(
    const TokenData& data, int threads, const std::function<void(absl::string_view)>& told);

std::string CandidatesText(const std::vector<CandidateRow>& rows);
std::string CandidatesCsv(const std::vector<CandidateRow>& rows);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_MULTI_CANDIDATE_TABLE_H_
