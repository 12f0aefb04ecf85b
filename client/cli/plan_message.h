// Plans between their text form (index/plan.h) and the API's message.
#ifndef NESTOR_CLIENT_CLI_PLAN_MESSAGE_H_
#define NESTOR_CLIENT_CLI_PLAN_MESSAGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nestor/v1/search.pb.h"

namespace nestor {

// "coarse=64:32,scan=128:100,refine=256:30,rescore", "coarse=64:32,scan=opq256x32b4:200,rescore",
// "graph=384:200:0.18,rescore" or "coarse=640:32,scan=1280:200,maxsim=128:20,rescore".
// InvalidArgument as ParsePlan.
absl::StatusOr<v1::Plan> PlanFromText(absl::string_view text);
std::string ToText(const v1::Plan& plan);

}  // namespace nestor

#endif  // NESTOR_CLIENT_CLI_PLAN_MESSAGE_H_
