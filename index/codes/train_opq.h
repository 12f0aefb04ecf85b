// Training of an OPQ by FAISS: OPQMatrix, then its ProductQuantizer.
#ifndef NESTOR_INDEX_CODES_TRAIN_OPQ_H_
#define NESTOR_INDEX_CODES_TRAIN_OPQ_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "index/codes/quantizer.h"
#include "index/codes/spec.h"

namespace nestor {

// FAISS looks at no more.
inline constexpr size_t kMaxOpqTrainingRows = 65536;

struct OpqTraining {
  OpqSpec spec;
  int iterations = 50;  // of rotation and codebooks in turn
  int threads = 1;
  uint64_t seed = 1;
  // Told before each iteration; false stops: Cancelled.
  std::function<bool(double fraction)> progress;
};

// Trains on n x dim floats as PrepareRow makes them, the first 65,536 rows. FailedPrecondition
// where there are fewer rows than centroids of a sub-quantizer.
absl::StatusOr<std::shared_ptr<const OpqQuantizer>> TrainOpq(const OpqTraining& training,
                                                             const std::vector<float>& rows);

}  // namespace nestor

#endif  // NESTOR_INDEX_CODES_TRAIN_OPQ_H_
