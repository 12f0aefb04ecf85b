// One search of a MULTI collection: candidates by their FDEs, as an index of vectors finds them;
// then MaxSim on the int8 codes of their tokens; then exact MaxSim of the tokens in the store.
#ifndef NESTOR_SERVER_ENGINE_TOKEN_SEARCH_H_
#define NESTOR_SERVER_ENGINE_TOKEN_SEARCH_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "index/ivf_index.h"
#include "index/multi/maxsim.h"
#include "index/plan.h"
#include "server/engine/generation.h"
#include "server/engine/point_codec.h"
#include "server/engine/stored_points.h"

namespace nestor {

// The plan of a search that names none: an FDE's estimate ranks far worse than MaxSim, so many more
// candidates than `limit` come to it. `schema`: of the FDEs.
Plan DefaultTokenPlan(const VectorSchema& schema, const VectorSchema& token,
                      const IndexShape& shape, uint32_t limit);

class TokenSearch {
 public:
  // Of each hit, of each query token.
  using Matches = std::vector<std::vector<TokenMatch>>;

  // `query`: its vector is the FDE of the tokens.
  TokenSearch(const Generation& generation, const StoredPoints& points,
              const PreparedTokens& tokens, const SearchQuery& query)
      : generation_(generation), points_(points), tokens_(tokens), query_(query) {}

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

  const VectorSchema& token_schema() const { return points_.codec().multi()->tokens.token; }
  absl::StatusOr<std::unique_ptr<const MaxSimQuery>> MakeQuery(uint32_t dim) const;
  // The candidates by the codes of their tokens' first `dim` dims.
  absl::Status ScoreCodes(const MaxSimQuery& query, uint32_t dim, StageCost* cost);
  // .. by their tokens as stored.
  absl::Status ScoreStored(const MaxSimQuery& query, Matches* matches, StageCost* cost);
  // The best ones, best first, ties by id.
  void Keep(size_t keep);
  // The limit's best, and their matches, which belong to the candidates.
  void Finish(uint32_t score_dim, SearchResult* result, Matches* matches);

  const Generation& generation_;
  const StoredPoints& points_;
  const PreparedTokens& tokens_;
  const SearchQuery& query_;
  std::vector<Scored> candidates_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_TOKEN_SEARCH_H_
