// Every state that a collection of one writer has been in, by sequence: the oracle of readers that
// run beside the writer. Points are numbered 0..points-1; a point's vector follows from its number
// and its version.
#ifndef NESTOR_TESTS_SERVER_ENGINE_HISTORY_H_
#define NESTOR_TESTS_SERVER_ENGINE_HISTORY_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "index/base/mutex.h"
#include "index/schema.h"
#include "server/engine/types.h"

namespace nestor {

class History {
 public:
  struct Version {
    uint64_t seq = 0;
    uint64_t number = 0;  // 0 = the point is not there
  };
  using State = std::vector<Version>;  // by point

  History(const VectorSchema& schema, uint64_t points) : schema_(schema), versions_(points) {}

  // The writer, before it makes the change; number 0 deletes. Sequences ascend.
  void Note(uint64_t seq, std::span<const uint64_t> points, uint64_t number);
  // Any thread, of sequences whose changes were noted.
  State At(uint64_t seq) const;

  std::vector<float> VectorOf(uint64_t point, uint64_t number) const;
  // Empty where each hit is a point of the state in its version, with its score, once, and in
  // order; else what is wrong.
  std::string Fault(const State& state, std::span<const float> query,
                    std::span<const SearchHit> hits) const;

  static uint64_t Count(const State& state);

 private:
  double Score(std::span<const float> query, std::span<const float> vector) const;

  const VectorSchema schema_;
  mutable Mutex mutex_;
  std::vector<std::vector<Version>> versions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nestor

#endif  // NESTOR_TESTS_SERVER_ENGINE_HISTORY_H_
