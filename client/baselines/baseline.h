// A search library that Nestor is compared with. Compiled for the CPU that builds it, so that it
// shows its best; for that reason a program of its own.
#ifndef NESTOR_CLIENT_BASELINES_BASELINE_H_
#define NESTOR_CLIENT_BASELINES_BASELINE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/passes/wire.h"
#include "index/schema.h"

namespace nestor {

// rows x dim floats; under COSINE of unit length. Both metrics but L2 are then an inner product.
struct Matrix {
  uint64_t rows = 0;
  uint32_t dim = 0;
  std::vector<float> values;
  const float* row(uint64_t i) const { return values.data() + i * dim; }
};

class Baseline {
 public:
  virtual ~Baseline() = default;
  virtual absl::StatusOr<BuildReply> Build(const Matrix& base, int threads) = 0;
  // "ef=64"; before a pass, from one thread.
  virtual absl::Status Set(absl::string_view setting) = 0;
  // Called by each thread of a pass before its first query.
  virtual void EnterThread() {}
  // The nearest rows, best first; any number of threads. `ids` holds kNoId before.
  virtual absl::Status Answer(const float* query, std::span<uint64_t> ids) const = 0;
};

// M = 16, efConstruction = 200. Setting: ef=N.
std::unique_ptr<Baseline> MakeHnswlib(Metric metric);
// IndexIVFFlat with `lists` lists (0: DefaultLists). Setting: nprobe=N.
std::unique_ptr<Baseline> MakeFaissIvfFlat(Metric metric, uint32_t lists);
// IndexIVFPQFastScan with IndexRefineFlat behind. Setting: nprobe=N,kfactor=N: the N x k best by
// code are scored by their floats.
std::unique_ptr<Baseline> MakeFaissIvfPq(Metric metric, uint32_t lists);

// 512 up to 65,536 rows, 1,024 up to 524,288, else 4,096.
constexpr uint64_t DefaultLists(uint64_t rows) {
  return rows <= 65536 ? 512 : rows <= 524288 ? 1024 : 4096;
}

// The number behind `name`= in a setting.
absl::StatusOr<uint32_t> ParseSetting(absl::string_view setting, absl::string_view name);

}  // namespace nestor

#endif  // NESTOR_CLIENT_BASELINES_BASELINE_H_
