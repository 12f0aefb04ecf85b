// One generation of a collection's index with what belongs to it. The index and the map have their
// own rules for threads; the rest never changes. Shared by the collection and by readers that
// pinned it.
#ifndef NESTOR_SERVER_ENGINE_GENERATION_H_
#define NESTOR_SERVER_ENGINE_GENERATION_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "index/ivf_index.h"
#include "index/multi/token_rows.h"
#include "server/engine/id_map.h"
#include "server/engine/stored_points.h"
#include "server/storage/records.h"

namespace nestor {

struct Generation {
  Generation(const GenerationRecord& record, StoredPoints points, std::unique_ptr<IvfIndex> index,
             IdKind id_kind)
      : number(record.generation),
        rows_at_build(record.rows_at_build),
        built_micros(record.built_micros),
        points(std::move(points)),
        index(std::move(index)),
        tokens(codec().multi() != nullptr ? std::make_unique<TokenRows>() : nullptr),
        ids(id_kind) {}

  const PointCodec& codec() const { return points.codec(); }
  const VectorSchema& schema() const { return codec().schema(); }  // of what is indexed

  // The list of a point: the one that its encoded attributes name, where the index was built of
  // such; else, also where they name a list that only a later build will have, the nearest one.
  uint32_t ListOf(absl::string_view attributes, const std::byte* vector) const;

  // By the writer: IvfIndex::Append, and what is kept beside the index. `block`: of MULTI.
  absl::StatusOr<uint32_t> Append(uint32_t list, const PointId& id, uint64_t row, uint64_t born,
                                  const std::byte* vector, std::shared_ptr<const TokenBlock> block);

  const uint32_t number;  // 0 = never built: one untrained list, no postings in the store
  const uint64_t rows_at_build;
  const int64_t built_micros;  // since 1970-01-01 UTC; 0 = never built
  const StoredPoints points;
  const std::unique_ptr<IvfIndex> index;
  const std::unique_ptr<TokenRows> tokens;  // of MULTI, else null
  IdMap ids;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_GENERATION_H_
