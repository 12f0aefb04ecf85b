// Rows of a generation, given by their slots, for those who train on them or index them. Any
// thread.
#ifndef NESTOR_SERVER_ENGINE_ROW_SOURCE_H_
#define NESTOR_SERVER_ENGINE_ROW_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "index/build.h"
#include "index/ivf_index.h"
#include "server/engine/stored_points.h"

namespace nestor {

class RowSource : public BuildSource {
 public:
  // To be made while a snapshot is pinned that shows the rows; then it suffices that the slots, and
  // the rows in the store, stay theirs.
  RowSource(const IvfIndex& index, const StoredPoints& points, std::vector<uint32_t> slots);

  uint64_t size() const override { return slots_.size(); }
  Row At(uint64_t i) const override {
    return {index_.IdAt(slots_[i]), index_.RowAt(slots_[i]), born_[i]};
  }
  absl::Status Read(uint64_t i, uint64_t n, std::byte* out) const override;
  // FailedPrecondition: a point names a list that there is not to be.
  absl::Status ReadLists(uint64_t i, uint64_t n, const IndexSpec& spec,
                         uint32_t* out) const override;

  uint32_t slot(uint64_t i) const { return slots_[i]; }
  uint64_t row(uint64_t i) const { return index_.RowAt(slots_[i]); }

 private:
  const IvfIndex& index_;
  const StoredPoints& points_;
  const size_t vector_bytes_;
  const std::vector<uint32_t> slots_;
  std::vector<uint64_t> born_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_ROW_SOURCE_H_
