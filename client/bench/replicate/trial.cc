#include "client/bench/replicate/trial.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace nestor {

const char* Name(Method method) {
  switch (method) {
    case Method::kExact:
      return "exact";
    case Method::kIvf:
      return "IVF";
    case Method::kAdannsIvf:
      return "AdANNS-IVF";
    case Method::kAdannsIvfD:
      return "AdANNS-IVF-D";
    case Method::kOpq:
      return "OPQ";
    case Method::kAdannsOpq:
      return "AdANNS-OPQ";
    case Method::kIvfOpq:
      return "IVFOPQ";
    case Method::kAdannsIvfOpq:
      return "AdANNS-IVFOPQ";
    case Method::kAdaptive:
      return "AR";
    case Method::kFunnel:
      return "funnel";
    case Method::kGraphOpq:
      return "HNSW+OPQ";
  }
  return "";
}

absl::StatusOr<std::unique_ptr<LocalEngine>> BuildIndex(const Encoder& encoder,
                                                        const IndexPlan& plan) {
  LocalEngineOptions options{.threads = plan.threads,
                             .code_iterations = plan.code_iterations,
                             .code_rows = plan.code_rows};
  options.spec.coarse_dim = plan.coarse_dim;
  options.spec.lists = plan.lists;
  options.spec.codes = plan.codes;
  // One shell: any of its prefixes can be scanned. As floats, so that nothing but the protocol's
  // own approximations is measured.
  options.spec.shells = {encoder.dim()};
  options.spec.codec = plan.codes.empty() ? ShellCodec::kF32 : ShellCodec::kInt8;
  return LocalEngine::Build(encoder.set(), options);
}

uint32_t LongAnswer(const Encoder& encoder) {
  return static_cast<uint32_t>(std::min<uint64_t>(kLongAnswer, encoder.rows()));
}

double Quantile(std::vector<float> values, double p) {
  const auto at = static_cast<ptrdiff_t>(std::lround(p * static_cast<double>(values.size() - 1)));
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<size_t>(at)];
}

absl::StatusOr<Trial> Measured(const Encoder& encoder, LocalEngine& engine, const std::string& plan,
                               uint32_t k, Trial run) {
  const absl::StatusOr<EnginePass> pass = engine.Run(plan, {.half = Half::kAll, .k = k});
  if (!pass.ok()) return pass.status();
  run.encoder = encoder.name();
  run.plan = pass->plan;
  run.rows = encoder.rows();
  run.k = k;
  for (const StageMean& stage : pass->stages) {
    run.multiply_adds += stage.multiply_adds;
    if (stage.name == "scan" || stage.name == "exact") run.rows_scanned += stage.in;
    if (stage.name == "rescore") run.vector_reads += stage.in;
  }
  run.p50_ms = Quantile(pass->pass.micros, 0.5) / 1000;
  run.p99_ms = Quantile(pass->pass.micros, 0.99) / 1000;
  run.scores = encoder.Score(pass->pass.ids, k);
  return run;
}

}  // namespace nestor
