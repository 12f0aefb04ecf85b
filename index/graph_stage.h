// The graph stage of one search: from a query to candidates, in steps that two searches on one
// thread can take in turn.
#ifndef NESTOR_INDEX_GRAPH_STAGE_H_
#define NESTOR_INDEX_GRAPH_STAGE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "index/candidates.h"
#include "index/graph/graph.h"
#include "index/graph/search.h"
#include "index/plan.h"
#include "index/stages.h"

namespace nestor {

// Reused from search to search.
struct GraphBuffers {
  GraphScratch scratch;
  std::vector<int8_t> codes;  // of the query
};

class GraphStage {
 public:
  // FailedPrecondition where there is no graph, InvalidArgument where it has another dim than the
  // plan says.
  static absl::Status Check(const Graph* graph, const Plan& plan);

  // The arguments outlive the stage. `integral`: the query is made of int8 values and the rows'
  // codes are theirs. `alone`: no other search takes turns with it.
  GraphStage(const SearchContext& context, const Graph& graph, const NodeRows& rows,
             const Plan::GraphStage& plan, bool integral, bool alone, GraphBuffers* buffers);

  // Chooses what to look at next and asks the cache for it; false when the search is over.
  bool Gather() { return search_.Gather(); }
  // Looks at it. DeadlineExceeded, Cancelled.
  absl::Status Score();
  // The visible nodes of the pool, as candidates at the graph's dim.
  void Finish(Candidates* candidates, StageCost* cost) const;

 private:
  static GraphQuery QueryOf(const SearchContext& context, const Graph& graph,
                            const Plan::GraphStage& plan, bool integral, bool alone, double square,
                            GraphBuffers* buffers);

  const SearchContext& context_;
  const Graph& graph_;
  const Plan::GraphStage& plan_;
  GraphBuffers& buffers_;
  const double square_;  // |q[:dim]|^2
  const GraphQuery query_;
  GraphSearch search_;
  StopPoll poll_;
  uint32_t steps_ = 0;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_GRAPH_STAGE_H_
