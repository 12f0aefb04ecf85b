// The points of one collection in the store, read by row number, as the index of a generation takes
// them or as they are stored. Any thread. Rows that the caller's pinned snapshot shows are there;
// another one is DataLoss.
#ifndef NESTOR_SERVER_ENGINE_STORED_POINTS_H_
#define NESTOR_SERVER_ENGINE_STORED_POINTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "index/multi/token_search.h"
#include "index/vector_source.h"
#include "server/engine/point_codec.h"
#include "server/storage/records.h"
#include "server/storage/store.h"

namespace nestor {

class StoredPoints : public VectorSource, public TokenSource {
 public:
  StoredPoints(Store* store, uint32_t uid, std::shared_ptr<const PointCodec> codec)
      : store_(store), uid_(uid), codec_(std::move(codec)) {}

  const PointCodec& codec() const { return *codec_; }
  const std::shared_ptr<const PointCodec>& shared_codec() const { return codec_; }

  // Of MULTI: the FDEs.
  absl::Status Fetch(std::span<const uint64_t> rows, std::byte* out) const override;

  // Of MULTI.
  absl::Status ReadTokens(
      std::span<const uint64_t> rows,
      absl::FunctionRef<void(size_t, std::span<const float>)> visit) const override;

  // visit(i, point) for every rows[i], in ascending order of the rows; `point` is valid during the
  // call.
  absl::Status Read(std::span<const uint64_t> rows, const StoreSnapshot* snapshot,
                    absl::FunctionRef<absl::Status(size_t, const PointView&)> visit) const;

 private:
  Store* const store_;
  const uint32_t uid_;
  const std::shared_ptr<const PointCodec> codec_;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_STORED_POINTS_H_
