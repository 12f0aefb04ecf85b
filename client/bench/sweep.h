// Looks for good plans: random ones over the whole space first, then, for each recall wanted, a
// climb from the fastest plan that reaches it: to a neighbour that is faster and reaches it too,
// and, where no neighbour is, to one two random steps away. Deterministic but for what `measure`
// measures.
#ifndef NESTOR_CLIENT_BENCH_SWEEP_H_
#define NESTOR_CLIENT_BENCH_SWEEP_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/bench/measure.h"
#include "index/plan.h"
#include "index/schema.h"

namespace nestor {

// The values that a plan's parts may take, ascending.
struct PlanSpace {
  uint32_t dim = 0;  // D
  std::vector<uint32_t> coarse_dims;
  std::vector<uint32_t> probes;
  std::vector<uint32_t> scan_dims;
  std::vector<uint32_t> refine_dims;
  std::vector<uint32_t> keeps;
};

// Nesting dims from 32 on; scans up to and including the second shell; probes up to the number of
// lists; keeps from k to 40 k.
PlanSpace PlanSpaceOf(const std::vector<uint32_t>& nesting, const std::vector<uint32_t>& shells,
                      uint32_t lists, uint32_t k);

// Plans that differ from `plan` in one step of one part. All are valid.
std::vector<Plan> Neighbours(const PlanSpace& space, const Plan& plan);

struct SweepOptions {
  int random_plans = 200;
  int climb_plans = 150;  // measured at most in the climb of each recall
  std::vector<double> recalls;
  uint64_t seed = 1;
  // Told after each plan; the number of those measured so far.
  std::function<void(int measured)> progress;
};

using MeasurePlan = std::function<absl::StatusOr<Measurement>(const std::string& plan)>;

// Every plan that was measured, each once.
absl::StatusOr<std::vector<Measurement>> SweepPlans(const PlanSpace& space,
                                                    const SweepOptions& options,
                                                    const MeasurePlan& measure);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_SWEEP_H_
