// Where exact vectors come from when the index does not hold them in memory: the only thing that
// the index library knows of a store.
#ifndef NESTOR_INDEX_VECTOR_SOURCE_H_
#define NESTOR_INDEX_VECTOR_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"

namespace nestor {

class VectorSource {
 public:
  virtual ~VectorSource() = default;
  // Reads the stored vectors of `rows` (row numbers, any order) one after the other into `out`,
  // which has rows.size() x vector bytes. DataLoss names a row that is missing or has another size.
  virtual absl::Status Fetch(std::span<const uint64_t> rows, std::byte* out) const = 0;
};

}  // namespace nestor

#endif  // NESTOR_INDEX_VECTOR_SOURCE_H_
