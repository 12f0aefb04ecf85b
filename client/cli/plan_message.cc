#include "client/cli/plan_message.h"

#include "index/plan.h"

namespace nestor {

absl::StatusOr<v1::Plan> PlanFromText(absl::string_view text) {
  const absl::StatusOr<Plan> plan = ParsePlan(text);
  if (!plan.ok()) return plan.status();
  v1::Plan message;
  if (plan->graph.has_value()) {
    v1::Graph* graph = message.mutable_graph();
    graph->set_dim(plan->graph->dim);
    graph->set_ef(plan->graph->ef);
    graph->set_margin(plan->graph->margin);
  } else {
    v1::Lists* lists = message.mutable_lists();
    lists->mutable_coarse()->set_dim(plan->coarse.dim);
    lists->mutable_coarse()->set_probes(plan->coarse.probes);
    if (plan->code.has_value()) {
      lists->mutable_scan()->set_code(OpqName(*plan->code));
    } else {
      lists->mutable_scan()->set_dim(plan->scan.dim);
    }
    lists->mutable_scan()->set_keep(plan->scan.keep);
  }
  for (const Plan::Stage& stage : plan->refine) {
    v1::RefineStage* refine = message.add_refine();
    refine->set_dim(stage.dim);
    refine->set_keep(stage.keep);
  }
  for (const Plan::Stage& stage : plan->maxsim) {
    v1::MaxSimStage* maxsim = message.add_maxsim();
    maxsim->set_dim(stage.dim);
    maxsim->set_keep(stage.keep);
  }
  message.set_rescore(plan->rescore);
  return message;
}

std::string ToText(const v1::Plan& message) {
  Plan plan;
  if (message.has_graph()) {
    plan.graph = {message.graph().dim(), message.graph().ef(), message.graph().margin()};
  } else {
    plan.coarse = {message.lists().coarse().dim(), message.lists().coarse().probes()};
    plan.scan = {message.lists().scan().dim(), message.lists().scan().keep()};
    // A name that this tool does not know is a newer server's.
    if (const auto code = ParseOpqName(message.lists().scan().code()); code.ok()) plan.code = *code;
  }
  for (const v1::RefineStage& refine : message.refine()) {
    plan.refine.push_back({refine.dim(), refine.keep()});
  }
  for (const v1::MaxSimStage& maxsim : message.maxsim()) {
    plan.maxsim.push_back({maxsim.dim(), maxsim.keep()});
  }
  plan.rescore = message.rescore();
  return FormatPlan(plan);
}

}  // namespace nestor
