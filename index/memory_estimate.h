// How much memory an index will take, before it is built.
#ifndef NESTOR_INDEX_MEMORY_ESTIMATE_H_
#define NESTOR_INDEX_MEMORY_ESTIMATE_H_

#include <cstdint>

#include "index/point_id.h"
#include "index/schema.h"

namespace nestor {

// About what IvfIndex::Memory will report of an index of so many rows, without the characters of
// string ids. `spec` is valid, and need not be resolved.
uint64_t EstimateIndexBytes(const VectorSchema& schema, const IndexSpec& spec, IdKind id_kind,
                            uint64_t rows);

// Of a code: those of all rows, rotation and codebooks, means of `lists` lists.
uint64_t EstimateCodeBytes(Metric metric, const OpqSpec& code, uint32_t lists, uint64_t rows);

}  // namespace nestor

#endif  // NESTOR_INDEX_MEMORY_ESTIMATE_H_
