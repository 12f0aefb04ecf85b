// Training of a code of an index: the means of its lists, then OPQ on what is left of a sample.
#ifndef NESTOR_INDEX_TRAIN_CODE_H_
#define NESTOR_INDEX_TRAIN_CODE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "index/build.h"
#include "index/code.h"
#include "index/codes/train_opq.h"
#include "index/model.h"

namespace nestor {

struct CodeTraining {
  OpqSpec spec;
  uint64_t rows = kMaxOpqTrainingRows;  // evenly spread, at most
  int iterations = 50;
  int threads = 1;
  uint64_t seed = 1;
  // Of `spec`: rotation and codebooks are these, and only the means of the lists are new.
  std::optional<GivenCode> given;
  std::function<bool(double fraction)> progress;  // false: stop, Cancelled
  std::function<void()> rows_read;                // the source is not read any more
};

// lists[i]: the list of row i of the source, one of the model's. FailedPrecondition where there are
// fewer rows than centroids to train.
absl::StatusOr<std::shared_ptr<const Code>> TrainCode(const VectorSchema& schema,
                                                      const Model& model, const BuildSource& source,
                                                      std::span<const uint32_t> lists,
                                                      const CodeTraining& training);

}  // namespace nestor

#endif  // NESTOR_INDEX_TRAIN_CODE_H_
