#include "server/engine/row_source.h"

#include <cstring>
#include <utility>

#include "server/engine/list_attribute.h"

namespace nestor {

RowSource::RowSource(const IvfIndex& index, const StoredPoints& points, std::vector<uint32_t> slots)
    : index_(index),
      points_(points),
      vector_bytes_(points.codec().vector_bytes()),
      slots_(std::move(slots)) {
  born_.reserve(slots_.size());
  for (const uint32_t slot : slots_) born_.push_back(index_.BornAt(slot));
}

absl::Status RowSource::Read(uint64_t i, uint64_t n, std::byte* out) const {
  std::vector<uint64_t> rows;
  for (uint64_t k = 0; k < n; ++k) {
    const std::byte* vector = index_.VectorAt(slots_[i + k]);
    if (vector == nullptr) {
      rows.push_back(index_.RowAt(slots_[i + k]));
    } else {
      std::memcpy(out + k * vector_bytes_, vector, vector_bytes_);
    }
  }
  // Vectors are in memory for all rows or for none.
  return rows.empty() ? absl::OkStatus() : points_.Fetch(rows, out);
}

absl::Status RowSource::ReadLists(uint64_t i, uint64_t n, const IndexSpec& spec,
                                  uint32_t* out) const {
  std::vector<uint64_t> rows(n);
  for (uint64_t k = 0; k < n; ++k) rows[k] = row(i + k);
  return ReadListAttributes(points_, rows, spec, out);
}

}  // namespace nestor
