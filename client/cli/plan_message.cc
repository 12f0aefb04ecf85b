#include "client/cli/plan_message.h"

#include "index/plan.h"

namespace nestor {

absl::StatusOr<v1::Plan> PlanFromText(absl::string_view text) {
  const absl::StatusOr<Plan> plan = ParsePlan(text);
  if (!plan.ok()) return plan.status();
  v1::Plan message;
  message.mutable_lists()->mutable_coarse()->set_dim(plan->coarse.dim);
  message.mutable_lists()->mutable_coarse()->set_probes(plan->coarse.probes);
  message.mutable_lists()->mutable_scan()->set_dim(plan->scan.dim);
  message.mutable_lists()->mutable_scan()->set_keep(plan->scan.keep);
  for (const Plan::Stage& stage : plan->refine) {
    v1::RefineStage* refine = message.add_refine();
    refine->set_dim(stage.dim);
    refine->set_keep(stage.keep);
  }
  message.set_rescore(plan->rescore);
  return message;
}

std::string ToText(const v1::Plan& message) {
  Plan plan;
  plan.coarse = {message.lists().coarse().dim(), message.lists().coarse().probes()};
  plan.scan = {message.lists().scan().dim(), message.lists().scan().keep()};
  for (const v1::RefineStage& refine : message.refine()) {
    plan.refine.push_back({refine.dim(), refine.keep()});
  }
  plan.rescore = message.rescore();
  return FormatPlan(plan);
}

}  // namespace nestor
