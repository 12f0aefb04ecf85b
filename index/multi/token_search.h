// One search of token matrices: candidates by their FDEs, as an index of vectors finds them; then
// MaxSim on the int8 codes of their tokens; then exact MaxSim of the tokens as stored.
#ifndef NESTOR_INDEX_MULTI_TOKEN_SEARCH_H_
#define NESTOR_INDEX_MULTI_TOKEN_SEARCH_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/ivf_index.h"
#include "index/multi/maxsim.h"
#include "index/multi/token_rows.h"
#include "index/multi/token_set.h"
#include "index/plan.h"

namespace nestor {

// A query of tokens, as the stages take it.
struct PreparedTokens {
  std::vector<float> tokens;  // of unit length under COSINE
  std::vector<float> weights;
  bool mean = false;
  std::vector<float> fde;
};

// The tokens of an index's rows as they are stored.
class TokenSource {
 public:
  virtual ~TokenSource() = default;
  // visit(i, tokens) for every rows[i], in any order: n x dim floats, as TokenSet::values has them,
  // valid during the call.
  virtual absl::Status ReadTokens(
      std::span<const uint64_t> rows,
      absl::FunctionRef<void(size_t, std::span<const float>)> visit) const = 0;
};

// The plan of a search that names none: an FDE's estimate ranks far worse than MaxSim, so many more
// candidates than `limit` come to it. `schema`: of the FDEs.
Plan DefaultTokenPlan(const VectorSchema& schema, const VectorSchema& token,
                      const IndexShape& shape, uint32_t limit);

class TokenSearch {
 public:
  // Of each hit, of each query token.
  using Matches = std::vector<std::vector<TokenMatch>>;

  // Borrows all. `index`: of the FDEs; `rows`: the codes of the same slots. `query`: its vector is
  // the FDE of the tokens.
  TokenSearch(const IvfIndex& index, const TokenRows& rows, const TokenSchema& schema,
              const TokenSource& source, const PreparedTokens& tokens, const SearchQuery& query)
      : index_(index),
        rows_(rows),
        schema_(schema),
        source_(source),
        tokens_(tokens),
        query_(query) {}

  // `matches` may be null; without rescore there are none. Errors: as IvfIndex::Search.
  absl::Status Search(const Plan& plan, SearchScratch* scratch, SearchResult* result,
                      Matches* matches);
  // Of all visible points: those that may be among the best by their codes, which bound the error,
  // are scored exactly.
  absl::Status Exact(SearchResult* result, Matches* matches);

 private:
  struct Scored {
    uint32_t slot;
    double score;
    uint32_t at;  // of its matches
  };

  absl::StatusOr<std::unique_ptr<const MaxSimQuery>> MakeQuery(uint32_t dim) const;
  // The candidates by the codes of their tokens' first `dim` dims.
  absl::Status ScoreCodes(const MaxSimQuery& query, uint32_t dim, StageCost* cost);
  // .. by their tokens as stored.
  absl::Status ScoreStored(const MaxSimQuery& query, Matches* matches, StageCost* cost);
  // The best ones, best first, ties by id.
  void Keep(size_t keep);
  // The limit's best, and their matches, which belong to the candidates.
  void Finish(uint32_t score_dim, SearchResult* result, Matches* matches);

  const IvfIndex& index_;
  const TokenRows& rows_;
  const TokenSchema& schema_;
  const TokenSource& source_;
  const PreparedTokens& tokens_;
  const SearchQuery& query_;
  std::vector<Scored> candidates_;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_MULTI_TOKEN_SEARCH_H_
