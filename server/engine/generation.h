// One generation of a collection's index with what belongs to it. The index and the map have their
// own rules for threads; the rest never changes. Shared by the collection and by readers that
// pinned it.
#ifndef NESTOR_SERVER_ENGINE_GENERATION_H_
#define NESTOR_SERVER_ENGINE_GENERATION_H_

#include <memory>

#include "index/ivf_index.h"
#include "server/engine/id_map.h"

namespace nestor {

struct Generation {
  Generation(uint32_t number, std::unique_ptr<IvfIndex> index, IdKind id_kind,
             uint64_t rows_at_build)
      : number(number), rows_at_build(rows_at_build), index(std::move(index)), ids(id_kind) {}

  const uint32_t number;  // 0 = never built: one untrained list, no postings in the store
  const uint64_t rows_at_build;
  const std::unique_ptr<IvfIndex> index;
  IdMap ids;
};

}  // namespace nestor

#endif  // NESTOR_SERVER_ENGINE_GENERATION_H_
