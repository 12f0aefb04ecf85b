// Another library, run by nestor-baselines in a child process.
#ifndef NESTOR_CLIENT_BENCH_BASELINE_ENGINE_H_
#define NESTOR_CLIENT_BENCH_BASELINE_ENGINE_H_

#include <memory>
#include <string>
#include <vector>

#include "client/bench/child_process.h"
#include "client/bench/dataset.h"
#include "client/bench/engine.h"

namespace nestor {

inline constexpr char kHnswlib[] = "hnswlib";
inline constexpr char kFaissIvfFlat[] = "faiss-ivfflat";
inline constexpr char kFaissIvfPq[] = "faiss-ivfpq";  // fast-scan with refinement

// The settings that a baseline is swept over, from fast to thorough (semantics 25); without those
// that cannot give k hits.
std::vector<std::string> BaselineSettings(const std::string& name, uint32_t k);

class BaselineEngine : public Engine {
 public:
  // Starts `program` and builds on `threads` threads. `name`: one of those above.
  static absl::StatusOr<std::unique_ptr<BaselineEngine>> Build(const std::string& program,
                                                               const std::string& name,
                                                               const Dataset& set, int threads);

  const EngineFacts& facts() const override { return facts_; }
  std::vector<std::string> Settings(uint32_t k) const override {
    return BaselineSettings(facts_.name, k);
  }
  absl::StatusOr<EnginePass> Run(const std::string& setting, const PassOptions& options) override;

 private:
  explicit BaselineEngine(std::unique_ptr<ChildProcess> child) : child_(std::move(child)) {}

  const std::unique_ptr<ChildProcess> child_;
  EngineFacts facts_;
};

}  // namespace nestor

#endif  // NESTOR_CLIENT_BENCH_BASELINE_ENGINE_H_
