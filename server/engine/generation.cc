#include "server/engine/generation.h"

#include <utility>

namespace nestor {

absl::StatusOr<uint32_t> Generation::Append(uint32_t list, const PointId& id, uint64_t row,
                                            uint64_t born, const std::byte* vector,
                                            std::shared_ptr<const TokenBlock> block) {
  absl::StatusOr<uint32_t> slot = index->Append(list, id, row, born, vector);
  if (!slot.ok()) return slot;
  if (tokens != nullptr) {
    tokens->Grow(index->slot_limit());
    tokens->Put(*slot, std::move(block));
  }
  ids.Put(id, *slot, born);
  return slot;
}

}  // namespace nestor
