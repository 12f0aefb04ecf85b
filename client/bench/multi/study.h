// `nestor bench multi`: one set of token matrices, Nestor's stages over encodings beside what does
// without: brute force, mean vectors, a search by token. In this process.
#ifndef NESTOR_CLIENT_BENCH_MULTI_STUDY_H_
#define NESTOR_CLIENT_BENCH_MULTI_STUDY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/bench/compare.h"
#include "client/bench/multi/candidate_table.h"
#include "index/multi/fde_spec.h"

namespace nestor {

struct StudyOptions {
  std::string data;             // folder (token_data.h)
  uint64_t queries = 1000;      // the first of them, or fewer
  uint64_t documents = 0;       // the first of them (FirstDocuments); 0: all
  uint32_t begin = 0, end = 0;  // dims of the tokens that are studied (CutTokens); 0, 0: all
  FdeSpec fde;                  // its dim is that of the tokens, whatever it says
  bool candidates = true;       // whether the table of candidates is made ..
  bool search = true;           // .. and whether the engines are compared
  int build_threads = 1;
  int code_iterations = 3;  // of the training of the index's code
  CompareOptions compare;   // its progress is told by the phase alone
};

// How fast documents are scored by their codes, in multiplications and additions of the query's
// tokens with theirs.
struct MaxSimRates {
  double hot_gops = 0;  // the first documents over and over, out of the cache
  double all_gops = 0;  // all documents
};

struct Study {
  uint64_t documents = 0, tokens = 0;
  uint32_t token_dim = 0, queries = 0;
  FdeSpec fde;
  std::vector<CandidateRow> candidates;
  MaxSimRates rates;
  std::vector<EngineFacts> engines;  // Nestor first
  Comparison comparison;
  // On all queries: exact search, the default plan, those chosen for a recall of 0.95, and mean
  // vectors with as many candidates as each of them leaves to MaxSim.
  std::vector<Measurement> quality;
};

// `told` hears what begins.
absl::StatusOr<Study> RunStudy(const StudyOptions& options,
                               const std::function<void(absl::string_view)>& told);

// Names and texts of tables and charts.
std::vector<std::pair<std::string, std::string>> FilesOf(const Study& study);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_MULTI_STUDY_H_
