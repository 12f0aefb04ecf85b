// A columnar batch of StreamUpsert -> points, row by row. Free functions, any thread. The points
// borrow from the message.
#ifndef NESTOR_SERVER_RPC_CONVERT_COLUMNS_H_
#define NESTOR_SERVER_RPC_CONVERT_COLUMNS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nestor/v1/point.pb.h"
#include "server/engine/types.h"

namespace nestor {

struct RowError {
  uint32_t row = 0;  // index in the batch
  absl::Status status;
};

struct ColumnBatch {
  std::vector<PointInput> points;  // the good rows, in order
  std::vector<uint32_t> rows;      // index in the batch of each of `points`
  std::vector<RowError> errors;    // of the other rows, ascending
};

// INVALID_ARGUMENT where the batch's shape is wrong: then no row can be told from another. Values
// of vectors are not looked at.
absl::StatusOr<ColumnBatch> ToColumnBatch(const v1::StreamUpsertRequest& request,
                                          const CollectionSpec& spec);

// Moves the points that the engine refuses for their vector or their attributes to `errors`. Called
// once it has refused the batch: good batches, nearly all, are not checked twice.
void SortOutBadRows(const CollectionSpec& spec, ColumnBatch* batch);

}  // namespace nestor

#endif  // NESTOR_SERVER_RPC_CONVERT_COLUMNS_H_
