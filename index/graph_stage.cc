#include "index/graph_stage.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace nestor {
namespace {

// Rows farther than this part of the margin are not refined: hardly one of them is a hit
// (shared/reference/performance.md, section 8).
constexpr float kRefinedPart = 0.8f;
constexpr uint32_t kStepsPerPoll = 8;
// The stop looks at this hit at least: the first few of a search are near each other in a corner of
// the graph, far from the nearest node.
constexpr uint32_t kLeastK = 10;

}  // namespace

absl::Status GraphStage::Check(const Graph* graph, const Plan& plan) {
  if (graph == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("the plan ", FormatPlan(plan), " needs a graph; none is built"));
  }
  if (plan.graph->dim != graph->spec().dim) {
    return absl::InvalidArgumentError(absl::StrCat(
        "plan: graph dim ", plan.graph->dim, " is not the built graph's, ", graph->spec().dim));
  }
  return absl::OkStatus();
}

GraphStage::GraphStage(const SearchContext& context, const Graph& graph, const NodeRows& rows,
                       const Plan::GraphStage& plan, bool integral, bool alone,
                       GraphBuffers* buffers)
    : context_(context),
      graph_(graph),
      plan_(plan),
      buffers_(*buffers),
      square_(context.kernels.dot_f64(context.query.vector.data(), context.query.vector.data(),
                                      graph.spec().dim)),
      query_(QueryOf(context, graph, plan, integral, alone, square_, buffers)),
      search_(graph.nodes(), graph.entries(), &rows, query_, &buffers->scratch),
      poll_(context.query) {}

GraphQuery GraphStage::QueryOf(const SearchContext& context, const Graph& graph,
                               const Plan::GraphStage& plan, bool integral, bool alone,
                               double square, GraphBuffers* buffers) {
  const float* q = context.query.vector.data();
  buffers->codes.resize(graph.nodes().code_bytes());
  float scale = 1;
  if (integral) {
    CopyInt8(q, plan.dim, buffers->codes.data());
  } else {
    scale = QuantizeInt8(q, plan.dim, buffers->codes.data());
  }
  return {.point = graph.space().FromQuery(buffers->codes.data(), scale, square),
          .ef = plan.ef,
          .k = std::max(context.query.limit, kLeastK),
          .margin = plan.margin,
          .snapshot = context.query.snapshot,
          .state = graph.StateOf(context.query.snapshot),
          .skip_slot = context.query.skip_slot,
          .ahead = alone ? GraphQuery::kMaxAhead : 1};
}

absl::Status GraphStage::Score() {
  search_.Score();
  return steps_++ % kStepsPerPoll == 0 ? poll_.Check() : absl::OkStatus();
}

void GraphStage::Finish(Candidates* candidates, StageCost* cost) const {
  const NodePool& pool = buffers_.scratch.pool;
  const float bound = search_.Bound(kRefinedPart * plan_.margin);
  candidates->Reserve(plan_.ef);
  candidates->size = 0;
  for (size_t i = 0; i < pool.size() && candidates->size < plan_.ef; ++i) {
    if (!pool.visible(i)) continue;
    if (!(pool.distance(i) <= bound) && candidates->size >= context_.query.limit) break;
    const NodeTail& tail = graph_.nodes().tail(pool.node(i));
    const float sum = graph_.space().Product(query_.point, square_, tail, pool.distance(i));
    const size_t at = candidates->size++;
    candidates->slots[at] = tail.slot;
    candidates->sums[at] = sum;
    candidates->keys[at] = context_.key_kind == KeyKind::kTimes   ? sum / tail.norm
                           : context_.key_kind == KeyKind::kMinus ? sum - tail.norm / 2
                                                                  : sum;
  }
  const EntryTable& entries = graph_.entries();
  cost->name = "graph";
  cost->dim = plan_.dim;
  cost->in = search_.scored();
  cost->out = candidates->size;
  cost->multiply_adds = search_.scored() * plan_.dim + uint64_t{entries.count()} * entries.dims();
  cost->bytes = search_.scored() * (plan_.dim + sizeof(NodeTail)) +
                search_.expanded() * graph_.spec().degree * sizeof(uint32_t) + entries.scan_bytes();
}

}  // namespace nestor
